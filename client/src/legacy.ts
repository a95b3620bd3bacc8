/** The score that the app computed before there was a model. */

import { FeatureError } from "./errors.ts";

/** What the legacy formula reads; `swingerTraits`, a share in [0, 1], counts as 0 where it is missing. */
export interface LegacyFeatures {
  readonly likesGiven: number;
  readonly likesReceived: number;
  readonly commentsCount: number;
  readonly proximityKm: number;
  readonly sharedInterestsCount: number;
  readonly ageGap: number;
  readonly bigFiveCompatibility: number;
  readonly swingerTraits?: number;
}

const REQUIRED = [
  "likesGiven",
  "likesReceived",
  "commentsCount",
  "proximityKm",
  "sharedInterestsCount",
  "ageGap",
  "bigFiveCompatibility",
] as const satisfies readonly (keyof LegacyFeatures)[];

const share = (value: number): number => Math.min(Math.max(value, 0), 1);

/**
 * The weighted sum of seven shares: likes 0.15, comments 0.10, nearness 0.15, shared interests 0.20, age 0.10,
 * Big Five 0.20, swinger traits 0.10.
 *
 * @throws {@link FeatureError} if a feature is missing or not finite
 */
export function legacyScore(features: LegacyFeatures): number {
  const swingerTraits = features.swingerTraits ?? 0;
  for (const [name, value] of [...REQUIRED.map((key) => [key, features[key]]), ["swingerTraits", swingerTraits]] as const) {
    if (value === undefined || value === null) throw new FeatureError(String(name), "missing");
    if (!Number.isFinite(value)) throw new FeatureError(String(name), "not-finite");
  }
  return share(
    0.15 * share((features.likesGiven + features.likesReceived) / 10) +
      0.1 * share(features.commentsCount / 50) +
      0.15 * share(1 - features.proximityKm / 100) +
      0.2 * share(features.sharedInterestsCount / 10) +
      0.1 * share(1 - features.ageGap / 20) +
      0.2 * share(features.bigFiveCompatibility) +
      0.1 * share(swingerTraits),
  );
}
