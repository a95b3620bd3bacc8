/** The page that measures: 1,000 predictions, one after the other, and what they leave behind. */

import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-webgl";
import { memory } from "@tensorflow/tfjs-core";
import { type BackendName, createScoringService, ScoringModel } from "../../src/index.ts";

export interface Measured {
  readonly backend: string | undefined;
  readonly sources: readonly string[];
  readonly n_tensors_before: number;
  readonly n_tensors_after: number;
  readonly p50_ms: number | undefined;
  readonly p99_ms: number | undefined;
}

async function measure(url: string, backend: BackendName, rows: readonly Record<string, number>[]): Promise<Measured> {
  const model = new ScoringModel(url, { backend, wasmPaths: "../wasm/" });
  await model.warmUp();
  const service = createScoringService<Record<string, number>>({
    model,
    fallback: () => {
      throw new Error("no prediction may need the fallback");
    },
  });
  const n_tensors_before = memory().numTensors;
  const sources = new Set<string>();
  for (const row of rows) sources.add((await service.score(row)).source);
  const n_tensors_after = memory().numTensors;
  const { p50_ms, p99_ms } = service.stats();
  const measured = { backend: model.backend, sources: [...sources], n_tensors_before, n_tensors_after, p50_ms, p99_ms };
  model.dispose();
  return measured;
}

Object.assign(globalThis, { measure });
