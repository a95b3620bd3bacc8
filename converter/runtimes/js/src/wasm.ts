import { getThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { env } from "@tensorflow/tfjs-core";

/** Which of the wasm binaries runs. */
export async function describeWasm(): Promise<string> {
  const simd = (await env().getAsync("WASM_HAS_SIMD_SUPPORT")) ? "SIMD" : "no SIMD";
  const hasThreads = await env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT");
  const n_threads = hasThreads ? getThreadsCount() : 1;
  return `WebAssembly, ${simd}, ${n_threads} ${n_threads === 1 ? "thread" : "threads"}`;
}
