/** Runs graph models on one TF.js backend. The same code serves a Node thread and a browser page. */

import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import {
  emptyBody,
  errorFrame,
  type ErrorCode,
  type Frame,
  type Header,
  messageOf,
  packTensors,
  ProtocolError,
  STORAGE_TYPES,
  type StorageType,
  type TensorHeader,
  valuesOf,
} from "./protocol.ts";

/** One way to compute, as far as its place (Node, page) has to tell. */
export interface Backend {
  readonly name: string;
  /** What it computes on, once it is initialised. */
  describe(): Promise<string>;
  /** Watches for what the device reports without any operation throwing; the result ends it and tells. */
  watch?(): () => Promise<string | undefined>;
}

export type ModelSource = string | tf.io.IOHandler;

interface Loaded {
  readonly model: GraphModel;
  readonly isAsync: boolean;
  readonly outputs: readonly string[];
}

interface Metadata {
  readonly async?: boolean;
  readonly outputs?: readonly { readonly name: string }[];
}

type Reply = Record<string, unknown> & { tensors?: TensorHeader[]; body?: ArrayBuffer };

const FALLBACK_CODE: Record<string, ErrorCode> = { start: "cannot-start", load: "load-failed", run: "run-failed" };

export class Engine {
  readonly #models = new Map<number, Loaded>();

  constructor(
    private readonly backend: Backend,
    private readonly open: (source: string) => ModelSource,
  ) {}

  /** Answers one request; every failure becomes a reply that says so. */
  async serve({ header, body }: Frame): Promise<Frame> {
    try {
      const { body: replyBody = emptyBody(), ...fields } = await this.#answer(header, body);
      return { header: { ...fields, id: header.id, verb: header.verb }, body: replyBody };
    } catch (error) {
      return errorFrame(header, error, FALLBACK_CODE[header.verb] ?? "bad-request");
    }
  }

  #answer(header: Header, body: ArrayBuffer): Promise<Reply> | Reply {
    switch (header.verb) {
      case "start":
        return this.#start();
      case "load":
        return this.#load(header.id, String(header.source));
      case "run":
        return this.#run(this.#find(header.handle), header.tensors ?? [], body);
      case "memory": {
        const { numTensors, numBytes } = tf.memory();
        return { n_tensors: numTensors, size_bytes: numBytes };
      }
      case "unload":
        this.#models.get(Number(header.handle))?.model.dispose();
        this.#models.delete(Number(header.handle));
        return {};
      default:
        throw new ProtocolError("bad-request", `unknown verb ${header.verb}`);
    }
  }

  async #start(): Promise<Reply> {
    const { name } = this.backend;
    const warnings = await warningsDuring(async () => {
      if (await tf.setBackend(name)) await tf.ready();
    });
    if (tf.getBackend() !== name) {
      throw new ProtocolError("cannot-start", `the ${name} backend does not initialise: ${warnings.join("; ")}`);
    }
    await proveItComputes();
    return { versions: { tfjs: tf.version_core }, device: await this.backend.describe() };
  }

  /** The handle is the request's id: no other engine of this process ever hands it out again. */
  async #load(handle: number, source: string): Promise<Reply> {
    const began = performance.now();
    const model = await loadWhole(this.open(source));
    const load_ms = performance.now() - began;
    const metadata = (model.metadata ?? {}) as Metadata;
    const signature = model.modelSignature as { outputs?: Record<string, unknown> } | undefined;
    const outputs = metadata.outputs?.map(({ name }) => name) ?? Object.keys(signature?.outputs ?? {});
    this.#models.set(handle, { model, outputs, isAsync: metadata.async === true });
    return { handle, load_ms, signature, metadata: model.metadata };
  }

  async #run(loaded: Loaded, tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply> {
    const endWatch = this.backend.watch?.();
    tf.engine().startScope("run");
    let reply: Reply;
    try {
      reply = await execute(loaded, tensors, body);
    } finally {
      tf.engine().endScope();
      const fault = await endWatch?.();
      if (fault !== undefined) throw new ProtocolError("run-failed", `the device reported: ${fault}`);
    }
    return reply;
  }

  #find(handle: unknown): Loaded {
    const loaded = this.#models.get(Number(handle));
    if (loaded === undefined) throw new ProtocolError("not-started", "the runtime that held this model has ended");
    return loaded;
  }
}

/** `predict_ms` holds what an app waits for: inputs up, the graph, outputs down. */
async function execute(
  { model, isAsync, outputs }: Loaded,
  tensors: readonly TensorHeader[],
  body: ArrayBuffer,
): Promise<Reply> {
  const names = [...outputs];
  const began = performance.now();
  const inputs = Object.fromEntries(
    tensors.map((header) => [header.name, tf.tensor(valuesOf(header, body), [...header.shape], header.dtype)]),
  );
  const result = isAsync ? await model.executeAsync(inputs, names) : model.execute(inputs, names);
  const produced = Array.isArray(result) ? result : [result];
  const values = await Promise.all(produced.map((tensor) => tensor.data()));
  const predict_ms = performance.now() - began;
  const packed = packTensors(
    produced.map(({ dtype, shape }, i) => ({
      name: names[i] ?? "",
      dtype: storageType(dtype),
      shape,
      values: (values[i] ?? []) as ArrayLike<number>,
    })),
  );
  return { predict_ms, ...packed };
}

/** A model whose graph is refused leaves none of its weights behind. */
async function loadWhole(source: ModelSource): Promise<GraphModel> {
  tf.engine().startScope("load");
  try {
    const model = await loadGraphModel(source);
    for (const weight of Object.values(model.weights).flat()) tf.keep(weight);
    return model;
  } finally {
    tf.engine().endScope();
  }
}

function storageType(dtype: tf.DataType): StorageType {
  const known = STORAGE_TYPES.find((type) => type === dtype);
  if (known === undefined) throw new ProtocolError("run-failed", `outputs of type ${dtype} can't leave the runtime`);
  return known;
}

/** A backend can initialise and still compute nothing: one product, read back. */
async function proveItComputes(): Promise<void> {
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])));
  try {
    const [value] = await product.data();
    if (value !== 11) throw new ProtocolError("cannot-start", `the ${tf.getBackend()} backend says 1·3 + 2·4 = ${value}`);
  } finally {
    product.dispose();
  }
}

/** TF.js tells why a backend failed only by console.warn. */
async function warningsDuring(work: () => Promise<void>): Promise<string[]> {
  const warnings: string[] = [];
  const original = console.warn;
  console.warn = (...parts: unknown[]) => {
    warnings.push(parts.map(messageOf).join(" "));
    original(...parts);
  };
  try {
    await work();
  } finally {
    console.warn = original;
  }
  return warnings;
}
