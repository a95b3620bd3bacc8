/** The page in which ONNX Runtime's WebAssembly build runs. */

import { OrtExecutor } from "./ort.ts";
import { servePage } from "./page.ts";

async function fetched(address: string): Promise<ArrayBuffer> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answers ${response.status}`);
  return response.arrayBuffer();
}

const executor = new OrtExecutor(
  () => fetched("ort-wasm-simd-threaded.wasm"),
  async (address) => new Uint8Array(await fetched(address)),
);
await servePage(executor);
