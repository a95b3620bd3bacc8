/** Fetches an artifact, and hands out nothing that was not checked. */

import { checkIntegrity } from "./digest.ts";
import { ArtifactError, messageOf } from "./errors.ts";
import { type FileEntry, filesOf, type Manifest, readManifest } from "./manifest.ts";

/** How far loading is, in bytes of the files that have to be fetched. */
export interface Progress {
  readonly loaded_bytes: number;
  readonly total_bytes: number;
}

/** Where bytes come from, and who is told. */
export interface FetchOptions {
  /** Instead of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Ends loading; what it was aborted with is thrown. */
  readonly signal?: AbortSignal;
  /** Is told of every piece that arrives. */
  readonly onProgress?: (progress: Progress) => void;
  /** The manifest's `digest`, if only that very artifact will do. */
  readonly digest?: string;
}

/** An artifact whose files are in memory and are those that the manifest lists. */
export interface FetchedArtifact {
  /** Where it is, with a final slash. */
  readonly url: string;
  readonly manifest: Manifest;
  /** The bytes by path. */
  readonly files: ReadonlyMap<string, ArrayBuffer>;
}

const MANIFEST_NAME = "manifest.json";

/** Fetches the manifest and every file of one format, and checks the length and SHA-384 of each. */
export async function fetchArtifact(
  address: string | URL,
  format: "tfjs" | "onnx",
  options: FetchOptions,
): Promise<FetchedArtifact> {
  const url = folderOf(address);
  const manifestUrl = url + MANIFEST_NAME;
  const text = await fetchText(manifestUrl, options);
  const manifest = await readManifest(text, manifestUrl, options.digest);
  const entries = filesOf(manifest, format, manifestUrl);
  const total_bytes = entries.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  let loaded_bytes = 0;
  const onBytes = (n_bytes: number) => options.onProgress?.({ loaded_bytes: (loaded_bytes += n_bytes), total_bytes });
  onBytes(0);
  const bodies = await Promise.all(entries.map((entry) => fetchFile(url, entry, options, onBytes)));
  return { url, manifest, files: new Map(entries.map(({ path }, i) => [path, bodies[i] as ArrayBuffer])) };
}

/** The address of a folder, with a final slash, from its own or that of a `manifest.json` in it. */
export function folderOf(address: string | URL): string {
  const page = globalThis.document?.baseURI as string | undefined;
  const url = new URL(address, page);
  url.search = url.hash = "";
  return url.href.replace(/\/(manifest\.json)?$/, "") + "/";
}

async function fetchFile(
  folder: string,
  entry: FileEntry,
  options: FetchOptions,
  onBytes: (n_bytes: number) => void,
): Promise<ArrayBuffer> {
  const url = folder + entry.path.split("/").map(encodeURIComponent).join("/");
  const bytes = await readWhole(await open(url, options), entry.size_bytes, url, options.signal, onBytes);
  await checkIntegrity(bytes, entry.integrity, url);
  options.signal?.throwIfAborted();
  return bytes.buffer;
}

/** A text, as it is on the server now if `cache` says so. */
export async function fetchText(url: string, options: FetchOptions, cache?: RequestCache): Promise<string> {
  const response = await open(url, options, cache);
  return guarded(url, options.signal, () => response.text());
}

async function open(url: string, { fetch = globalThis.fetch, signal }: FetchOptions, cache?: RequestCache): Promise<Response> {
  const init: RequestInit = { ...(signal && { signal }), ...(cache && { cache }) };
  const response = await guarded(url, signal, () => fetch(url, init));
  if (!response.ok) throw new ArtifactError("http", `the server says ${response.status} ${response.statusText}`, url);
  return response;
}

/** Reads no more than the length that was promised. */
async function readWhole(
  response: Response,
  size_bytes: number,
  url: string,
  signal: AbortSignal | undefined,
  onBytes: (n_bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const wrong = (what: string) => new ArtifactError("size", `${what} than the ${size_bytes} bytes of the manifest`, url);
  const bytes = new Uint8Array(size_bytes);
  const reader = response.body?.getReader();
  let n_read = 0;
  for (;;) {
    const piece = await guarded(url, signal, async () => reader?.read());
    if (piece?.value === undefined) break;
    if (n_read + piece.value.length > size_bytes) {
      await reader?.cancel().catch(() => undefined);
      throw wrong("it is longer");
    }
    bytes.set(piece.value, n_read);
    n_read += piece.value.length;
    onBytes(piece.value.length);
  }
  if (n_read < size_bytes) throw wrong(`it is shorter, with ${n_read} bytes,`);
  return bytes;
}

/** What breaks on the way is `unreachable`, unless the caller wanted it to end. */
async function guarded<T>(url: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw new ArtifactError("unreachable", messageOf(error), url, { cause: error });
  }
}
