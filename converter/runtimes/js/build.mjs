// Bundles src/ into dist/: what the Node process runs, what its threads run, what the pages run, and their wasm binaries.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const staging = path.join(here, "node_modules", `.dist.${process.pid}`);
const BINARIES = {
  "@tensorflow/tfjs-backend-wasm/dist": /\.wasm$/,
  "onnxruntime-web/dist": /^ort-wasm-simd-threaded\.wasm$/, // the build without WebGPU, the smallest
};

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  keepNames: true,
  legalComments: "linked",
  mainFields: ["module", "main"],
  logLevel: "warning",
};
const node = { ...shared, platform: "node", target: "node22" };
const page = { ...shared, platform: "browser", format: "esm", target: "es2023" };
const bundles = {
  "worker.cjs": { ...node, format: "cjs", entryPoints: ["src/main.ts"] },
  "tfjs-thread.cjs": { ...node, format: "cjs", entryPoints: ["src/tfjs-thread.ts"] }, // TF.js calls require() at run time
  "layers-thread.cjs": { ...node, format: "cjs", entryPoints: ["src/layers-thread.ts"] },
  "ort-thread.mjs": { ...node, format: "esm", entryPoints: ["src/ort-thread.ts"] }, // ONNX Runtime reads import.meta
  "tfjs-page.js": { ...page, entryPoints: ["src/tfjs-page.ts"] },
  "layers-page.js": { ...page, entryPoints: ["src/layers-page.ts"] },
  "bundle-page.js": {
    ...page,
    entryPoints: ["src/bundle-page.ts"],
    external: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-converter"],
  },
  "ort-page.js": { ...page, entryPoints: ["src/ort-page.ts"] },
};

try {
  mkdirSync(staging);
  for (const [folder, pattern] of Object.entries(BINARIES)) {
    const source = path.join(here, "node_modules", folder);
    for (const file of readdirSync(source).filter((name) => pattern.test(name))) {
      copyFileSync(path.join(source, file), path.join(staging, file));
    }
  }
  copyFileSync(path.join(here, "src", "bundle.mjs"), path.join(staging, "bundle.mjs"));
  await Promise.all(
    Object.entries(bundles).map(([file, options]) => build({ ...options, outfile: path.join(staging, file) })),
  );
  rmSync(dist, { recursive: true, force: true });
  renameSync(staging, dist); // at once, so that nobody runs half of it
} finally {
  rmSync(staging, { recursive: true, force: true });
}
