/** The manifest of an artifact, as far as a client needs it. */

import { hexDigest } from "./digest.ts";
import { ArtifactError, messageOf } from "./errors.ts";

/** One file of an artifact: its path from the artifact's folder, its length and its Subresource Integrity. */
export interface FileEntry {
  readonly path: string;
  readonly size_bytes: number;
  readonly integrity: string;
}

/** One input or output of a model; a named dimension is dynamic. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

/** One feature: its unit and range, how it becomes what the network sees, and what stands for it where it is missing. */
export interface Feature {
  readonly name: string;
  readonly unit: string;
  readonly low: number;
  readonly high: number;
  readonly transform: string;
  readonly scale: number;
  readonly mean?: number | null;
  readonly std?: number | null;
  readonly missing?: "refuse" | number;
  readonly description?: string;
}

/** What an artifact says of itself. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the manifest without this field: it stands for every byte of the artifact. */
  readonly digest: string;
  readonly async: boolean;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly features: readonly Feature[];
  readonly files: readonly FileEntry[];
  readonly formats: readonly { readonly name: string; readonly files: readonly string[] }[];
  readonly config: { readonly network?: { readonly normalization?: "graph" | "client" } };
}

const READABLE_VERSION = /^(1|2|1\.(0|[1-9]\d*))$/; // a later minor version adds fields, which are ignored
const DIGEST_LINE = /^ "digest": "[0-9a-f]{64}",\n/m; // one space: a field of the manifest itself
const INNER_PATH = /^(?!\.{1,2}(\/|$))[^/\\]+(\/(?!\.{1,2}(\/|$))[^/\\]+)*$/;

/**
 * The manifest that a text holds, if it is as it was written.
 *
 * @param digest - the digest that it must have; without it, it only has to agree with itself
 * @throws {@link ArtifactError} `manifest` if it is damaged or of another version, `hash` if it isn't the one wanted
 */
export async function readManifest(text: string, url: string, digest?: string): Promise<Manifest> {
  const refuse = (what: string, cause?: unknown) => new ArtifactError("manifest", what, url, { cause });
  let value: Partial<Manifest> & { schema_version?: unknown };
  try {
    value = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(`not JSON: ${messageOf(error)}`, error);
  }
  const version = value.schema_version;
  if (!READABLE_VERSION.test(String(version))) throw refuse(`schema version ${version}, and this client reads 1.x`);
  const found = await hexDigest("SHA-256", new TextEncoder().encode(text.replace(DIGEST_LINE, "")), url);
  if (value.digest !== found) throw refuse("not as it was written: its digest is another one");
  if (digest !== undefined && digest !== found) {
    throw new ArtifactError("hash", `this is the artifact ${found}, and ${digest} was asked for`, url);
  }
  const manifest = value as Manifest;
  for (const key of ["files", "formats", "inputs", "outputs", "features"] as const) {
    if (!Array.isArray(manifest[key])) throw refuse(`it has no list of ${key}`);
  }
  for (const { path } of manifest.files) {
    if (!INNER_PATH.test(path)) throw refuse(`the path ${JSON.stringify(path)} leaves the artifact`);
  }
  return manifest;
}

/** The files of one format, each with its digest. */
export function filesOf(manifest: Manifest, format: "tfjs" | "onnx", url: string): readonly FileEntry[] {
  const paths = manifest.formats.find(({ name }) => name === format)?.files ?? [];
  const entries = manifest.files.filter(({ path }) => paths.includes(path));
  if (entries.length === 0 || entries.length !== paths.length) {
    throw new ArtifactError("manifest", `it lists no files of the format ${format}`, url);
  }
  return entries;
}
