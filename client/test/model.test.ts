import * as tf from "@tensorflow/tfjs-core";
import { afterEach, expect, expectTypeOf, test } from "vitest";
import { type BackendName, FeatureError, FeatureModel, loadArtifact, type ModelState, ScoringModel } from "../src/index.ts";
import { ASYNC_IDENTITY, feature, type Recipe, Server, URL_OF_ARTIFACT, WEIGHTED_SUM } from "./artifacts.ts";

interface Likes {
  given: number;
  received: number;
}

const models: ScoringModel<never>[] = [];

function modelOf<Features extends object = Likes>(server: Server, backend: BackendName = "cpu"): ScoringModel<Features> {
  const model = new ScoringModel<Features>(URL_OF_ARTIFACT, { backend, fetch: server.fetch });
  models.push(model as ScoringModel<never>);
  return model;
}

afterEach(() => {
  for (const model of models.splice(0)) model.dispose();
});

test("scores named features in the order of the contract, whatever their own", async () => {
  const model = modelOf(new Server());
  expect(await model.predict({ received: 1, given: 0.5 })).toBe(0.625);
  expect(await model.predictBatch([{ given: 1, received: 0 }, { given: 0, received: 1 }])).toEqual([0.25, 0.5]);
  expect(await model.predictBatch([])).toEqual([]);
});

test("loads once, however many ask", async () => {
  const server = new Server();
  const model = modelOf(server);
  await Promise.all([model.load(), model.predict({ given: 0, received: 0 }), model.warmUp(), model.load()]);
  await model.load();
  expect(server.requests).toHaveLength(3);
  expect(model.isLoaded()).toBe(true);
  expect(model.manifest).toMatchObject({ version: "1.0.0" });
});

test("loads nothing before it is asked to", async () => {
  const server = new Server();
  const model = modelOf(server);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(server.requests).toEqual([]);
  expect(model.isLoaded()).toBe(false);
  expect(model.manifest).toBeUndefined();
});

test("tries again after a failure", async () => {
  const server = new Server();
  const model = modelOf(server);
  server.isDown = true;
  await expect(model.load()).rejects.toMatchObject({ code: "unreachable" });
  expect(model.state()).toMatchObject({ status: "failed", error: { code: "unreachable" } });
  server.isDown = false;
  await model.load();
  expect(model.state()).toMatchObject({ status: "loaded", error: undefined });
});

test("tells its listeners of every state", async () => {
  const model = modelOf(new Server());
  const heard: ModelState[] = [];
  const unsubscribe = model.subscribe(() => heard.push(model.state()));
  expect(model.state()).toBe(model.state());
  await model.load();
  const statuses = heard.map(({ status }) => status);
  expect([...new Set(statuses)]).toEqual(["loading", "loaded"]);
  const { loaded_bytes, total_bytes } = heard.at(-1)?.progress ?? { loaded_bytes: 0, total_bytes: 1 };
  expect(loaded_bytes).toBe(total_bytes);
  unsubscribe();
  model.dispose();
  expect(heard).toHaveLength(statuses.length);
  expect(model.state().status).toBe("idle");
});

test.each([
  [{ given: 1 }, "received", "missing"],
  [{ given: 1, received: undefined }, "received", "missing"],
  [{ given: null, received: 1 }, "given", "missing"],
  [{ given: Number.NaN, received: 1 }, "given", "not-finite"],
  [{ given: 1, received: Number.POSITIVE_INFINITY }, "received", "not-finite"],
  [{ given: "3", received: 1 }, "given", "not-finite"],
])("%j is refused, and the feature named", async (features, name, reason) => {
  const failed = modelOf<object>(new Server()).predict(features);
  await expect(failed).rejects.toBeInstanceOf(FeatureError);
  await expect(failed).rejects.toMatchObject({ feature: name, reason, message: expect.stringContaining(name) });
});

test("a value outside its range counts as the end of the range, one that the model doesn't know not at all", async () => {
  const features = [feature("given", { low: 0.25, high: 0.5 }), feature("received", { low: 0, high: 1 })];
  const model = modelOf(new Server({ ...WEIGHTED_SUM, features }));
  expect(await model.predict({ given: -9, received: 0 })).toBe(0.0625);
  expect(await model.predict({ given: 9, received: 0, shoeSize: 43 } as Likes)).toBe(0.125);
});

test("the score is in [0, 1]", async () => {
  const constants = [{ name: "weights", shape: [2, 1], values: [-1, 1] }];
  const model = modelOf(new Server({ ...WEIGHTED_SUM, constants }));
  expect(await model.predictBatch([{ given: 2, received: 0 }, { given: 0, received: 2 }])).toEqual([0, 1]);
});

test("what is no score is an error", async () => {
  const nodes = [{ name: "sum", op: "RealDiv", input: ["features", "features"], attr: { T: { type: "DT_FLOAT" } } }];
  const model = modelOf(new Server({ features: [feature("given")], nodes, output: "sum" }));
  expect(await model.predict({ given: 2, received: 0 })).toBe(1);
  await expect(model.predict({ given: 0, received: 0 })).rejects.toMatchObject({ code: "backend" });
});

