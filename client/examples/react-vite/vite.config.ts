import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // works in any folder of any server
});
