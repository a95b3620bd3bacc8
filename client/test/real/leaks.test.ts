import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
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
  ({ url: origin, server } = await serve({ page: folder, wasm, build: required("BUILD") }));
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  server.close();
  await rm(folder, { recursive: true });
});

const ROWS = Array.from({ length: N_PREDICTIONS }, (_, i) => ({
  likesGiven: i % 30,
  likesReceived: (i * 7) % 30,
  commentsCount: (i * 13) % 150,
  proximityKm: (i * 31) % 300,
  responseTimeMs: i * 60,
  sharedInterestsCount: i % 20,
  ageGap: i % 40,
  bigFiveCompatibility: i / N_PREDICTIONS,
}));

async function measure(backend: string, build?: string): Promise<Measured> {
  const page = await browser.newPage();
  await page.goto(`${origin}page/index.html`);
  await page.waitForFunction(() => "measure" in globalThis);
  const measured = (await page.evaluate(
    (...rest: unknown[]) => (globalThis as unknown as { measure(...rest: unknown[]): Promise<unknown> }).measure(...rest),
    required("ARTIFACT_URL"),
    backend,
    ROWS,
    build,
  )) as Measured;
  await page.close();
  const { scores, ...shown } = measured;
  console.info(JSON.stringify(shown));
  expect(scores).toHaveLength(N_PREDICTIONS);
  expect(measured).toMatchObject({ backend, sources: ["model"] });
  expect(measured.n_tensors_before).toBeGreaterThan(0);
  expect(measured.n_tensors_after).toBe(measured.n_tensors_before);
  return measured;
}

test.each(["cpu", "webgl"])("on %s, 1,000 predictions leave no tensor", async (backend) => {
  await measure(backend);
});

test("on wasm too, and a build of TF.js for the artifact computes the same", async () => {
  const { scores } = await measure("wasm");
  expect(new Set(scores).size).toBeGreaterThan(N_PREDICTIONS / 2);
  expect((await measure("wasm", "../build/tfjs-wasm.js")).scores).toEqual(scores);
});
