/** The formula that the app used before there was a model, in the client's own words: so that both can be timed. */

import { type LegacyFeatures, legacyScore } from "../../../../client/src/legacy.ts";
import type { Reply } from "./engine.ts";
import { packTensors, ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

/** A clock of a browser may step by 0.1 ms: each time measured is the mean of as many runs as take this long. */
const MEASURED_MS = 2;

/** Scores the rows again and again; replies with what one run takes, and with the scores. */
export function benchLegacy(
  columns: readonly string[],
  [header]: readonly TensorHeader[],
  body: ArrayBuffer,
  nRuns: number,
): Reply {
  if (header === undefined) throw new ProtocolError("bad-request", "the formula needs rows");
  const rows = rowsOf(valuesOf(header, body) as Float32Array, columns);
  const scores = new Float64Array(rows.length);
  const predict_ms: number[] = [];
  for (let run = 0; run < nRuns; run++) predict_ms.push(timed(() => rows.forEach((row, i) => (scores[i] = legacyScore(row)))));
  return { predict_ms, ...packTensors([{ name: "score", dtype: "float64", shape: [scores.length], values: scores }]) };
}

/** Each row as an app has it: an object with the features by name. */
function rowsOf(values: Float32Array, columns: readonly string[]): LegacyFeatures[] {
  return Array.from({ length: values.length / columns.length }, (_, row) => {
    const entries = columns.map((name, column) => [name, values[row * columns.length + column]] as const);
    return Object.fromEntries(entries) as unknown as LegacyFeatures;
  });
}

/** How long one run takes, over as many as it takes to measure it. */
function timed(work: () => void): number {
  const began = performance.now();
  let runs = 0;
  let took = 0;
  for (let more = 1; took < MEASURED_MS; more *= 2) {
    for (let i = 0; i < more; i++) work();
    runs += more;
    took = performance.now() - began;
  }
  return took / runs;
}
