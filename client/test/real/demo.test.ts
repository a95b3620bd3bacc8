import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import os from "node:os";
import path from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import budgets from "../../budgets.json" with { type: "json" };
import { legacyScore } from "../../src/index.ts";
import { countWasmMemory, holdBack, launch, serve } from "./browser.ts";
import { required } from "./environment.ts";

const ARTIFACT_URL = required("ARTIFACT_URL"); // as `compat-export serve` serves it, on an origin of its own
const SHARD = "tfjs/group1-shard1of1.bin";
const FORM = {
  likesGiven: 4,
  likesReceived: 5,
  commentsCount: 20,
  proximityKm: 12,
  sharedInterestsCount: 6,
  ageGap: 3,
  bigFiveCompatibility: 0.7,
};

let browser: Browser;
let server: Server;
let origin: string;
let tampered: string;

beforeAll(async () => {
  tampered = await mkdtemp(path.join(os.tmpdir(), "tampered-"));
  await cp(required("ARTIFACT"), tampered, { recursive: true });
  const shard = await readFile(path.join(tampered, SHARD));
  shard[100]! ^= 1;
  await writeFile(path.join(tampered, SHARD), shard);
  ({ url: origin, server } = await serve({ demo: required("DEMO"), tampered }));
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  server.close();
  await rm(tampered, { recursive: true });
});

function addressOf(artifact: string, backend = "cpu"): string {
  return `${origin}demo/index.html?${new URLSearchParams({ artifact, backend })}`;
}

async function withPage(work: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const faults: unknown[] = [];
  page.on("pageerror", (error) => faults.push(error));
  try {
    await work(page);
    expect(faults).toEqual([]);
  } finally {
    await context.close();
  }
}

async function text(page: Page, selector: string): Promise<string | null> {
  return page.$eval(selector, (element) => element.textContent);
}

async function isLoaded(page: Page): Promise<void> {
  await page.waitForSelector("form button:not([disabled])");
  expect(await page.$("[role=status]")).toBeNull();
}

/** Presses the button, and waits for a score from there. */
async function scoreFrom(page: Page, source: string): Promise<number> {
  await page.click("form button");
  await page.waitForFunction((wanted) => document.querySelector("#source")?.textContent === wanted, {}, source);
  return Number(await text(page, "#score"));
}

test("the spinner comes first, then a score of the model, then the same from the cache", () =>
  withPage(async (page) => {
    const { first, letGo } = await holdBack(page, /\.bin$/);
    await page.goto(addressOf(ARTIFACT_URL));
    await first;
    expect(await page.$("[role=status]")).not.toBeNull();
    expect(await page.$("form button[disabled]")).not.toBeNull();
    expect(await page.$("#score")).toBeNull();
    await letGo();
    await isLoaded(page);
    const score = await scoreFrom(page, "model");
    expect(score).toBeCloseTo(Number(required("EXPECTED_SCORE")), 5);
    expect(await text(page, "#latency")).toMatch(/^\d+\.\d ms$/);
    expect(await scoreFrom(page, "cache")).toBe(score);
    await page.$eval("[name=proximityKm]", (input) => void ((input as HTMLInputElement).value = "250"));
    expect(await scoreFrom(page, "model")).toBeLessThan(score);
  }));

test("offline from the start, the fallback answers; back online, the model", () =>
  withPage(async (page) => {
    const { first, letGo } = await holdBack(page, /manifest\.json$/);
    await page.goto(addressOf(ARTIFACT_URL));
    await first;
    expect(await page.$("[role=status]")).not.toBeNull();
    await page.setOfflineMode(true);
    await letGo();
    await page.waitForSelector("[role=alert]");
    expect(await scoreFrom(page, "fallback")).toBeCloseTo(legacyScore(FORM), 5);
    await page.setOfflineMode(false);
    await page.click("[role=alert] button");
    await page.waitForFunction(() => document.querySelector("[role=alert]") === null);
    await isLoaded(page);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // the demo leaves a model that failed alone for 1 s
    await scoreFrom(page, "model");
  }));

test("a backend whose code the server did not have is fetched again", () =>
  withPage(async (page) => {
    let isBroken = true;
    await page.setRequestInterception(true);
    page.on("request", (request) => {
      void (isBroken && request.url().endsWith(".wasm") ? request.respond({ status: 503 }) : request.continue());
    });
    await page.goto(addressOf(ARTIFACT_URL, "wasm"));
    await page.waitForSelector("[role=alert]");
    expect(await text(page, "[role=alert]")).toContain("no backend starts: wasm");
    isBroken = false;
    await page.click("[role=alert] button");
    await page.waitForFunction(() => document.querySelector("[role=alert]") === null);
    await isLoaded(page);
    await scoreFrom(page, "model");
  }));

test("a model that is loaded needs no network", () =>
  withPage(async (page) => {
    await page.goto(addressOf(ARTIFACT_URL));
    await isLoaded(page);
    await page.setOfflineMode(true);
    await scoreFrom(page, "model");
  }));

test("a tampered shard is refused", () =>
  withPage(async (page) => {
    await page.goto(addressOf(`${origin}tampered/`));
    await page.waitForSelector("[role=alert]");
    expect(await text(page, "[role=alert]")).toContain(`${SHARD}: its bytes are not those that were released`);
    await scoreFrom(page, "fallback");
  }));

test.each(["cpu", "wasm", "webgl"])("on %s, the first score is in memory", async (backend) => {
  const first_score_ms: number[] = [];
  let memory_mb = 0;
  for (let i = 0; i < 3; i++) {
    await withPage(async (page) => {
      await countWasmMemory(page);
      await page.goto(addressOf(ARTIFACT_URL, backend));
      await isLoaded(page);
      await scoreFrom(page, "model");
      const { now_ms, heap, wasm } = await page.evaluate(() => ({
        now_ms: performance.now(), // since the navigation began
        heap: (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
        wasm: (globalThis as unknown as { bytesOfWasm(): number }).bytesOfWasm(),
      }));
      first_score_ms.push(now_ms);
      memory_mb = Math.max(memory_mb, (heap + wasm) / 1e6);
      expect(wasm > 0).toBe(backend === "wasm");
    });
  }
  console.info(JSON.stringify({ backend, first_score_ms, memory_mb }));
  expect(memory_mb).toBeLessThan(budgets.memory_mb);
});
