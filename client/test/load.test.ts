import { createRequire } from "node:module";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { loadGraphModelSync } from "@tensorflow/tfjs-converter";
import "@tensorflow/tfjs-backend-cpu";
import { expect, test, vi } from "vitest";
import { ArtifactError, loadArtifact, type LoadOptions, type Progress, type Tfjs } from "../src/index.ts";
import { build, sealed, Server, TWO_FEATURES, URL_OF_ARTIFACT, WEIGHTED_SUM } from "./artifacts.ts";

const SHARD = "tfjs/group1-shard1of1.bin";

function load(server: Server, options: LoadOptions = {}) {
  return loadArtifact(URL_OF_ARTIFACT, { backend: "cpu", fetch: server.fetch, ...options });
}

async function failure(server: Server, options: LoadOptions = {}): Promise<ArtifactError> {
  const error = await load(server, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ArtifactError);
  return error as ArtifactError;
}

/** The server of the usual artifact whose manifest was changed before it was sealed. */
function withManifest(change: (manifest: Record<string, unknown>) => void): Server {
  const server = new Server();
  const { digest: _, ...manifest } = JSON.parse(String(server.files.get("manifest.json"))) as Record<string, unknown>;
  change(manifest);
  server.files.set("manifest.json", Buffer.from(sealed(manifest)));
  return server;
}

test("computes outputs by name", async () => {
  const artifact = await load(new Server());
  const { score } = await artifact.run({ features: { data: Float32Array.of(1, 2, 2, 0), shape: [2, 2] } });
  expect(score).toEqual({ data: Float32Array.of(1.25, 0.5), shape: [2, 1] });
  expect(artifact).toMatchObject({ backend: "cpu", url: URL_OF_ARTIFACT, manifest: { name: "small", version: "1.0.0" } });
  artifact.dispose();
});

test("hands out values of its own: a constant stays, and so does what was passed in", async () => {
  const constants = [{ name: "anchors", shape: [1, 2], values: [3, 4] }];
  const artifact = await load(new Server({ features: TWO_FEATURES, constants, output: "anchors" }));
  const passing = await load(new Server({ features: TWO_FEATURES }));
  const data = Float32Array.of(1, 2);
  for (let run = 0; run < 2; run++) {
    const { score } = await artifact.run({ features: { data, shape: [1, 2] } });
    expect(score?.data).toEqual(Float32Array.of(3, 4));
    score?.data.fill(0);
    const passed = await passing.run({ features: { data, shape: [1, 2] } });
    passed["score"]?.data.fill(0);
    expect(data).toEqual(Float32Array.of(1, 2));
  }
  artifact.dispose();
  passing.dispose();
});

test.each([
  ["int64", "DT_INT32", Int32Array.of(-7, 2_000_000_000)],
  ["uint8", "DT_INT32", Int32Array.of(0, 255)],
  ["bool", "DT_BOOL", Uint8Array.of(0, 1)],
  ["float64", "DT_FLOAT", Float32Array.of(0.5, -2)],
])("passes values of %s", async (dtype, inputType, data) => {
  const inputs = [{ name: "features", dtype, shape: [1, 2] }];
  const artifact = await load(new Server({ features: TWO_FEATURES, inputType, manifest: { inputs } }));
  expect(await artifact.run({ features: { data, shape: [1, 2] } })).toEqual({ score: { data, shape: [1, 2] } });
  artifact.dispose();
});

test.each([
  ["string", { features: { data: Float32Array.of(1, 2), shape: [1, 2] } }],
  ["float32", {}],
])("an input of %s without values that fit is named", async (dtype, values) => {
  const inputs = [{ name: "features", dtype, shape: [1, 2] }];
  const artifact = await load(new Server({ features: TWO_FEATURES, manifest: { inputs } }));
  await expect(artifact.run(values)).rejects.toMatchObject({ code: "backend", message: expect.stringContaining("features") });
  artifact.dispose();
});

test.each(["manifest.json", "", "?v=1"])("finds the artifact from %j", async (suffix) => {
  const server = new Server();
  const artifact = await loadArtifact(URL_OF_ARTIFACT + suffix, { backend: "cpu", fetch: server.fetch });
  expect(server.requests).toEqual(["manifest.json", SHARD, "tfjs/model.json"]);
  artifact.dispose();
});

