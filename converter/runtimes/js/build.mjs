// Bundles src/ into dist/: what the Node process runs, what its threads run, what a page runs, and the wasm binaries.
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const wasm = path.join(here, "node_modules/@tensorflow/tfjs-backend-wasm/dist");

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const file of readdirSync(wasm).filter((name) => name.endsWith(".wasm"))) {
  copyFileSync(path.join(wasm, file), path.join(dist, file));
}

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  keepNames: true,
  legalComments: "linked",
  mainFields: ["module", "main"],
  logLevel: "warning",
};
// TF.js calls require("util") at run time, which an ES module has not.
const node = { ...shared, platform: "node", format: "cjs", target: "node22" };
await Promise.all([
  build({ ...node, entryPoints: ["src/main.ts"], outfile: "dist/worker.cjs" }),
  build({ ...node, entryPoints: ["src/node-engine.ts"], outfile: "dist/engine.cjs" }),
  build({ ...shared, platform: "browser", format: "esm", target: "es2023", entryPoints: ["src/page.ts"], outfile: "dist/page.js" }),
]);
