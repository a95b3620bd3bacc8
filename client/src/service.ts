/** What an app calls for a score: remembered, computed once, and never without an answer. */

import type { ScoreCache } from "./cache.ts";
import { FeatureError } from "./errors.ts";
import { LatencyWindow } from "./latency.ts";
import { type LegacyFeatures, legacyScore } from "./legacy.ts";
import type { FeatureModel } from "./model.ts";

/** A score, and where it came from. */
export interface Score {
  readonly score: number;
  readonly source: "model" | "cache" | "fallback";
  readonly latency_ms: number;
  /** Why there is no score of the model, where it is the fallback's. */
  readonly error?: unknown;
}

/** What a service has done so far; the percentiles are of the last 1,000 calls. */
export interface ServiceStats {
  readonly requests: number;
  readonly hits: number;
  readonly misses: number;
  /** Calls that waited for the same score that another call was computing already; they are neither hits nor misses. */
  readonly coalesced: number;
  readonly fallbacks: number;
  readonly p50_ms: number | undefined;
  readonly p95_ms: number | undefined;
  readonly p99_ms: number | undefined;
}

/** How a service answers. */
export interface ServiceOptions<Features extends object> {
  readonly model: Pick<FeatureModel<Features>, "keyOf" | "predict">;
  /** Answers when the model can't; by default the legacy formula. */
  readonly fallback?: (features: Readonly<Features>) => number | Promise<number>;
  /** Remembers the model's scores, never the fallback's. */
  readonly cache?: ScoreCache;
  /** After this long the fallback answers; loading and computing go on. */
  readonly timeout_ms?: number;
  /** After a failure of the model, the fallback answers at once for this long. */
  readonly retryAfter_ms?: number;
}

/** Scores sets of features. */
export interface ScoringService<Features extends object> {
  /**
   * The score of a set of features.
   *
   * @throws {@link FeatureError} if a feature is missing or not finite; what the fallback throws, if it fails as well
   */
  score(features: Readonly<Features>): Promise<Score>;
  stats(): ServiceStats;
}

type Answer = Omit<Score, "latency_ms">;

/** A service over a model, with a fallback and a cache. Without the features of the formula, it needs a fallback. */
export function createScoringService<Features extends LegacyFeatures = LegacyFeatures>(
  options: ServiceOptions<Features>,
): ScoringService<Features>;
export function createScoringService<Features extends object>(
  options: ServiceOptions<Features> & Required<Pick<ServiceOptions<Features>, "fallback">>,
): ScoringService<Features>;
export function createScoringService<Features extends object>(
  options: ServiceOptions<Features>,
): ScoringService<Features> {
  const { model, cache, timeout_ms = 10_000, retryAfter_ms = 5_000 } = options;
  const fallback = options.fallback ?? ((features) => legacyScore(features as unknown as LegacyFeatures));
  const counters = { requests: 0, hits: 0, misses: 0, coalesced: 0, fallbacks: 0 };
  const latencies = new LatencyWindow();
  const inFlight = new Map<string, Promise<Answer>>();
  let failure: { readonly error: unknown; readonly until_ms: number } | undefined;

  async function remembered(key: string): Promise<number | undefined> {
    try {
      return await cache?.get(key);
    } catch {
      return undefined; // a cache of the app's own may throw: then it remembers nothing
    }
  }

  async function remember(key: string, score: number): Promise<void> {
    try {
      await cache?.set(key, score);
    } catch {
      // as above
    }
  }

  async function compute(key: string, features: Readonly<Features>): Promise<Answer> {
    const known = await remembered(key);
    if (known !== undefined) {
      counters.hits++;
      return { score: known, source: "cache" };
    }
    counters.misses++;
    const score = await model.predict(features);
    void remember(key, score);
    return { score, source: "model" };
  }

  async function fromModel(features: Readonly<Features>): Promise<Answer> {
    const key = await model.keyOf(features);
    const running = inFlight.get(key);
    if (running !== undefined) {
      counters.coalesced++;
      return running;
    }
    const answer = compute(key, features).finally(() => inFlight.delete(key));
    inFlight.set(key, answer);
    return answer;
  }

  async function answer(features: Readonly<Features>): Promise<Answer> {
    let error = failure !== undefined && performance.now() < failure.until_ms ? failure.error : undefined;
    if (error === undefined) {
      try {
        return await withTimeout(fromModel(features), timeout_ms);
      } catch (caught) {
        if (caught instanceof FeatureError) throw caught;
        failure = { error: caught, until_ms: performance.now() + retryAfter_ms };
        error = caught;
      }
    }
    const score = await fallback(features);
    counters.fallbacks++;
    return { score, source: "fallback", error };
  }

  return {
    async score(features) {
      const began_ms = performance.now();
      counters.requests++;
      const answered = await answer(features);
      const latency_ms = performance.now() - began_ms;
      latencies.add(latency_ms);
      return { ...answered, latency_ms };
    },
    stats: () => ({
      ...counters,
      p50_ms: latencies.percentile(0.5),
      p95_ms: latencies.percentile(0.95),
      p99_ms: latencies.percentile(0.99),
    }),
  };
}

async function withTimeout<T>(work: Promise<T>, timeout_ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the model did not answer within ${timeout_ms} ms`)), timeout_ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
