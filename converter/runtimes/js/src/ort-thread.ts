/** The thread in which ONNX Runtime's WebAssembly build runs. */

import { readFile } from "node:fs/promises";
import path from "node:path";
import { OrtExecutor } from "./ort.ts";
import { serveThread, threadData } from "./thread.ts";

const binary = path.join(threadData.assets, "ort-wasm-simd-threaded.wasm");
serveThread(
  new OrtExecutor(
    async () => new Uint8Array(await readFile(binary)).buffer,
    (file) => readFile(file),
  ),
);
