import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createScoringService, type Score, ScoringModel } from "../../src/index.ts";
import { redisCache, type RedisCacheOptions } from "../../src/node.ts";
import { feature, type Recipe, Server, URL_OF_ARTIFACT, WEIGHTED_SUM } from "../artifacts.ts";
import { required } from "./environment.ts";

interface Pair {
  readonly given: number;
  readonly received: number;
}

const N_PAIRS = 2_000;
const N_REQUESTS = 10_000;
const RECIPE: Recipe = {
  ...WEIGHTED_SUM,
  features: [feature("given", { high: 50 }), feature("received", { high: 40 })],
  constants: [{ name: "weights", shape: [2, 1], values: [1 / 128, 1 / 128] }],
};

/** A Redis server of its own, without persistence: what is restarted is empty. */
class Redis {
  private process: ChildProcess | undefined;

  constructor(private readonly folder: string) {}

  get socket(): string {
    return path.join(this.folder, "redis.sock");
  }

  async start(): Promise<void> {
    const options = { "--port": "0", "--unixsocket": this.socket, "--save": "", "--appendonly": "no", "--dir": this.folder };
    this.process = spawn(required("REDIS_SERVER"), Object.entries(options).flat(), { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of this.process.stdout ?? []) {
      if (String(line).includes("Ready to accept connections") || String(line).includes("ready to accept connections")) return;
    }
    throw new Error("redis-server ended before it was ready");
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.process?.kill(name);
  }

  async kill(): Promise<void> {
    if (this.process === undefined || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

function connectionTo(redis: Redis) {
  return createClient({ socket: { path: redis.socket, reconnectStrategy: 10 } });
}

let folder: string;
let redis: Redis;
let client: ReturnType<typeof connectionTo>;
let model: ScoringModel<Pair>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "redis-"));
  redis = new Redis(folder);
  model = new ScoringModel<Pair>(URL_OF_ARTIFACT, { backend: "cpu", fetch: new Server(RECIPE).fetch });
  await model.load();
});

beforeEach(async () => {
  await redis.start();
  client = connectionTo(redis);
  client.on("error", () => undefined);
  await client.connect();
});

afterEach(async () => {
  client.destroy();
  await redis.kill();
});

afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

/** A machine that is busy with other things must not count as a Redis that is slow. */
const PATIENT: RedisCacheOptions = { timeout_ms: 5_000 };

function serviceOf(options: RedisCacheOptions = PATIENT, of = model) {
  const fallback = () => Promise.reject(new Error("no request may need the fallback"));
  return createScoringService<Pair>({ model: of, cache: redisCache(client, options), fallback });
}

/** Numbers in [0, 1), the same every time. */
function* randomNumbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Pairs by Zipf's law: the n-th most popular is asked for 1/n times as often as the first. */
function zipfReplay(): Pair[] {
  const cumulated: number[] = [];
  for (let rank = 1, sum = 0; rank <= N_PAIRS; rank++) cumulated.push((sum += 1 / rank));
  const total = cumulated.at(-1) as number;
  const random = randomNumbers(20_260_101);
  return Array.from({ length: N_REQUESTS }, () => {
    const place = random.next().value * total;
    const rank = cumulated.findIndex((sum) => place < sum);
    return { given: rank % 50, received: Math.floor(rank / 50) };
  });
}

function expectRight(pair: Pair, { score }: Score): void {
  expect(score).toBe(Math.fround((pair.given + pair.received) / 128));
}

async function replay(service: ReturnType<typeof serviceOf>, pairs: readonly Pair[]): Promise<number> {
  const before = service.stats().hits;
  for (const pair of pairs) expectRight(pair, await service.score(pair));
  return (service.stats().hits - before) / pairs.length;
}

async function eventually(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !condition(); ) {
    if (performance.now() > deadline) throw new Error("it did not come to pass within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("more than 70 % of a Zipf-distributed replay are hits", async () => {
  const service = serviceOf();
  const pairs = zipfReplay();
  expect(new Set(pairs.map(({ given, received }) => 50 * received + given)).size).toBeGreaterThan(1_000);
  const hit_rate = await replay(service, pairs);
  console.info(JSON.stringify({ hit_rate, ...service.stats() }));
  expect(hit_rate).toBeGreaterThan(0.7);
  expect(service.stats()).toMatchObject({ requests: N_REQUESTS, fallbacks: 0 });
});

test("a Redis that is killed and started again in the middle loses nothing but hits", async () => {
  const service = serviceOf();
  const pairs = zipfReplay().slice(0, 3_000);
  expect(await replay(service, pairs.slice(0, 1_000))).toBeGreaterThan(0.3);
  const running = replay(service, pairs.slice(1_000, 2_000));
  await redis.kill(); // while requests are under way
  await running;
  await eventually(() => !client.isReady);
  expect(await replay(service, pairs.slice(1_000, 2_000))).toBe(0);
  await redis.start();
  await eventually(() => client.isReady);
  expect(await replay(service, pairs.slice(2_000))).toBeGreaterThan(0.3);
  expect(service.stats().fallbacks).toBe(0);
});

test("a Redis that hangs is left alone", async () => {
  const service = serviceOf({ timeout_ms: 20, pause_ms: 60_000 });
  await service.score({ given: 1, received: 1 });
  redis.signal("SIGSTOP");
  try {
    const began_ms = performance.now();
    expect(await replay(service, zipfReplay().slice(0, 500))).toBe(0);
    expect(performance.now() - began_ms).toBeLessThan(500 * 20);
  } finally {
    redis.signal("SIGCONT");
  }
});

test("a Redis that was never there is as good as empty", async () => {
  await redis.kill();
  const lost = connectionTo(redis);
  const service = createScoringService<Pair>({ model, cache: redisCache(lost), fallback: () => 0 });
  const connecting = lost.connect().catch(() => undefined);
  expect(await service.score({ given: 2, received: 2 })).toMatchObject({ source: "model", score: 4 / 128 });
  lost.destroy();
  await connecting;
});

test("all processes share it, and a new version answers with no old score", async () => {
  const pair = { given: 3, received: 4 };
  expect(await serviceOf().score(pair)).toMatchObject({ source: "model" });
  expect(await serviceOf().score(pair)).toMatchObject({ source: "cache", score: 7 / 128 });
  const constants = [{ name: "weights", shape: [2, 1], values: [1 / 16, 1 / 16] }];
  const { fetch } = new Server({ ...RECIPE, constants, manifest: { version: "1.1.0" } });
  const next = new ScoringModel<Pair>(URL_OF_ARTIFACT, { backend: "cpu", fetch });
  expect(await serviceOf(PATIENT, next).score(pair)).toMatchObject({ source: "model", score: 7 / 16 });
  next.dispose();
});

test("scores are forgotten in time", async () => {
  const [pair, service] = [{ given: 5, received: 5 }, serviceOf({ ...PATIENT, ttl_ms: 1_000 })];
  await service.score(pair);
  expect(await service.score(pair)).toMatchObject({ source: "cache" });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(await service.score(pair)).toMatchObject({ source: "model" });
});

test.each(["banana", "", "NaN", "2", "-1"])("what is no score, such as %j, is not believed", async (text) => {
  const pair = { given: 6, received: 6 };
  const key = `compat-export:score:${await model.keyOf(pair)}`;
  await serviceOf().score(pair);
  expect(await client.get(key)).toBe("0.09375");
  await client.set(key, text);
  expect(await serviceOf().score(pair)).toMatchObject({ source: "model", score: 12 / 128 });
});
