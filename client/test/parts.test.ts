import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test, vi } from "vitest";
import { type LegacyFeatures, legacyScore, memoryCache, ScoringModel } from "../src/index.ts";
import { LatencyWindow } from "../src/latency.ts";
import { fileFetch } from "../src/node.ts";
import { build, WEIGHTED_SUM } from "./artifacts.ts";

const NOTHING: LegacyFeatures = {
  likesGiven: 0,
  likesReceived: 0,
  commentsCount: 0,
  proximityKm: 100,
  sharedInterestsCount: 0,
  ageGap: 20,
  bigFiveCompatibility: 0,
  swingerTraits: 0,
};

test.each<[Partial<LegacyFeatures>, number]>([
  [{}, 0],
  [{ likesGiven: 3, likesReceived: 2 }, 0.075],
  [{ likesGiven: 30, likesReceived: 30 }, 0.15],
  [{ commentsCount: 25 }, 0.05],
  [{ commentsCount: 500 }, 0.1],
  [{ proximityKm: 40 }, 0.09],
  [{ proximityKm: 0 }, 0.15],
  [{ proximityKm: 900 }, 0],
  [{ sharedInterestsCount: 5 }, 0.1],
  [{ sharedInterestsCount: 20 }, 0.2],
  [{ ageGap: 5 }, 0.075],
  [{ ageGap: 60 }, 0],
  [{ bigFiveCompatibility: 0.5 }, 0.1],
  [{ bigFiveCompatibility: 7 }, 0.2],
  [{ swingerTraits: 0.5 }, 0.05],
  [{ swingerTraits: 5 }, 0.1],
  [{ swingerTraits: -1 }, 0],
])("the legacy score of %j is %d", (features, expected) => {
  expect(legacyScore({ ...NOTHING, ...features })).toBeCloseTo(expected, 12);
});

test("the best legacy score is 1, and swinger traits may be missing", () => {
  const best = { ...NOTHING, likesGiven: 9, likesReceived: 9, commentsCount: 99, proximityKm: 0, ageGap: 0 };
  const full = { ...best, sharedInterestsCount: 10, bigFiveCompatibility: 1 };
  expect(legacyScore({ ...full, swingerTraits: 1 })).toBe(1);
  const { swingerTraits: _, ...without } = full;
  expect(legacyScore(without)).toBeCloseTo(0.9, 12);
});

test.each(Object.keys(NOTHING))("the legacy score needs a number for %s", (name) => {
  expect(() => legacyScore({ ...NOTHING, [name]: Number.NaN })).toThrow(`the feature ${name} is not a finite number`);
  if (name === "swingerTraits") return;
  expect(() => legacyScore({ ...NOTHING, [name]: undefined })).toThrow(`the feature ${name} is missing`);
});

test("the memory cache forgets what was not used for longest", () => {
  const cache = memoryCache({ maxEntries: 2 });
  void cache.set("a", 0.1);
  void cache.set("b", 0.2);
  expect(cache.get("a")).toBe(0.1);
  void cache.set("c", 0.3);
  expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([0.1, undefined, 0.3]);
});

test("the memory cache forgets what is too old, counted from when it was set", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const cache = memoryCache({ ttl_ms: 1_000 });
    void cache.set("a", 0);
    vi.advanceTimersByTime(999);
    expect(cache.get("a")).toBe(0);
    vi.advanceTimersByTime(1);
    expect(cache.get("a")).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test("percentiles are those of the last thousand", () => {
  const latencies = new LatencyWindow();
  expect(latencies.percentile(0.5)).toBeUndefined();
  for (let i = 1; i <= 100; i++) latencies.add(i);
  expect([0, 0.5, 0.99, 1].map((share) => latencies.percentile(share))).toEqual([1, 50, 99, 100]);
  for (let i = 0; i < 1_000; i++) latencies.add(7);
  expect(latencies.percentile(1)).toBe(7);
});

test("an artifact loads from a folder", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "an artifact #1 "));
  try {
    for (const [name, bytes] of build(WEIGHTED_SUM)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), bytes);
    }
    const model = new ScoringModel(pathToFileURL(folder), { backend: "cpu", fetch: fileFetch });
    expect(await model.predict({ given: 1, received: 0 })).toBe(0.25);
    model.dispose();
    await rm(path.join(folder, "tfjs/model.json"));
    await expect(model.load()).rejects.toMatchObject({ code: "http", message: expect.stringContaining("No such file") });
  } finally {
    await rm(folder, { recursive: true });
  }
});
