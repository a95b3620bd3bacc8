/** The page that measures: 1,000 predictions, one after the other, and what they leave behind. */

import type * as core from "@tensorflow/tfjs-core";
import { type BackendName, createScoringService, type Score, ScoringModel, type Tfjs } from "../../src/index.ts";

export interface Measured {
  readonly scores: readonly number[];
  readonly backend: string | undefined;
  readonly sources: readonly string[];
  readonly n_tensors_before: number;
  readonly n_tensors_after: number;
  readonly p50_ms: number | undefined;
  readonly p99_ms: number | undefined;
}

type Build = Tfjs & Pick<typeof core, "memory">;

/** `build` is the address of a build of TF.js to use instead of the packages. */
async function measure(
  url: string,
  backend: BackendName,
  rows: readonly Record<string, number>[],
  build?: string,
): Promise<Measured> {
  const own = build === undefined ? undefined : ((await import(build)) as Build);
  const tfjs = own === undefined ? {} : { tfjs: async () => own };
  const model = new ScoringModel(url, { backend, wasmPaths: "../wasm/", ...tfjs });
  await model.warmUp();
  const { memory } = own ?? (await import("@tensorflow/tfjs-core")); // all TF.js of a page shares one engine
  const service = createScoringService<Record<string, number>>({
    model,
    fallback: () => {
      throw new Error("no prediction may need the fallback");
    },
  });
  const n_tensors_before = memory().numTensors;
  const answers: Score[] = [];
  for (const row of rows) answers.push(await service.score(row));
  const n_tensors_after = memory().numTensors;
  const { p50_ms, p99_ms } = service.stats();
  const sources = [...new Set(answers.map(({ source }) => source))];
  const scores = answers.map(({ score }) => score);
  const measured = { backend: model.backend, scores, sources, n_tensors_before, n_tensors_after, p50_ms, p99_ms };
  model.dispose();
  return measured;
}

Object.assign(globalThis, { measure });
