/** Measures a model the way an app uses it. */

import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { type Loaded, openTensors } from "./loaded.ts";
import type { TensorHeader } from "./protocol.ts";

/** What `n_runs` predictions took, and what they left behind. */
export interface BenchReply extends Record<string, unknown> {
  readonly predict_ms: readonly number[];
  /** The tensors that were alive after each run: a model that doesn't leak ends with as many as it began with. */
  readonly n_tensors: readonly number[];
  readonly peak_bytes: number;
  readonly heap_bytes: number | null;
  /** All that the wasm module has taken, tensors included; null on other backends. */
  readonly wasm_bytes: number | null;
}

/** What one kernel took. */
export interface KernelTime {
  readonly kernel: string;
  readonly time_ms: number;
}

/** The kernels of one prediction in their order; only backends that compute at once tell a time of their own. */
export async function profile(
  loaded: Loaded,
  tensors: readonly TensorHeader[],
  body: ArrayBuffer,
): Promise<{ kernels: KernelTime[] }> {
  const { kernels } = await tf.profile(async () => {
    await predictOnce(loaded, tensors, body);
    return [];
  });
  return {
    kernels: kernels.map(({ name, kernelTimeMs }) => ({ kernel: name, time_ms: Number(kernelTimeMs) })),
  };
}

/** Every tensor that goes in or comes out is disposed by hand, and nothing is tidied up behind the model's back. */
export async function bench(
  loaded: Loaded,
  tensors: readonly TensorHeader[],
  body: ArrayBuffer,
  nRuns: number,
): Promise<BenchReply> {
  const predict_ms: number[] = [];
  const n_tensors: number[] = [];
  for (let run = 0; run < nRuns; run++) {
    predict_ms.push(await predictOnce(loaded, tensors, body));
    n_tensors.push(tf.memory().numTensors);
  }
  const { peakBytes } = await tf.profile(async () => {
    await predictOnce(loaded, tensors, body);
    return [];
  });
  const peak_bytes = Math.max(peakBytes, tf.memory().numBytes);
  return { predict_ms, n_tensors, peak_bytes, heap_bytes: heapBytes(), wasm_bytes: wasmBytes() };
}

async function predictOnce(loaded: Loaded, tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<number> {
  const began = performance.now();
  const inputs = openTensors(tensors, body);
  const outputs = await loaded.predict(inputs);
  await Promise.all(outputs.map((tensor) => tensor.data()));
  const took = performance.now() - began;
  // an output that is a weight is the weight itself, where weights are kept
  tf.dispose([...Object.values(inputs), ...outputs.filter(({ kept }) => !kept)]);
  return took;
}

/** The JavaScript heap of this thread or page, without the buffers of tensors; null where nobody tells. */
function heapBytes(): number | null {
  const { memory } = performance as { memory?: { usedJSHeapSize: number } };
  if (memory !== undefined) return memory.usedJSHeapSize;
  return typeof process === "undefined" ? null : process.memoryUsage().heapUsed;
}

function wasmBytes(): number | null {
  if (tf.getBackend() !== "wasm") return null;
  const { wasm } = tf.backend() as BackendWasm;
  return (wasm as typeof wasm & { readonly HEAPU8: Uint8Array }).HEAPU8.buffer.byteLength; // Emscripten's
}
