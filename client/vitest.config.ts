import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    restoreMocks: true,
    isolate: false, // starting a process costs more than any test
    projects: [
      { extends: true, test: { name: "logic", include: ["test/*.test.{ts,tsx}"] } },
      // With a Redis server, a browser, an artifact: pytest says where they are.
      { extends: true, test: { name: "real", include: ["test/real/*.test.ts"], testTimeout: 60_000 } },
    ],
  },
});
