/** The one model of the app: components share it, and it loads when the first of them needs it. */

import wasmSimd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import wasmThreads from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import wasm from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import {
  type BackendName,
  createScoringService,
  type LegacyFeatures,
  memoryCache,
  ScoringModel,
} from "compat-export-client";

/** What the model is given; `compat-export client types` writes this from an artifact. */
export interface Features extends LegacyFeatures {
  readonly responseTimeMs: number;
}

const query = new URLSearchParams(location.search);

export const model = new ScoringModel<Features>(query.get("artifact") ?? "artifact/", {
  backend: (query.get("backend") ?? "cpu") as BackendName, // so small a model is quickest without a GPU
  wasmPaths: {
    "tfjs-backend-wasm.wasm": wasm,
    "tfjs-backend-wasm-simd.wasm": wasmSimd,
    "tfjs-backend-wasm-threaded-simd.wasm": wasmThreads,
  },
});

export const service = createScoringService({ model, cache: memoryCache(), retryAfter_ms: 1_000 });
