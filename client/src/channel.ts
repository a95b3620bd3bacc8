/** Finds the version that a channel names, and refuses an index that is older than one that was seen before. */

import { ArtifactError, messageOf } from "./errors.ts";
import { fetchText, type FetchOptions, folderOf } from "./fetching.ts";

/** What remembers the newest index of each model between visits; `localStorage` is one. */
export interface IndexMemory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Where the index comes from, and what remembers it. */
export interface ChannelOptions extends Pick<FetchOptions, "fetch" | "signal"> {
  /** By default `localStorage` where there is one; `null` remembers nothing. */
  readonly memory?: IndexMemory | null;
}

/** A version that was released: `loadArtifact(url, { digest })` takes exactly this one. */
export interface Release {
  /** The artifact's folder. */
  readonly url: string;
  readonly version: string;
  /** The digest of its manifest. */
  readonly digest: string;
  /** The index's revision, which grows with every change. */
  readonly revision: number;
}

interface Index {
  readonly schema_version: string;
  readonly revision: number;
  readonly versions: Readonly<Record<string, { readonly digest: string; readonly released?: boolean | null }>>;
  readonly channels: Readonly<Record<string, string>>;
}

const INDEX_NAME = "index.json";
const READABLE_VERSIONS = /^1\.(0|[1-9]\d*)$/;
const KEY_PREFIX = "compat-export:";

/**
 * The version that a channel of a published model names now.
 *
 * @param model - the model's folder, the one with `index.json`
 * @param channel - such as `stable`
 * @throws {@link ArtifactError} `index` if the index is damaged, has no such channel, is older than the one that was seen
 *   before, or says otherwise of a version than that one
 */
export async function resolveChannel(
  model: string | URL,
  channel = "latest",
  options: ChannelOptions = {},
): Promise<Release> {
  const folder = folderOf(model);
  const url = folder + INDEX_NAME;
  const refuse = (what: string, cause?: unknown) => new ArtifactError("index", what, url, { cause });
  const text = await fetchText(url, options, "no-cache");
  const index = indexFrom(text, refuse);
  const memory = options.memory === undefined ? rememberedHere() : options.memory;
  const known = memory && recalled(memory.getItem(KEY_PREFIX + url));
  if (known) checkSuccession(known, index, refuse);
  const version = Object.hasOwn(index.channels, channel) ? index.channels[channel] : undefined;
  const entry = version !== undefined && Object.hasOwn(index.versions, version) ? index.versions[version] : undefined;
  if (version === undefined || entry === undefined) throw refuse(`it has no channel ${channel}`);
  try {
    memory?.setItem(KEY_PREFIX + url, text);
  } catch {
    // a page whose memory is full remembers what it saw before
  }
  return { url: `${folder}${encodeURIComponent(version)}/`, version, digest: entry.digest, revision: index.revision };
}

function indexFrom(text: string, refuse: (what: string, cause?: unknown) => ArtifactError): Index {
  let value: Partial<Index>;
  try {
    value = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(`not JSON: ${messageOf(error)}`, error);
  }
  if (!READABLE_VERSIONS.test(String(value.schema_version))) {
    throw refuse(`schema version ${value.schema_version}, and this client reads 1.x`);
  }
  const { revision, versions, channels } = value;
  if (!Number.isSafeInteger(revision) || !isRecord(versions) || !isRecord(channels)) {
    throw refuse("it lacks a revision, versions or channels");
  }
  return value as Index;
}

/** Refuses what can't come after what was seen. */
function checkSuccession(known: Index, index: Index, refuse: (what: string) => ArtifactError): void {
  if (index.revision < known.revision) {
    throw refuse(`revision ${index.revision}, but ${known.revision} was seen before`);
  }
  for (const [version, { digest, released }] of Object.entries(known.versions)) {
    if (released === false || index.versions[version]?.digest === digest) continue; // only what was released stays
    throw refuse(`it says otherwise of version ${version} than before`);
  }
}

function recalled(text: string | null): Index | undefined {
  try {
    return text === null ? undefined : indexFrom(text, (what) => new ArtifactError("index", what, KEY_PREFIX));
  } catch {
    return undefined; // whoever can damage the memory of a page needs no older index
  }
}

function rememberedHere(): IndexMemory | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // a page may be denied it
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
