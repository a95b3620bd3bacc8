/**
 * Loads, checks and runs artifacts of compat-export.
 *
 * @packageDocumentation
 */

import { FeatureModel } from "./model.ts";
import { loadArtifact, type LoadOptions } from "./tfjs.ts";

export type { Artifact, TensorValues } from "./artifact.ts";
export { type ChannelOptions, type IndexMemory, type Release, resolveChannel } from "./channel.ts";
export { memoryCache, type MemoryCacheOptions, type ScoreCache } from "./cache.ts";
export { ArtifactError, type ArtifactErrorCode, FeatureError } from "./errors.ts";
export type { FetchOptions, Progress } from "./fetching.ts";
export { type LegacyFeatures, legacyScore } from "./legacy.ts";
export type { Feature, FileEntry, Manifest, TensorInfo } from "./manifest.ts";
export { type ArtifactLoader, FeatureModel, type ModelState } from "./model.ts";
export {
  createScoringService,
  type Score,
  type ScoringService,
  type ServiceOptions,
  type ServiceStats,
} from "./service.ts";
export { type BackendName, loadArtifact, type LoadOptions, type Tfjs, type WasmSetup } from "./tfjs.ts";

/** How a model loads its artifact: its own signal and progress are `dispose()` and `state()`. */
export type ModelOptions = Omit<LoadOptions, "signal" | "onProgress">;

/** A scoring model on TF.js. */
export class ScoringModel<Features extends object = Record<string, number>> extends FeatureModel<Features> {
  constructor(url: string | URL, options: ModelOptions = {}) {
    super((more) => loadArtifact(url, { ...options, ...more }));
  }
}
