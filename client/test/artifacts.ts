/** Small artifacts as compat-export writes them, in memory, and the server that they come from. */

import { createHash } from "node:crypto";

export interface Node {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, unknown>>;
}

export interface Constant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly dtype?: string;
}

export interface Recipe {
  readonly features?: readonly Record<string, unknown>[];
  readonly nodes?: readonly Node[];
  readonly constants?: readonly Constant[];
  readonly output?: string;
  readonly async?: boolean;
  readonly normalization?: "graph" | "client";
  /** TensorFlow's name for the type of the input. */
  readonly inputType?: string;
  /** The bytes of `model.onnx`, where the artifact has one. */
  readonly onnx?: Buffer;
  /** What the manifest says instead. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

const FLOAT = { dtype: { type: "DT_FLOAT" }, T: { type: "DT_FLOAT" } };

export function feature(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, unit: "likes", low: 0, high: 10, transform: "saturate", scale: 10, description: "", ...more };
}

export const TWO_FEATURES = [feature("given"), feature("received")];

/** score = sum of the features times their weights, which are 0.25 and 0.5. */
export const WEIGHTED_SUM: Recipe = {
  features: TWO_FEATURES,
  nodes: [{ name: "sum", op: "MatMul", input: ["features", "weights"], attr: FLOAT }],
  constants: [{ name: "weights", shape: [2, 1], values: [0.25, 0.5] }],
  output: "sum",
};

/** score = the one feature, by the detour of an operator that only `executeAsync` can run. */
export const ASYNC_IDENTITY: Recipe = {
  features: [feature("given")],
  nodes: [
    { name: "isThere", op: "GreaterEqual", input: ["features", "least"], attr: FLOAT },
    { name: "places", op: "Where", input: ["isThere"], attr: { T: { type: "DT_BOOL" } } },
    { name: "picked", op: "GatherNd", input: ["features", "places"], attr: FLOAT },
    { name: "column", op: "Reshape", input: ["picked", "shape"], attr: FLOAT },
  ],
  constants: [
    { name: "least", shape: [], values: [-1] },
    { name: "shape", shape: [2], values: [-1, 1], dtype: "int32" },
  ],
  output: "column",
  async: true,
};

function bytesOf({ values, dtype }: Constant): Buffer {
  return Buffer.from((dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values)).buffer);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

function canonical(value: unknown): string {
  return `${JSON.stringify(sorted(value), null, 1)}\n`;
}

/** The text of a manifest with its digest in it. */
export function sealed(manifest: Record<string, unknown>): string {
  const digest = createHash("sha256").update(canonical(manifest)).digest("hex");
  return canonical({ ...manifest, digest });
}

export function build(recipe: Recipe): Map<string, Buffer> {
  const { features = [], nodes = [], constants = [], output = "features" } = recipe;
  const shape = { shape: { dim: [{ size: "-1" }, { size: String(features.length) }] } };
  const dtype = { type: recipe.inputType ?? "DT_FLOAT" };
  const placeholder = { name: "features", op: "Placeholder", attr: { dtype, shape } };
  const consts = constants.map(({ name, dtype }) => ({
    name,
    op: "Const",
    attr: { dtype: { type: dtype === "int32" ? "DT_INT32" : "DT_FLOAT" } },
  }));
  const model = {
    format: "graph-model",
    signature: {
      inputs: { features: { name: "features:0", dtype: dtype.type, tensorShape: {} } },
      outputs: { score: { name: "out:0", dtype: "DT_FLOAT", tensorShape: {} } },
    },
    modelTopology: {
      node: [placeholder, ...consts, ...nodes, { name: "out", op: "Identity", input: [output], attr: FLOAT }],
      versions: { producer: 1645 },
    },
    weightsManifest: [
      {
        paths: ["group1-shard1of1.bin"],
        weights: constants.map(({ name, shape, dtype }) => ({ name, shape, dtype: dtype ?? "float32" })),
      },
    ],
  };
  const files = new Map<string, Buffer>([
    ["tfjs/group1-shard1of1.bin", Buffer.concat(constants.map(bytesOf))],
    ["tfjs/model.json", Buffer.from(JSON.stringify(model))],
  ]);
  if (recipe.onnx !== undefined) files.set("model.onnx", recipe.onnx);
  const manifest = {
    name: "small",
    version: "1.0.0",
    schema_version: "1.0",
    async: recipe.async ?? false,
    features,
    inputs: [{ name: "features", dtype: "float32", shape: ["batch", features.length] }],
    outputs: [{ name: "score", dtype: "float32", shape: ["batch", 1] }],
    config: { network: { normalization: recipe.normalization ?? "graph" } },
    files: [...files].map(([path, bytes]) => ({
      path,
      size_bytes: bytes.length,
      integrity: `sha384-${createHash("sha384").update(bytes).digest("base64")}`,
    })),
    formats: [
      { name: "tfjs", files: [...files.keys()].filter((path) => path.startsWith("tfjs/")) },
      { name: "onnx", files: [...files.keys()].filter((path) => path.endsWith(".onnx")) },
    ],
    ...recipe.manifest,
  };
  return files.set("manifest.json", Buffer.from(sealed(manifest)));
}

export const URL_OF_ARTIFACT = "https://models.example/small/1.0.0/";

/** A server of one artifact, as `fetch`. */
export class Server {
  readonly files: Map<string, Buffer>;
  readonly requests: string[] = [];
  /** While this is set, there is no answer. */
  isDown = false;
  /** No answer comes before this. */
  gate: Promise<void> = Promise.resolve();

  constructor(recipe: Recipe = WEIGHTED_SUM) {
    this.files = build(recipe);
  }

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const path = String(input).slice(URL_OF_ARTIFACT.length);
    this.requests.push(path);
    await new Promise((resolve) => setTimeout(resolve));
    await this.gate;
    init?.signal?.throwIfAborted();
    if (this.isDown) throw new TypeError("Failed to fetch");
    const bytes = this.files.get(path);
    return bytes === undefined
      ? new Response("no", { status: 404, statusText: "Not Found" })
      : new Response(new Uint8Array(bytes));
  };
}
