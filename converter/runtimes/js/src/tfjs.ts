/** TF.js models on one backend. */

import * as tf from "@tensorflow/tfjs-core";
import { bench, profile } from "./bench.ts";
import type { Executor, Model, Reply } from "./engine.ts";
import { requireUnchanged } from "./inputs.ts";
import { type Loaded, openTensors, storageType, type StorageType } from "./loaded.ts";
import { messageOf, packTensors, ProtocolError, type TensorHeader } from "./protocol.ts";

/** One way to compute, as far as its place (Node, page) has to tell. */
export interface Backend {
  readonly name: string;
  /** Whether it can compute more than one graph, so that it can prove itself before there is one. */
  readonly hasAllKernels?: boolean;
  /** Sets what must be set before the backend initialises. */
  prepare?(): void;
  /** What it computes on, once it is initialised. */
  describe(): Promise<string>;
  /** Watches for what the device reports without any operation throwing; the result ends it and tells. */
  watch?(): () => Promise<string | undefined>;
}

export class TfjsExecutor implements Executor {
  constructor(
    private readonly backend: Backend,
    private readonly open: (source: string) => Promise<Loaded>,
  ) {}

  async start(): Promise<Reply> {
    this.backend.prepare?.();
    await initialise(this.backend.name);
    if (this.backend.hasAllKernels ?? true) await proveItComputes();
    return { versions: { tfjs: tf.version_core }, device: await this.backend.describe() };
  }

  async load(source: string): Promise<Model> {
    return new TfjsModel(await loadWhole(() => this.open(source)), this.backend);
  }

  memory(): Reply {
    const { numTensors, numBytes } = tf.memory();
    return { n_tensors: numTensors, size_bytes: numBytes };
  }
}

class TfjsModel implements Model {
  readonly description: Reply;

  constructor(
    private readonly loaded: Loaded,
    private readonly backend: Backend,
  ) {
    this.description = { ...loaded.description };
  }

  run(tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply> {
    return this.#watched(async () => {
      tf.engine().startScope("run");
      try {
        return await execute(this.loaded, tensors, body);
      } finally {
        tf.engine().endScope();
      }
    });
  }

  bench(tensors: readonly TensorHeader[], body: ArrayBuffer, nRuns: number): Promise<Reply> {
    return this.#watched(async () => ({ ...(await bench(this.loaded, tensors, body, nRuns)) }));
  }

  profile(tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply> {
    return this.#watched(async () => ({ ...(await profile(this.loaded, tensors, body)) }));
  }

  async dispose(): Promise<void> {
    this.loaded.dispose();
  }

  async #watched(work: () => Promise<Reply>): Promise<Reply> {
    const endWatch = this.backend.watch?.();
    let reply: Reply;
    try {
      reply = await work();
    } finally {
      const fault = await endWatch?.();
      if (fault !== undefined) throw new ProtocolError("run-failed", `the device reported: ${fault}`);
    }
    return reply;
  }
}

async function execute(loaded: Loaded, tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply> {
  const given = body.slice(0); // on cpu the tensors live in the body itself
  const began = performance.now();
  const inputs = openTensors(tensors, body);
  const produced = await loaded.predict(inputs);
  const values = await Promise.all(produced.map((tensor) => tensor.data<StorageType>()));
  const predict_ms = performance.now() - began;
  const packed = packTensors(
    produced.map(({ dtype, shape }, i) => ({
      name: loaded.outputs[i] ?? "",
      dtype: storageType(dtype),
      shape,
      values: typedValues(values[i] ?? [], storageType(dtype)),
    })),
  );
  await requireUnchanged(inputs, tensors, given);
  return { predict_ms, ...packed };
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** Values as their dtype stores them: a kernel on the host may have kept an array of another kind, or a plain one. */
function typedValues(values: ArrayLike<number>, dtype: StorageType): ArrayBufferView {
  const Kind = ARRAYS[dtype];
  return values instanceof Kind ? values : Kind.from(values);
}

/** A model that is refused leaves none of its weights behind; one that opens has told TF.js to keep them. */
async function loadWhole(open: () => Promise<Loaded>): Promise<Loaded> {
  tf.engine().startScope("load");
  try {
    return await open();
  } finally {
    tf.engine().endScope();
  }
}

/** TF.js tells why a backend failed only by console.warn, stack traces included. */
async function initialise(name: string): Promise<void> {
  const warnings: string[] = [];
  const original = console.warn;
  console.warn = (...parts: unknown[]) => {
    warnings.push(parts.map(messageOf).join(" "));
    original(...parts);
  };
  try {
    if (await tf.setBackend(name)) return;
  } catch (error) {
    warnings.push(messageOf(error));
  } finally {
    console.warn = original;
  }
  const reasons = warnings.flatMap((text) => text.split("\n")).filter((line) => line !== "" && !line.includes("://"));
  throw new ProtocolError("no-backend", `the ${name} backend does not initialise: ${reasons.join("; ")}`);
}

/** A backend can initialise and still compute nothing: one product, read back. */
async function proveItComputes(): Promise<void> {
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])));
  try {
    const [value] = await product.data();
    if (value !== 11) throw new ProtocolError("no-backend", `the ${tf.getBackend()} backend says 1·3 + 2·4 = ${value}`);
  } finally {
    product.dispose();
  }
}
