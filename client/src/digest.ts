/** Digests by the browser's or Node's own Web Crypto. */

import { ArtifactError } from "./errors.ts";

type Algorithm = "SHA-256" | "SHA-384";

async function digest(algorithm: Algorithm, bytes: BufferSource, url: string): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    throw new ArtifactError("hash", "can't be checked: Web Crypto needs a secure context, https or localhost", url);
  }
  return new Uint8Array(await subtle.digest(algorithm, bytes));
}

/** A digest in hexadecimal digits. */
export async function hexDigest(algorithm: Algorithm, bytes: BufferSource, url: string): Promise<string> {
  const hash = await digest(algorithm, bytes, url);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Refuses bytes that don't have an integrity of the form `sha384-…`. */
export async function checkIntegrity(bytes: BufferSource, integrity: string, url: string): Promise<void> {
  const found = `sha384-${btoa(String.fromCharCode(...(await digest("SHA-384", bytes, url))))}`;
  if (found !== integrity) throw new ArtifactError("hash", "its bytes are not those that were released", url);
}