test("no answer is unreachable", async () => {
  const server = new Server();
  server.isDown = true;
  expect(await failure(server)).toMatchObject({ code: "unreachable", url: `${URL_OF_ARTIFACT}manifest.json` });
});

test("an answer that breaks off is unreachable", async () => {
  const server = new Server();
  const fetch: LoadOptions["fetch"] = async (input, init) => {
    if (!String(input).endsWith(SHARD)) return server.fetch(input as string, init);
    return new Response(
      new ReadableStream({
        start: (stream) => stream.enqueue(Uint8Array.of(1)),
        pull: (stream) => stream.error(new TypeError("network error")),
      }),
    );
  };
  expect(await failure(server, { fetch })).toMatchObject({ code: "unreachable", url: URL_OF_ARTIFACT + SHARD });
});

test("a missing file is http", async () => {
  const server = new Server();
  server.files.delete(SHARD);
  expect(await failure(server)).toMatchObject({ code: "http", message: expect.stringContaining("404 Not Found") });
});

test.each([
  ["longer", Buffer.alloc(9)],
  ["shorter", Buffer.alloc(7)],
  ["shorter", Buffer.alloc(0)],
])("a %s file is size", async (what, bytes) => {
  const server = new Server();
  server.files.set(SHARD, bytes);
  expect(await failure(server)).toMatchObject({ code: "size", message: expect.stringContaining(what) });
});

test.each([SHARD, "tfjs/model.json"])("a flipped bit in %s is hash, and TF.js never sees it", async (path) => {
  const server = new Server();
  (server.files.get(path) as Buffer)[3]! ^= 1;
  const refused = vi.fn(loadGraphModelSync);
  const error = await failure(server, { tfjs: async () => ({ ...tf, loadGraphModelSync: refused }) });
  expect(error).toMatchObject({ code: "hash", url: URL_OF_ARTIFACT + path });
  expect(refused).not.toHaveBeenCalled();
});

