import { expect, test } from "vitest";
import { ScoringModel } from "../src/index.ts";
import { feature, type Recipe, Server, URL_OF_ARTIFACT } from "./artifacts.ts";

/** The score is the normalised feature. */
function scoreOf(transform: string, more: Partial<Recipe> = {}) {
  const features = [feature("given", { transform, scale: 4, low: -2 })];
  const server = new Server({ features, normalization: "client", ...more });
  const model = new ScoringModel(URL_OF_ARTIFACT, { backend: "cpu", fetch: server.fetch });
  return async (given: number) => {
    try {
      return await model.predict({ given });
    } finally {
      model.dispose();
    }
  };
}

test.each([
  ["identity", 0.25, 0.25],
  ["identity", 3, 1],
  ["identity", -1, 0],
  ["saturate", 1, 0.25],
  ["saturate", 5, 1],
  ["saturate", -1, 0],
  ["inverse", 1, 0.75],
  ["inverse", 5, 0],
  ["inverse", -1, 1],
  ["inverse", 0.1, Math.fround(Math.fround(Math.fround(0.1) * -0.25) + 1)],
])("%s of %d is %d", async (transform, value, expected) => {
  expect(await scoreOf(transform)(value)).toBe(expected);
});

test.each(["frobnicate", "constructor"])("the transform %s is no transform", async (transform) => {
  await expect(scoreOf(transform)(1)).rejects.toMatchObject({
    code: "manifest",
    message: expect.stringContaining(`given has the transform ${transform}`),
  });
});

test("what the graph normalises is left alone", async () => {
  expect(await scoreOf("frobnicate", { normalization: "graph" })(0.5)).toBe(0.5);
});
