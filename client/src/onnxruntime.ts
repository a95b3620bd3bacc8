/**
 * The same over the artifact's ONNX model, by onnxruntime-web.
 *
 * @packageDocumentation
 */

import type * as ort from "onnxruntime-web";
import type { Artifact, TensorValues } from "./artifact.ts";
import { ArtifactError, messageOf } from "./errors.ts";
import { fetchArtifact, type FetchOptions } from "./fetching.ts";
import type { Manifest } from "./manifest.ts";
import { FeatureModel } from "./model.ts";

/** What of onnxruntime-web the client uses. */
export type Ort = Pick<typeof ort, "InferenceSession" | "Tensor">;

/** How `loadArtifact` loads. */
export interface LoadOptions extends FetchOptions {
  /** The execution provider, or several in order of preference. By default wasm. */
  readonly backend?: string | readonly string[];
  /** A build of onnxruntime-web of one's own, instead of `onnxruntime-web/wasm`. */
  readonly ort?: () => Promise<Ort>;
}

type OrtData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

const ARRAYS: Readonly<Record<string, (data: TensorValues["data"]) => OrtData>> = {
  float32: (data) => Float32Array.from(data),
  int32: (data) => Int32Array.from(data),
  uint8: (data) => Uint8Array.from(data),
  bool: (data) => Uint8Array.from(data),
  int64: (data) => BigInt64Array.from(Array.from(data, BigInt)),
};

/**
 * Loads an artifact into ONNX Runtime: nothing reaches it that isn't what the manifest lists.
 *
 * @param url - the artifact's folder, or its `manifest.json`; relative to the page, absolute in Node
 * @throws {@link index.ArtifactError} with the code of what went wrong; what the signal was aborted with, if it was
 */
export async function loadArtifact(url: string | URL, options: LoadOptions = {}): Promise<Artifact> {
  const importOrt = options.ort ?? (() => import("onnxruntime-web/wasm"));
  const [fetched, runtime] = await Promise.all([
    fetchArtifact(url, "onnx", options),
    importOrt().catch((error: unknown) => {
      const what = `onnxruntime-web can't be imported: ${messageOf(error)}`;
      throw new ArtifactError("backend", what, String(url), { cause: error });
    }),
  ]);
  const [bytes, ...others] = fetched.files.values();
  if (bytes === undefined || others.length > 0) {
    throw new ArtifactError("manifest", "its ONNX model is not one file", fetched.url);
  }
  const executionProviders = [options.backend ?? "wasm"].flat();
  const failed = (error: unknown) => new ArtifactError("backend", messageOf(error), fetched.url, { cause: error });
  try {
    const session = await runtime.InferenceSession.create(bytes, { executionProviders });
    return new OrtArtifact(runtime, session, fetched.manifest, fetched.url, executionProviders.join(","));
  } catch (error) {
    throw failed(error);
  }
}

class OrtArtifact implements Artifact {
  constructor(
    private readonly runtime: Ort,
    private readonly session: ort.InferenceSession,
    readonly manifest: Manifest,
    readonly url: string,
    readonly backend: string,
  ) {}

  async run(inputs: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>> {
    try {
      const outputs = await this.session.run(this.open(inputs));
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, valuesOf(name, tensor)]));
    } catch (error) {
      throw new ArtifactError("backend", messageOf(error), this.url, { cause: error });
    }
  }

  dispose(): void {
    this.session.release().catch(() => undefined); // it has been released before
  }

  private open(inputs: Readonly<Record<string, TensorValues>>): Record<string, ort.Tensor> {
    const tensors = this.manifest.inputs.map(({ name, dtype }) => {
      const [values, arrayOf] = [inputs[name], ARRAYS[dtype]];
      if (values === undefined || arrayOf === undefined) throw new Error(`no values for the input ${name} of ${dtype}`);
      return [name, new this.runtime.Tensor(dtype as "float32", arrayOf(values.data) as Float32Array, values.shape)];
    });
    return Object.fromEntries(tensors);
  }
}

function valuesOf(name: string, { data, dims }: ort.Tensor): TensorValues {
  if (data instanceof BigInt64Array) return { data: Int32Array.from(data, Number), shape: dims };
  if (data instanceof Float32Array || data instanceof Int32Array || data instanceof Uint8Array) {
    return { data, shape: dims };
  }
  throw new Error(`the output ${name} has values that JavaScript has no numbers for`);
}

/** How a model loads its artifact: its own signal and progress are `dispose()` and `state()`. */
export type ModelOptions = Omit<LoadOptions, "signal" | "onProgress">;

/** A scoring model on ONNX Runtime. */
export class ScoringModel<Features extends object = Record<string, number>> extends FeatureModel<Features> {
  constructor(url: string | URL, options: ModelOptions = {}) {
    super((more) => loadArtifact(url, { ...options, ...more }));
  }
}
