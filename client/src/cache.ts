/** Where scores are remembered. */

/** Remembers scores by key; one that can't be reached has forgotten them, and never fails. */
export interface ScoreCache {
  get(key: string): number | undefined | Promise<number | undefined>;
  set(key: string, score: number): void | Promise<void>;
}

/** How much is remembered, and for how long. */
export interface MemoryCacheOptions {
  readonly maxEntries?: number;
  readonly ttl_ms?: number;
}

/** Remembers scores in this process: those that were used last, for a time. */
export function memoryCache({ maxEntries = 1_000, ttl_ms = 600_000 }: MemoryCacheOptions = {}): ScoreCache {
  const entries = new Map<string, { readonly score: number; readonly until_ms: number }>(); // the one used last is last
  const put = (key: string, entry: { readonly score: number; readonly until_ms: number }) => {
    entries.delete(key);
    entries.set(key, entry);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined || entry.until_ms <= performance.now()) return undefined;
      put(key, entry);
      return entry.score;
    },
    set(key, score) {
      put(key, { score, until_ms: performance.now() + ttl_ms });
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries) break;
        entries.delete(oldest);
      }
    },
  };
}
