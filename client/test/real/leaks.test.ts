import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import budgets from "../../budgets.json" with { type: "json" };
import { launch, serve } from "./browser.ts";
import { required } from "./environment.ts";
import type { Measured } from "./page.ts";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const N_PREDICTIONS = 1_000;

let browser: Browser;
let server: Server;
let origin: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "page-"));
  await build({
    entryPoints: [path.join(HERE, "page.ts")],
    outfile: path.join(folder, "page.js"),
    bundle: true,
    format: "esm",
    mainFields: ["module", "main"],
    logLevel: "error",
  });
  await writeFile(path.join(folder, "index.html"), '<!doctype html><script type="module" src="page.js"></script>');
  const wasm = path.join(HERE, "../../node_modules/@tensorflow/tfjs-backend-wasm/dist");
  ({ url: origin, server } = await serve({ page: folder, wasm }));
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  server.close();
  await rm(folder, { recursive: true });
});

test.each(["cpu", "wasm", "webgl"])("on %s, 1,000 predictions leave no tensor, and are in time", async (backend) => {
  const page = await browser.newPage();
  await page.goto(`${origin}page/index.html`);
  await page.waitForFunction(() => "measure" in globalThis);
  const rows = Array.from({ length: N_PREDICTIONS }, (_, i) => ({
    likesGiven: i % 30,
    likesReceived: (i * 7) % 30,
    commentsCount: (i * 13) % 150,
    proximityKm: (i * 31) % 300,
    responseTimeMs: i * 180,
    sharedInterestsCount: i % 20,
    ageGap: i % 40,
    bigFiveCompatibility: i / N_PREDICTIONS,
  }));
  const measured = (await page.evaluate(
    (url, name, list) => (globalThis as unknown as { measure(...rest: unknown[]): Promise<unknown> }).measure(url, name, list),
    required("ARTIFACT_URL"),
    backend,
    rows,
  )) as Measured;
  await page.close();
  console.info(JSON.stringify(measured));
  expect(measured).toMatchObject({ backend, sources: ["model"] });
  expect(measured.n_tensors_before).toBeGreaterThan(0);
  expect(measured.n_tensors_after).toBe(measured.n_tensors_before);
  expect(measured.p99_ms).toBeLessThan(budgets.predict_p99_ms);
});