test.each<[string, Recipe]>([
  ["no features", { features: [] }],
  ["two inputs", { ...WEIGHTED_SUM, manifest: { inputs: [{ name: "a" }, { name: "b" }] } }],
  ["two outputs", { ...WEIGHTED_SUM, manifest: { outputs: [{ name: "a" }, { name: "b" }] } }],
  ["its input", { ...WEIGHTED_SUM, manifest: { inputs: [{ name: "features", dtype: "float32", shape: ["batch", 3] }] } }],
])("a model with %s is no scoring model, and leaves no weight behind", async (_, recipe) => {
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  await expect(modelOf(new Server(recipe)).load()).rejects.toMatchObject({ code: "manifest" });
  expect(tf.memory().numTensors).toBe(before);
});

test("what is disposed while it loads never becomes loaded", async () => {
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  const model = modelOf(new Server());
  const loading = model.load();
  model.dispose();
  await expect(loading).rejects.toMatchObject({ name: "AbortError" });
  expect(model.state()).toMatchObject({ status: "idle", error: undefined });
  expect(tf.memory().numTensors).toBe(before);
});

test("what is disposed while a loader doesn't listen is freed when it arrives", async () => {
  const { fetch } = new Server();
  const model = new FeatureModel<Likes>(() => loadArtifact(URL_OF_ARTIFACT, { backend: "cpu", fetch }));
  await tf.setBackend("cpu");
  const before = tf.memory().numTensors;
  const loading = model.load();
  model.dispose();
  await expect(loading).rejects.toMatchObject({ name: "AbortError" });
  expect(model.isLoaded()).toBe(false);
  expect(tf.memory().numTensors).toBe(before);
});

test("what was disposed can be loaded again", async () => {
  const model = modelOf(new Server());
  await model.load();
  model.dispose();
  expect(model.isLoaded()).toBe(false);
  expect(await model.predict({ given: 1, received: 1 })).toBe(0.75);
});

test("is remembered under the artifact's digest and what the model sees", async () => {
  const model = modelOf(new Server());
  const key = await model.keyOf({ given: 10, received: 1 });
  expect(key).toMatch(/^[0-9a-f]{64}:10,1$/);
  expect(await model.keyOf({ received: 1, given: 11 })).toBe(key);
  expect(await model.keyOf({ given: 10, received: 2 })).not.toBe(key);
  const other = modelOf(new Server({ ...WEIGHTED_SUM, manifest: { version: "1.0.1" } }));
  expect(await other.keyOf({ given: 10, received: 1 })).not.toBe(key);
});

const BROKEN = { name: "broken", op: "MatMul", attr: { T: { type: "DT_FLOAT" } } };
const BROKEN_SYNC: Recipe = {
  ...WEIGHTED_SUM,
  constants: [{ name: "weights", shape: [3, 1], values: [1, 2, 3] }],
};
const BROKEN_ASYNC: Recipe = {
  ...ASYNC_IDENTITY,
  nodes: [...(ASYNC_IDENTITY.nodes ?? []), { ...BROKEN, input: ["column", "wide"] }],
  constants: [...(ASYNC_IDENTITY.constants ?? []), { name: "wide", shape: [3, 1], values: [1, 2, 3] }],
  output: "broken",
};

test.each<[BackendName, string, Recipe, boolean]>([
  ["cpu", "a graph", WEIGHTED_SUM, true],
  ["cpu", "a graph that fails", BROKEN_SYNC, false],
  ["cpu", "an asynchronous graph", ASYNC_IDENTITY, true],
  ["cpu", "an asynchronous graph that fails", BROKEN_ASYNC, false],
  ["wasm", "a graph", WEIGHTED_SUM, true],
  ["wasm", "a graph that fails", BROKEN_SYNC, false],
  ["wasm", "an asynchronous graph", ASYNC_IDENTITY, true],
  ["wasm", "an asynchronous graph that fails", BROKEN_ASYNC, false],
])("on %s, no tensor survives %s", async (backend, _, recipe, succeeds) => {
  const model = modelOf(new Server(recipe), backend);
  await model.load();
  expect(model.backend).toBe(backend);
  const before = tf.memory().numTensors;
  const scores = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => model.predict({ given: i / 32, received: 0 })));
  expect(scores.map(({ status }) => status)).toEqual(Array(20).fill(succeeds ? "fulfilled" : "rejected"));
  if (succeeds && recipe.async) expect(scores[16]).toMatchObject({ value: 0.5 });
  expect(tf.memory().numTensors).toBe(before);
});

test("asynchronous graphs of two models don't get into each other's way", async () => {
  const again = (ASYNC_IDENTITY.nodes ?? []).map(({ name, input = [], ...rest }) => ({
    ...rest,
    name: `${name}2`,
    input: input.map((one) => ({ features: "column", isThere: "isThere2", places: "places2", picked: "picked2" })[one] ?? one),
  }));
  const twice = { ...ASYNC_IDENTITY, nodes: [...(ASYNC_IDENTITY.nodes ?? []), ...again], output: "column2" };
  const [short, long] = [modelOf(new Server(ASYNC_IDENTITY)), modelOf(new Server(twice))];
  await Promise.all([short.load(), long.load()]);
  const before = tf.memory().numTensors;
  const features = { given: 0.5, received: 0 };
  expect(await Promise.all([short, long, long, short].map((model) => model.predict(features)))).toEqual(Array(4).fill(0.5));
  expect(tf.memory().numTensors).toBe(before);
});

test("a renamed feature is a compile error", () => {
  const model = modelOf(new Server());
  expectTypeOf(model.predict).parameter(0).toEqualTypeOf<Readonly<Likes>>();
  // @ts-expect-error: `recieved` is no feature
  const features: Parameters<typeof model.predict>[0] = { given: 1, recieved: 2 };
  expect(features).toBeDefined();
});
