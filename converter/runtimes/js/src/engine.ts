/** Answers requests with one executor. The same code serves a Node thread and a browser page. */

import { benchLegacy } from "./legacy.ts";
import {
  emptyBody,
  errorFrame,
  type ErrorCode,
  type Frame,
  type Header,
  ProtocolError,
  type TensorHeader,
} from "./protocol.ts";

export type Reply = Record<string, unknown> & { tensors?: TensorHeader[]; body?: ArrayBuffer };

/** A model in memory. */
export interface Model {
  /** What Python has to know of it. */
  readonly description: Reply;
  /** `predict_ms` of the reply holds what an app waits for: inputs up, the graph, outputs down. */
  run(tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply>;
  /** Runs again and again, with nothing sent to and fro between the runs. */
  bench(tensors: readonly TensorHeader[], body: ArrayBuffer, nRuns: number): Promise<Reply>;
  /** The kernels of one run and what each took, where the executor can tell. */
  profile?(tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply>;
  dispose(): Promise<void>;
}

/** Something that executes models of one format on one device. */
export interface Executor {
  /** Initialises the device and proves that it computes; replies with `versions` and `device`. */
  start(): Promise<Reply>;
  load(source: string): Promise<Model>;
  /** `n_tensors` and `size_bytes`, where the executor can tell. */
  memory?(): Reply;
}

const FALLBACK_CODE: Record<string, ErrorCode> = {
  start: "cannot-start",
  load: "load-failed",
  run: "run-failed",
  bench: "run-failed",
  "bench-legacy": "run-failed",
  profile: "run-failed",
};

export class Engine {
  readonly #models = new Map<number, Model>();

  constructor(private readonly executor: Executor) {}

  /** Answers one request; every failure becomes a reply that says so. */
  async serve({ header, body }: Frame): Promise<Frame> {
    try {
      const { body: replyBody = emptyBody(), ...fields } = await this.#answer(header, body);
      return { header: { ...fields, id: header.id, verb: header.verb }, body: replyBody };
    } catch (error) {
      return errorFrame(header, error, FALLBACK_CODE[header.verb] ?? "bad-request");
    }
  }

  async #answer(header: Header, body: ArrayBuffer): Promise<Reply> {
    switch (header.verb) {
      case "start":
        return this.executor.start();
      case "load":
        return this.#load(header.id, String(header.source));
      case "run":
        return this.#find(header.handle).run(header.tensors ?? [], body);
      case "bench":
        return this.#find(header.handle).bench(header.tensors ?? [], body, Number(header.n_runs));
      case "profile":
        return this.#profile(header, body);
      case "bench-legacy":
        return benchLegacy(header.columns as string[], header.tensors ?? [], body, Number(header.n_runs));
      case "unload":
        await this.#models.get(Number(header.handle))?.dispose();
        this.#models.delete(Number(header.handle));
        return {};
      case "memory":
        if (this.executor.memory !== undefined) return this.executor.memory();
    }
    throw new ProtocolError("bad-request", `unknown verb ${header.verb}`);
  }

  /** The handle is the request's id: no other engine of this process ever hands it out again. */
  async #load(handle: number, source: string): Promise<Reply> {
    const began = performance.now();
    const model = await this.executor.load(source);
    const load_ms = performance.now() - began;
    this.#models.set(handle, model);
    return { handle, load_ms, ...model.description };
  }

  async #profile(header: Header, body: ArrayBuffer): Promise<Reply> {
    const model = this.#find(header.handle);
    if (model.profile === undefined) throw new ProtocolError("bad-request", "this runtime tells nothing of its kernels");
    return model.profile(header.tensors ?? [], body);
  }

  #find(handle: unknown): Model {
    const loaded = this.#models.get(Number(handle));
    if (loaded === undefined) throw new ProtocolError("not-started", "the runtime that held this model has ended");
    return loaded;
  }
}
