/** A model that scores named features. */

import type { Artifact } from "./artifact.ts";
import { ArtifactError } from "./errors.ts";
import { FeatureContract, type FeatureValues } from "./features.ts";
import type { FetchOptions, Progress } from "./fetching.ts";
import type { Manifest } from "./manifest.ts";

/** Where a model is on its way into memory. */
export interface ModelState {
  readonly status: "idle" | "loading" | "loaded" | "failed";
  /** While it loads; the last that was heard of, after that. */
  readonly progress: Progress | undefined;
  /** Why the last attempt failed. */
  readonly error: unknown;
}

/** Loads an artifact; ends when the signal says so. */
export type ArtifactLoader = (options: Required<Pick<FetchOptions, "signal" | "onProgress">>) => Promise<Artifact>;

interface Loaded {
  readonly artifact: Artifact;
  readonly contract: FeatureContract;
  readonly input: string;
  readonly output: string;
}

const IDLE: ModelState = { status: "idle", progress: undefined, error: undefined };

/** What scoring models have in common, whatever computes them. */
export class FeatureModel<Features extends object = Record<string, number>> {
  private loaded: Loaded | undefined;
  private loading: Promise<Loaded> | undefined;
  private controller = new AbortController();
  private current: ModelState = IDLE;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly open: ArtifactLoader) {}

  /** Loads the artifact: once, however many ask, and again after a failure. */
  readonly load = async (): Promise<void> => {
    await this.ready();
  };

  isLoaded(): boolean {
    return this.loaded !== undefined;
  }

  /** The manifest, once it is loaded. */
  get manifest(): Manifest | undefined {
    return this.loaded?.artifact.manifest;
  }

  /** What computes it, once it is loaded. */
  get backend(): string | undefined {
    return this.loaded?.artifact.backend;
  }

  /** A new object with every change, and the same one in between. */
  readonly state = (): ModelState => this.current;

  /** Calls the listener after every change of `state()`, until the function that comes back is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /**
   * The score of one set of features, in [0, 1]. Loads the artifact if need be.
   *
   * A value outside its feature's range counts as the end of the range; features that the model doesn't know are
   * ignored.
   *
   * @throws FeatureError if a feature is missing or not finite; ArtifactError if the model can't load or compute
   */
  readonly predict = async (features: Readonly<Features>): Promise<number> => {
    const [score] = await this.predictBatch([features]);
    return score as number;
  };

  /** The scores of several sets of features, computed at once. */
  async predictBatch(list: readonly Readonly<Features>[]): Promise<number[]> {
    const { artifact, contract, input, output } = await this.ready();
    if (list.length === 0) return [];
    const data = contract.encode(list as readonly FeatureValues[]);
    const outputs = await artifact.run({ [input]: { data, shape: [list.length, contract.names.length] } });
    const scores = Array.from(outputs[output]?.data ?? []);
    if (scores.length !== list.length || scores.some(Number.isNaN)) {
      throw new ArtifactError("backend", `${artifact.backend} computes no score`, artifact.url);
    }
    return scores.map((score) => Math.min(Math.max(score, 0), 1));
  }

  /** Loads, and computes one score, so that the first that counts is as quick as the others. */
  async warmUp(): Promise<void> {
    const { artifact } = await this.ready();
    const lowest = Object.fromEntries(artifact.manifest.features.map(({ name, low }) => [name, low]));
    await this.predict(lowest as Features);
  }

  /** What a score is remembered under: the artifact's digest, and the row that the model sees. Loads if need be. */
  async keyOf(features: Readonly<Features>): Promise<string> {
    const { artifact, contract } = await this.ready();
    return `${artifact.manifest.digest}:${contract.encode([features as FeatureValues]).join(",")}`;
  }

  /** Frees the weights, and ends loading. It can be loaded again. */
  dispose(): void {
    this.controller.abort(new DOMException("the model was disposed", "AbortError"));
    this.controller = new AbortController();
    this.loaded?.artifact.dispose();
    this.loaded = this.loading = undefined;
    this.become(IDLE);
  }

  private ready(): Promise<Loaded> {
    if (this.loading === undefined) {
      const { signal } = this.controller;
      const loading = this.openOnce(signal);
      this.loading = loading;
      loading.catch((error: unknown) => {
        if (signal.aborted) return;
        this.loading = undefined;
        this.become({ ...this.current, status: "failed", error });
      });
    }
    return this.loading;
  }

  private async openOnce(signal: AbortSignal): Promise<Loaded> {
    this.become({ ...IDLE, status: "loading" });
    const onProgress = (progress: Progress) => {
      if (!signal.aborted) this.become({ ...this.current, progress });
    };
    const artifact = await this.open({ signal, onProgress });
    try {
      signal.throwIfAborted();
      this.loaded = scoring(artifact);
    } catch (error) {
      artifact.dispose();
      throw error;
    }
    this.become({ ...this.current, status: "loaded" });
    return this.loaded;
  }

  private become(state: ModelState): void {
    this.current = state;
    for (const listener of this.listeners) listener();
  }
}

/** An artifact that has features, one input for them and one output with a number for each row. */
function scoring(artifact: Artifact): Loaded {
  const { manifest, url } = artifact;
  const refuse = (what: string) => new ArtifactError("manifest", `not a scoring model: ${what}`, url);
  const [input, ...inputs] = manifest.inputs;
  const [output, ...outputs] = manifest.outputs;
  if (manifest.features.length === 0) throw refuse("it has no features");
  if (input === undefined || inputs.length > 0) throw refuse(`it has ${manifest.inputs.length} inputs`);
  if (output === undefined || outputs.length > 0) throw refuse(`it has ${manifest.outputs.length} outputs`);
  if (input.dtype !== "float32" || input.shape.length !== 2 || input.shape[1] !== manifest.features.length) {
    throw refuse(`its input is ${input.dtype} of ${input.shape}, its features are ${manifest.features.length}`);
  }
  return { artifact, contract: new FeatureContract(manifest, url), input: input.name, output: output.name };
}
