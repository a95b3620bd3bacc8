/** The feature contract: named values in, one row of the model's input out. */

import { ArtifactError, FeatureError } from "./errors.ts";
import type { Feature, Manifest } from "./manifest.ts";

/** Features by name; any interface with numbers fits. */
export type FeatureValues = Readonly<Record<string, number | null | undefined>>;

type Normaliser = (value: number) => number;

const { fround } = Math;

function affine(slope: number, offset: number): Normaliser {
  const [rounded, shift] = [fround(slope), fround(offset)];
  return (value) => Math.min(Math.max(fround(fround(value * rounded) + shift), 0), 1);
}

/** What `converter/features.py` does, rounded to float32 where the graph rounds. */
const NORMALISERS: Readonly<Record<string, (feature: Feature) => Normaliser>> = {
  identity: () => affine(1, 0),
  saturate: ({ scale }) => affine(1 / scale, 0),
  inverse: ({ scale }) => affine(-1 / scale, 1),
};

/** What a manifest says of its features, ready to use. */
export class FeatureContract {
  readonly names: readonly string[];
  private readonly encoders: readonly ((values: FeatureValues) => number)[];

  /** @throws {@link ArtifactError} `manifest` if the client has to normalise by a transform that it doesn't know. */
  constructor({ features, config }: Manifest, url: string) {
    const normalises = config.network?.normalization === "client";
    this.names = features.map(({ name }) => name);
    this.encoders = features.map((feature) => {
      const normalise = normalises ? normaliserOf(feature, url) : undefined;
      return (values) => {
        const value = fround(Math.min(Math.max(given(feature, values), feature.low), feature.high));
        return normalise === undefined ? value : normalise(value);
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

function given({ name }: Feature, values: FeatureValues): number {
  const value = values[name];
  if (value === undefined || value === null) throw new FeatureError(name, "missing");
  if (!Number.isFinite(value)) throw new FeatureError(name, "not-finite");
  return value;
}
