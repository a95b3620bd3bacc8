/** The weighted formula that the app used before there was a model, as an app computes it: so that both can be timed. */

import type { Reply } from "./engine.ts";
import { packTensors, ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

/** A clock of a browser may step by 0.1 ms: each time measured is the mean of as many runs as take this long. */
const MEASURED_MS = 2;

interface Term {
  readonly columns: readonly string[];
  readonly weight: number;
  value(...values: number[]): number;
}

/** converter/legacy.py has the same terms; what this computes is held against it. */
const TERMS: readonly Term[] = [
  { columns: ["likesGiven", "likesReceived"], weight: 0.15, value: (given = 0, received = 0) => (given + received) / 10 },
  { columns: ["commentsCount"], weight: 0.1, value: (comments = 0) => comments / 50 },
  { columns: ["proximityKm"], weight: 0.15, value: (km = 0) => 1 - km / 100 },
  { columns: ["sharedInterestsCount"], weight: 0.2, value: (shared = 0) => shared / 10 },
  { columns: ["ageGap"], weight: 0.1, value: (years = 0) => 1 - years / 20 },
  { columns: ["bigFiveCompatibility"], weight: 0.2, value: (agreement = 0) => agreement },
  { columns: ["swingerTraits"], weight: 0.1, value: (agreement = 0) => agreement },
];

/** Scores the rows again and again; replies with what one run takes, and with the scores. */
export function benchLegacy(
  columns: readonly string[],
  [header]: readonly TensorHeader[],
  body: ArrayBuffer,
  nRuns: number,
): Reply {
  if (header === undefined) throw new ProtocolError("bad-request", "the formula needs rows");
  const values = valuesOf(header, body) as Float32Array;
  const score = scorer(columns);
  const scores = new Float64Array(values.length / columns.length);
  const predict_ms: number[] = [];
  for (let run = 0; run < nRuns; run++) predict_ms.push(timed(() => score(values, scores)));
  return { predict_ms, ...packTensors([{ name: "score", dtype: "float64", shape: [scores.length], values: scores }]) };
}

/** Writes the score of each row; a term that lacks a column counts 0. */
function scorer(columns: readonly string[]): (values: Float32Array, scores: Float64Array) => void {
  const terms = TERMS.map((term) => ({ ...term, places: term.columns.map((name) => columns.indexOf(name)) }));
  const known = terms.filter(({ places }) => !places.includes(-1));
  return (values, scores) => {
    for (let row = 0; row < scores.length; row++) {
      const begin = row * columns.length;
      let sum = 0;
      for (const { places, weight, value } of known) {
        sum += weight * clamp(value(...places.map((place) => values[begin + place] ?? 0)));
      }
      scores[row] = clamp(sum);
    }
  };
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
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
