import { expect, test, vi } from "vitest";
import {
  createScoringService,
  FeatureError,
  type LegacyFeatures,
  memoryCache,
  type Score,
  ScoringModel,
  type ServiceOptions,
} from "../src/index.ts";
import { Server, URL_OF_ARTIFACT } from "./artifacts.ts";

interface Likes {
  readonly given: number;
  readonly received: number;
}

const PAIR: Likes = { given: 1, received: 1 };
const OTHER: Likes = { given: 2, received: 0 };

function serviceOf(options: Partial<ServiceOptions<Likes>> = {}, server = new Server()) {
  const model = new ScoringModel<Likes>(URL_OF_ARTIFACT, { backend: "cpu", fetch: server.fetch });
  const predict = vi.spyOn(model as { predict: typeof model.predict }, "predict");
  const service = createScoringService<Likes>({ model, cache: memoryCache(), fallback: () => 0.125, ...options });
  return { service, server, model, predict };
}

function sourcesOf(scores: readonly Score[]): string[] {
  return scores.map(({ source }) => source);
}

test("a score comes from the model first, then from the cache", async () => {
  const { service, predict } = serviceOf();
  const first = await service.score(PAIR);
  expect(first).toEqual({ score: 0.75, source: "model", latency_ms: expect.any(Number) });
  expect(first.latency_ms).toBeGreaterThan(0);
  expect(await service.score({ received: 1, given: 1 })).toMatchObject({ score: 0.75, source: "cache" });
  expect(await service.score(OTHER)).toMatchObject({ score: 0.5, source: "model" });
  expect(predict).toHaveBeenCalledTimes(2);
  expect(service.stats()).toMatchObject({ requests: 3, hits: 1, misses: 2, coalesced: 0, fallbacks: 0 });
});

test("without a cache, every score is the model's", async () => {
  const { model } = serviceOf();
  const service = createScoringService<Likes>({ model, fallback: () => 0 });
  expect(sourcesOf([await service.score(PAIR), await service.score(PAIR)])).toEqual(["model", "model"]);
});

test("a pair that is asked for many times at once is computed once", async () => {
  const { service, predict } = serviceOf();
  const scores = await Promise.all([PAIR, PAIR, OTHER, { ...PAIR }].map((features) => service.score(features)));
  expect(scores.map(({ score }) => score)).toEqual([0.75, 0.75, 0.5, 0.75]);
  expect(predict).toHaveBeenCalledTimes(2);
  expect(service.stats()).toMatchObject({ requests: 4, hits: 0, misses: 2, coalesced: 2 });
});

test("offline, the fallback answers and says why; what it says is not remembered", async () => {
  const { service, server } = serviceOf({ retryAfter_ms: 0 });
  server.isDown = true;
  const score = await service.score(PAIR);
  expect(score).toMatchObject({ score: 0.125, source: "fallback", error: { code: "unreachable" } });
  server.isDown = false;
  expect(await service.score(PAIR)).toMatchObject({ score: 0.75, source: "model" });
  expect(service.stats()).toMatchObject({ requests: 2, misses: 1, fallbacks: 1 });
});

test("after a failure the model is left alone for a while", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const { service, server } = serviceOf({ retryAfter_ms: 5_000 });
    server.isDown = true;
    await service.score(PAIR);
    server.isDown = false;
    vi.advanceTimersByTime(4_999);
    expect(await service.score(PAIR)).toMatchObject({ source: "fallback", error: { code: "unreachable" } });
    expect(server.requests).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(await service.score(PAIR)).toMatchObject({ source: "model" });
  } finally {
    vi.useRealTimers();
  }
});

test("a model that takes too long is answered for, and goes on loading", async () => {
  const server = new Server();
  let open: (() => void) | undefined;
  server.gate = new Promise((resolve) => (open = resolve));
  const { service, model } = serviceOf({ timeout_ms: 20, retryAfter_ms: 0 }, server);
  expect(await service.score(PAIR)).toMatchObject({
    source: "fallback",
    error: { message: "the model did not answer within 20 ms" },
  });
  open?.();
  await model.load();
  expect(await service.score(PAIR)).toMatchObject({ source: "model" });
});

test("what the caller has to mend is thrown, and hides behind no fallback", async () => {
  const { service } = serviceOf();
  await expect(service.score({ given: Number.NaN, received: 1 })).rejects.toBeInstanceOf(FeatureError);
  expect(await service.score(PAIR)).toMatchObject({ source: "model" });
  expect(service.stats()).toMatchObject({ fallbacks: 0 });
});

test("where the fallback fails as well, its failure is thrown", async () => {
  const { service, server } = serviceOf({ fallback: () => Promise.reject(new Error("no formula")) });
  server.isDown = true;
  await expect(service.score(PAIR)).rejects.toThrow("no formula");
});

test("a cache that throws has forgotten", async () => {
  const broken = () => {
    throw new Error("quota exceeded");
  };
  const { service } = serviceOf({ cache: { get: broken, set: broken } });
  expect(sourcesOf([await service.score(PAIR), await service.score(PAIR)])).toEqual(["model", "model"]);
});

test("falls back to the legacy formula by default", async () => {
  const server = new Server();
  server.isDown = true;
  const model = new ScoringModel<LegacyFeatures>(URL_OF_ARTIFACT, { fetch: server.fetch });
  const { score } = await createScoringService({ model }).score({
    likesGiven: 10,
    likesReceived: 0,
    commentsCount: 0,
    proximityKm: 100,
    sharedInterestsCount: 0,
    ageGap: 20,
    bigFiveCompatibility: 0,
  });
  expect(score).toBeCloseTo(0.15, 12);
});

test("a service whose features the formula doesn't know is a compile error without a fallback", () => {
  const { model } = serviceOf();
  // @ts-expect-error: the formula needs more than likes
  expect(createScoringService<Likes>({ model })).toBeDefined();
});

test("counts percentiles of its latencies", async () => {
  const { service } = serviceOf();
  expect(service.stats()).toMatchObject({ p50_ms: undefined, p99_ms: undefined });
  for (let i = 0; i < 10; i++) await service.score(PAIR);
  const { p50_ms, p95_ms, p99_ms } = service.stats();
  expect(p50_ms).toBeGreaterThan(0);
  expect(p95_ms).toBeGreaterThanOrEqual(p50_ms as number);
  expect(p99_ms).toBeGreaterThanOrEqual(p95_ms as number);
});
