/**
 * What servers need besides: artifacts from folders, and a cache in Redis.
 *
 * @packageDocumentation
 */

import { readFile } from "node:fs/promises";
import type { ScoreCache } from "./cache.ts";

/** A `fetch` for `file:` addresses: `loadArtifact(pathToFileURL(folder), { fetch: fileFetch })`. */
export const fileFetch: typeof globalThis.fetch = async (input) => {
  const url = new URL(input instanceof Request ? input.url : input);
  try {
    return new Response(await readFile(url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return new Response(null, { status: 404, statusText: "No such file" });
  }
};

/** What of a client of the package `redis` is used. */
export interface RedisClient {
  readonly isReady: boolean;
  get(key: string): Promise<unknown>;
  set(key: string, value: string, options: { expiration: { type: "PX"; value: number } }): Promise<unknown>;
  on(event: "error", listener: (error: unknown) => void): unknown;
}

/** How Redis is used. */
export interface RedisCacheOptions {
  /** What every key begins with. */
  readonly prefix?: string;
  readonly ttl_ms?: number;
  /** A Redis that takes longer is left alone for `pause_ms`. */
  readonly timeout_ms?: number;
  readonly pause_ms?: number;
}

/**
 * Remembers scores in Redis, for all processes together.
 *
 * A Redis that is down, slow or answers nonsense is as good as empty. The client is the caller's: it is to be
 * connected, and closed, by whoever made it.
 */
export function redisCache(client: RedisClient, options: RedisCacheOptions = {}): ScoreCache {
  const { prefix = "compat-export:score:", ttl_ms = 600_000, timeout_ms = 50, pause_ms = 1_000 } = options;
  let pausedUntil_ms = 0;
  client.on("error", () => undefined); // without a listener, the end of a connection would end the process

  async function ask<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (!client.isReady || performance.now() < pausedUntil_ms) return undefined;
    let isAnswered = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      const giveUp = () => {
        pausedUntil_ms = performance.now() + pause_ms;
        resolve(undefined);
      };
      // Where this process was late itself, the answer has come already, and is read first.
      timer = setTimeout(() => setImmediate(() => isAnswered || giveUp()), timeout_ms);
    });
    try {
      return await Promise.race([work(), late]);
    } catch {
      return undefined;
    } finally {
      isAnswered = true;
      clearTimeout(timer);
    }
  }

  return {
    async get(key) {
      const text = await ask(() => client.get(prefix + key));
      const score = typeof text === "string" && text !== "" ? Number(text) : Number.NaN;
      return score >= 0 && score <= 1 ? score : undefined;
    },
    async set(key, score) {
      await ask(() => client.set(prefix + key, String(score), { expiration: { type: "PX", value: ttl_ms } }));
    },
  };
}
