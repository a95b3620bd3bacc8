import { expect, test } from "vitest";
import { ScoringModel } from "../src/index.ts";
import { feature, type Recipe, Server, URL_OF_ARTIFACT } from "./artifacts.ts";

/** The score is the normalised feature. */
function scoreOf(transform: string, more: Partial<Recipe> = {}, contract: Record<string, unknown> = {}) {
  const features = [feature("given", { transform, scale: 4, low: -2, ...contract })];
  const server = new Server({ features, normalization: "client", ...more });
  const model = new ScoringModel(URL_OF_ARTIFACT, { backend: "cpu", fetch: server.fetch });
  return async (given: number | null) => {
    try {
      return await model.predict({ given } as { given: number });
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
  ["inverse", 0.1, Math.fround(Math.fround(Math.fround(0.1) - 4) / -4)],
  ["log1p", 0, 0],
  ["log1p", 1, Math.fround(Math.fround(Math.LN2) / Math.fround(Math.log(5)))],
  ["log1p", 9, 1],
  ["log1p", -1, 0],
])("%s of %d is %d", async (transform, value, expected) => {
  expect(await scoreOf(transform)(value)).toBe(expected);
});

test.each([
  [3, 0.5],
  [4, 1],
  [-9, 0],
  [2.5, 0.25],
])("standardize of %d is %d", async (value, expected) => {
  expect(await scoreOf("standardize", {}, { mean: 2, std: 2, low: 2 })(value)).toBe(expected);
});

test.each(["client", "graph"] as const)("a feature that is missing is filled where the contract says so, by the %s", async (normalization) => {
  const contract = { missing: 0.5, scale: 1 };
  expect(await scoreOf("saturate", { normalization }, contract)(null)).toBe(0.5);
  await expect(scoreOf("saturate", { normalization }, contract)(Number.NaN)).rejects.toMatchObject({ reason: "not-finite" });
  const refused = scoreOf("saturate", { normalization }, { missing: "refuse" })(null);
  await expect(refused).rejects.toMatchObject({ feature: "given", reason: "missing" });
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
