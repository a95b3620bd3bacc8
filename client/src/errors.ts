/** What the client throws on purpose. */

/**
 * Why an artifact can't be used:
 *
 * - `unreachable`: there was no answer, or it broke off
 * - `http`: the server answered with an error
 * - `size`: a file is longer or shorter than the manifest says
 * - `hash`: a file's bytes are not those that were released
 * - `manifest`: the manifest is damaged, or says what this client can't do
 * - `index`: the index of a model is damaged, older than one that was seen before, or lacks the channel
 * - `backend`: the backend doesn't start, refuses the graph, or computes no score
 */
export type ArtifactErrorCode = "unreachable" | "http" | "size" | "hash" | "manifest" | "index" | "backend";

/** An artifact can't be loaded, or its model can't compute. */
export class ArtifactError extends Error {
  override readonly name = "ArtifactError";

  constructor(
    readonly code: ArtifactErrorCode,
    what: string,
    /** The address of the file concerned, or of the artifact. */
    readonly url: string,
    options?: ErrorOptions,
  ) {
    super(`${url}: ${what}`, options);
  }
}

/** A value that a feature can't have: the caller has to mend it, no fallback hides it. */
export class FeatureError extends Error {
  override readonly name = "FeatureError";

  constructor(
    readonly feature: string,
    readonly reason: "missing" | "not-finite",
  ) {
    super(`the feature ${feature} is ${reason === "missing" ? "missing" : "not a finite number"}`);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
