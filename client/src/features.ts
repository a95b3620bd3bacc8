/** The feature contract: named values in, one row of the model's input out. */

import { ArtifactError, FeatureError } from "./errors.ts";
import type { Feature, Manifest } from "./manifest.ts";

/** Features by name; any interface with numbers fits. */
export type FeatureValues = Readonly<Record<string, number | null | undefined>>;

/** (f(clamp(x, low, high)) - subtract) / divide, f being log(1 + x) or nothing. */
interface Normaliser {
  readonly low: number;
  readonly high: number;
  readonly log1p?: boolean;
  readonly subtract: number;
  readonly divide: number;
}

const { fround } = Math;

/** The transforms of `converter/features.py`. */
const NORMALISERS: Readonly<Record<string, (feature: Feature) => Normaliser>> = {
  identity: () => ({ low: 0, high: 1, subtract: 0, divide: 1 }),
  saturate: ({ scale }) => ({ low: 0, high: scale, subtract: 0, divide: scale }),
  inverse: ({ scale }) => ({ low: 0, high: scale, subtract: scale, divide: -scale }),
  log1p: ({ scale }) => ({ low: 0, high: scale, log1p: true, subtract: 0, divide: Math.log1p(scale) }),
  standardize: ({ low, high, mean, std }) => ({ low, high, subtract: mean ?? 0, divide: std ?? 1 }),
};

/** Rounds to float32 where the graph would. */
function normalise(value: number, { low, high, log1p, subtract, divide }: Normaliser): number {
  const clamped = fround(clamp(value, low, high));
  return fround(fround((log1p ? fround(Math.log1p(clamped)) : clamped) - fround(subtract)) / fround(divide));
}

/** What a manifest says of its features, ready to use. */
export class FeatureContract {
  readonly names: readonly string[];
  private readonly encoders: readonly ((values: FeatureValues) => number)[];

  /** @throws {@link ArtifactError} `manifest` if the client has to normalise by a transform that it doesn't know. */
  constructor({ features, config }: Manifest, url: string) {
    const normalises = config.network?.normalization === "client";
    this.names = features.map(({ name }) => name);
    this.encoders = features.map((feature) => {
      const normaliser = normalises ? normaliserOf(feature, url) : undefined;
      return (values) => {
        const value = clamp(given(feature, values), feature.low, feature.high);
        return normaliser === undefined ? value : normalise(fround(value), normaliser);
      };
    });
  }

  /** The rows of the model's input, one after the other. */
  encode(list: readonly FeatureValues[]): Float32Array {
    return Float32Array.from(list.flatMap((values) => this.encoders.map((encoder) => encoder(values))));
  }
}

function normaliserOf(feature: Feature, url: string): Normaliser {
  const build = Object.hasOwn(NORMALISERS, feature.transform) ? NORMALISERS[feature.transform] : undefined;
  if (build === undefined) {
    const what = `the feature ${feature.name} has the transform ${feature.transform}, which this client doesn't know`;
    throw new ArtifactError("manifest", what, url);
  }
  return build(feature);
}

function given({ name, missing }: Feature, values: FeatureValues): number {
  const value = values[name] ?? missing;
  if (value === undefined || value === "refuse") throw new FeatureError(name, "missing");
  if (!Number.isFinite(value)) throw new FeatureError(name, "not-finite");
  return value;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
