import { expect, test } from "vitest";
import { loadArtifact, ScoringModel } from "../src/onnxruntime.ts";
import { type Recipe, Server, TWO_FEATURES, URL_OF_ARTIFACT } from "./artifacts.ts";

/** y = x + x of int64, c = not b of bool. */
const DOUBLE_AND_NOT =
  "CAg6bAoQCgF4CgF4EgF5IgNBZGQ6AAoNCgFiEgFjIgNOb3Q6ABIBZ1oQCgF4EgsKCQgHEgUKAxIBbloQCgFiEgsKCQgJEgUKAxIBbmIQCgF5EgsKCQgH" +
  "EgUKAxIBbmIQCgFjEgsKCQgJEgUKAxIBbkIECgAQEg==";
/** y = x + x of float64, which the client has no arrays for. */
const DOUBLE_FLOAT64 = "CAg6OQoQCgF4CgF4EgF5IgNBZGQ6ABIBZ1oQCgF4EgsKCQgLEgUKAxIBbmIQCgF5EgsKCQgLEgUKAxIBbkIECgAQEg==";

function recipe(base64: string, ...dtypes: (readonly [name: string, dtype: string])[]): Recipe {
  const inputs = dtypes.map(([name, dtype]) => ({ name, dtype, shape: ["n"] }));
  return { features: TWO_FEATURES, onnx: Buffer.from(base64, "base64"), manifest: { inputs } };
}

function load(server: Server) {
  return loadArtifact(URL_OF_ARTIFACT, { fetch: server.fetch });
}

test("runs a model, with its own types", async () => {
  const server = new Server(recipe(DOUBLE_AND_NOT, ["x", "int64"], ["b", "bool"]));
  const artifact = await load(server);
  expect(server.requests).toEqual(["manifest.json", "model.onnx"]);
  const x = { data: Int32Array.of(-3, 1_000_000_000), shape: [2] };
  const outputs = await artifact.run({ x, b: { data: Uint8Array.of(0, 1, 1), shape: [3] } });
  expect(outputs["y"]).toEqual({ data: Int32Array.of(-6, 2_000_000_000), shape: [2] });
  expect(outputs["c"]).toEqual({ data: Uint8Array.of(1, 0, 0), shape: [3] });
  expect(artifact.backend).toBe("wasm");
  artifact.dispose();
});

test("a type that JavaScript has no numbers for is named", async () => {
  const artifact = await load(new Server(recipe(DOUBLE_FLOAT64, ["x", "float64"])));
  const failed = artifact.run({ x: { data: Float32Array.of(1), shape: [1] } });
  await expect(failed).rejects.toMatchObject({ code: "backend", message: expect.stringContaining("x of float64") });
  artifact.dispose();
});

test("a model that ONNX Runtime refuses is backend", async () => {
  const refused = load(new Server(recipe(Buffer.from("not a model").toString("base64"))));
  await expect(refused).rejects.toMatchObject({ name: "ArtifactError", code: "backend", url: URL_OF_ARTIFACT });
});

test("a flipped bit is hash", async () => {
  const server = new Server(recipe(DOUBLE_AND_NOT));
  (server.files.get("model.onnx") as Buffer)[9]! ^= 1;
  await expect(load(server)).rejects.toMatchObject({ code: "hash", url: `${URL_OF_ARTIFACT}model.onnx` });
});

test("an artifact without an ONNX model is manifest", async () => {
  const model = new ScoringModel(URL_OF_ARTIFACT, { fetch: new Server({ features: TWO_FEATURES }).fetch });
  await expect(model.predict({ given: 1, received: 1 })).rejects.toMatchObject({ code: "manifest" });
});