test.each<[string, (text: string) => string]>([
  ["no JSON", () => "<!doctype html>"],
  ["no object", () => "null"],
  ["another version", (text) => text.replace('"schema_version": "1.0"', '"schema_version": "99"')],
  ["a later major version", (text) => text.replace('"schema_version": "1.0"', '"schema_version": "2.0"')],
  ["a changed value", (text) => text.replace('"1.0.0"', '"1.0.1"')],
  ["a changed digest", (text) => text.replace(/"digest": "./, '"digest": "x')],
  ["no digest", (text) => text.replace(/ "digest": .*\n/, "")],
  ["a second digest", (text) => text.replace(/( "digest": ".)(.*\n)/, "$1$2$1$2")],
])("a manifest with %s is manifest", async (_, change) => {
  const server = new Server();
  server.files.set("manifest.json", Buffer.from(change(String(server.files.get("manifest.json")))));
  expect(await failure(server)).toMatchObject({ code: "manifest" });
  expect(server.requests).toEqual(["manifest.json"]);
});

test.each(["../secret", "/etc/passwd", "a/../../b", "tfjs/..", "tfjs\\x", "./x"])("the path %s is refused", async (path) => {
  const server = withManifest((manifest) => {
    manifest["files"] = [{ path, size_bytes: 1, integrity: "" }];
    manifest["formats"] = [{ name: "tfjs", files: [path] }];
  });
  expect(await failure(server)).toMatchObject({ code: "manifest", message: expect.stringContaining("leaves") });
});

test.each<[string, (manifest: Record<string, unknown>) => void]>([
  ["no features", (manifest) => delete manifest["features"]],
  ["no TF.js format", (manifest) => (manifest["formats"] = [])],
  ["files that it doesn't list", (manifest) => (manifest["formats"] = [{ name: "tfjs", files: ["tfjs/x"] }])],
])("a manifest with %s is manifest", async (_, change) => {
  expect(await failure(withManifest(change))).toMatchObject({ code: "manifest" });
});

test.each(["1", "2", "1.0", "1.17"])("a manifest of schema version %s is read", async (schema_version) => {
  (await load(withManifest((manifest) => Object.assign(manifest, { schema_version, novelty: true })))).dispose();
});

test.each(["2.0", "1.x", "11", undefined])("a manifest of schema version %s is manifest", async (schema_version) => {
  const error = await failure(withManifest((manifest) => Object.assign(manifest, { schema_version })));
  expect(error).toMatchObject({ code: "manifest", message: expect.stringContaining(`schema version ${schema_version}`) });
});

test("only the artifact with the digest that was asked for will do", async () => {
  const server = new Server();
  const { digest } = JSON.parse(String(server.files.get("manifest.json"))) as { digest: string };
  (await load(server, { digest })).dispose();
  expect(await failure(server, { digest: "0".repeat(64) })).toMatchObject({ code: "hash" });
});

test("a shard that the manifest doesn't list is never fetched", async () => {
  const server = withManifest((manifest) => {
    const files = manifest["files"] as { path: string }[];
    manifest["files"] = files.filter(({ path }) => path !== SHARD);
    manifest["formats"] = [{ name: "tfjs", files: ["tfjs/model.json"] }];
  });
  expect(await failure(server)).toMatchObject({ code: "backend", message: expect.stringContaining("group1-shard1of1") });
  expect(server.requests).toEqual(["manifest.json", "tfjs/model.json"]);
});

test("a backend that doesn't start is backend, and the next one is taken", async () => {
  vi.spyOn(console, "warn").mockImplementation(() => undefined); // TF.js says so as well
  expect(await failure(new Server(), { backend: "webgl" })).toMatchObject({
    code: "backend",
    message: expect.stringContaining("webgl"),
  });
  const artifact = await load(new Server(), { backend: ["webgl", "cpu"] });
  expect(artifact.backend).toBe("cpu");
  artifact.dispose();
});

test("wasm is found where it is said to be, also by the second model of a page", async () => {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")), "/");
  for (let i = 0; i < 2; i++) {
    const artifact = await load(new Server(), { backend: "wasm", wasmPaths: folder });
    expect(artifact.backend).toBe("wasm");
    artifact.dispose();
  }
});

test("a build of TF.js of one's own is used instead of the packages", async () => {
  const setWasmPaths = vi.fn();
  const own = { ...tf, loadGraphModelSync: vi.fn(loadGraphModelSync), setWasmPaths };
  const artifact = await load(new Server(), { tfjs: async () => own as Tfjs, wasmPaths: "/wasm/" });
  const { score } = await artifact.run({ features: { data: Float32Array.of(1, 2), shape: [1, 2] } });
  expect(score?.data).toEqual(Float32Array.of(1.25));
  expect(own.loadGraphModelSync).toHaveBeenCalledOnce();
  expect(setWasmPaths).not.toHaveBeenCalled(); // it runs on cpu
  artifact.dispose();
});

test("a build of TF.js that can't be had is backend", async () => {
  const error = await failure(new Server(), { tfjs: () => Promise.reject(new Error("chunk 7 is gone")) });
  expect(error).toMatchObject({ code: "backend", message: expect.stringContaining("chunk 7 is gone") });
});

test("a graph that is refused is backend, and leaves no weight behind", async () => {
  const constants = [...(WEIGHTED_SUM.constants ?? []), { name: "odd", shape: [1], values: [1], dtype: "int64" }];
  const server = new Server({ ...WEIGHTED_SUM, constants });
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  expect(await failure(server)).toMatchObject({ code: "backend", message: expect.stringContaining("int64") });
  expect(tf.memory().numTensors).toBe(before);
});

test("says how far it is", async () => {
  const heard: Progress[] = [];
  const artifact = await load(new Server(), { onProgress: (progress) => heard.push(progress) });
  artifact.dispose();
  const total_bytes = [...build(WEIGHTED_SUM)].reduce((sum, [path, { length }]) => sum + (path.includes("tfjs") ? length : 0), 0);
  expect(heard[0]).toEqual({ loaded_bytes: 0, total_bytes });
  expect(heard.at(-1)).toEqual({ loaded_bytes: total_bytes, total_bytes });
  const loaded = heard.map(({ loaded_bytes }) => loaded_bytes);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
});

test.each([0, 1, 2])("ends when it is aborted, after %i requests", async (n_requests) => {
  const server = new Server();
  const controller = new AbortController();
  const reason = new Error("enough");
  const fetch: LoadOptions["fetch"] = (input, init) => {
    if (server.requests.length >= n_requests) controller.abort(reason);
    return server.fetch(input as string, init);
  };
  await expect(load(server, { fetch, signal: controller.signal })).rejects.toBe(reason);
});
