/** Artifacts on TensorFlow.js. */

import type * as converter from "@tensorflow/tfjs-converter";
import type * as core from "@tensorflow/tfjs-core";
import { type Artifact, storageTypeOf, type TensorValues } from "./artifact.ts";
import { ArtifactError, messageOf } from "./errors.ts";
import { fetchArtifact, type FetchedArtifact, type FetchOptions } from "./fetching.ts";

/** The backends of TF.js, each a package of its own. */
export type BackendName = "cpu" | "wasm" | "webgl" | "webgpu";

/** Where the wasm backend finds its files: a build for another backend has no such function. */
export interface WasmSetup {
  setWasmPaths?(paths: string | Record<string, string>): void;
}

/**
 * What of TF.js the client uses: a build of one's own hands out these, with its backend registered. That is what
 * `compat-export client bundle` writes.
 */
export type Tfjs = Pick<
  typeof core,
  "dispose" | "engine" | "getBackend" | "keep" | "setBackend" | "tensor" | "tidy"
> &
  Pick<typeof converter, "loadGraphModelSync"> &
  WasmSetup;

type Graph = converter.GraphModel<core.io.IOHandlerSync>;

/** How `loadArtifact` loads. */
export interface LoadOptions extends FetchOptions {
  /** The backend, or several: the first that starts is taken. By default webgl, then cpu. */
  readonly backend?: BackendName | readonly BackendName[];
  /** The folder of the wasm backend's `.wasm` files, or the address of each, where a bundler moved them. */
  readonly wasmPaths?: string | Record<string, string>;
  /** A build of TF.js of one's own, instead of the packages. */
  readonly tfjs?: () => Promise<Tfjs>;
}

const DEFAULT_BACKENDS: readonly BackendName[] = ["webgl", "cpu"];

/** The packages are imported when they are needed, so that a bundler puts them into files of their own. */
async function importTfjs(): Promise<Tfjs> {
  const [tf, { loadGraphModelSync }] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("@tensorflow/tfjs-converter"),
  ]);
  const { dispose, engine, getBackend, keep, setBackend, tensor, tidy } = tf;
  return { dispose, engine, getBackend, keep, setBackend, tensor, tidy, loadGraphModelSync };
}

// The `catch` at the import itself tells bundlers that a package may be missing.
const missing = (error: unknown): never => {
  throw error;
};
const IMPORT_BACKEND: Readonly<Record<BackendName, () => Promise<object>>> = {
  cpu: () => import("@tensorflow/tfjs-backend-cpu").catch(missing),
  wasm: () => import("@tensorflow/tfjs-backend-wasm").catch(missing),
  webgl: () => import("@tensorflow/tfjs-backend-webgl").catch(missing),
  webgpu: () => import("@tensorflow/tfjs-backend-webgpu").catch(missing),
};

/**
 * Loads an artifact into TF.js: nothing reaches TF.js that isn't what the manifest lists.
 *
 * @param url - the artifact's folder, or its `manifest.json`; relative to the page, absolute in Node
 * @throws {@link ArtifactError} with the code of what went wrong; what the signal was aborted with, if it was
 */
export async function loadArtifact(url: string | URL, options: LoadOptions = {}): Promise<Artifact> {
  const [fetched, tf] = await Promise.all([
    fetchArtifact(url, "tfjs", options),
    (options.tfjs ?? importTfjs)().catch((error: unknown) => {
      throw new ArtifactError("backend", `TF.js can't be imported: ${messageOf(error)}`, String(url), { cause: error });
    }),
  ]);
  await startBackend(tf, fetched.url, options);
  options.signal?.throwIfAborted();
  return new TfjsArtifact(tf, loadGraph(tf, fetched), fetched);
}

async function startBackend(tf: Tfjs, url: string, options: LoadOptions): Promise<void> {
  const reasons: string[] = [];
  for (const name of [options.backend ?? DEFAULT_BACKENDS].flat()) {
    try {
      const { setWasmPaths }: WasmSetup = options.tfjs === undefined ? await IMPORT_BACKEND[name]() : tf;
      if (name === "wasm" && options.wasmPaths !== undefined) setPaths(setWasmPaths, options.wasmPaths);
      if (await tf.setBackend(name)) return;
      reasons.push(`${name} does not start`);
    } catch (error) {
      reasons.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw new ArtifactError("backend", `no backend starts: ${reasons.join("; ")}`, url);
}

function setPaths(setWasmPaths: WasmSetup["setWasmPaths"], paths: string | Record<string, string>): void {
  try {
    setWasmPaths?.(paths);
  } catch {
    // After a start that failed, TF.js takes no other paths; with those that it has it can be started again.
  }
}

/** A graph that is refused leaves none of its weights behind. */
function loadGraph(tf: Tfjs, { url, files }: FetchedArtifact): Graph {
  const refuse = (what: string, cause?: unknown) => new ArtifactError("backend", what, url, { cause });
  const topology = [...files].find(([path]) => path.endsWith("/model.json"));
  if (topology === undefined) throw refuse("it has no model.json");
  const folder = topology[0].slice(0, -"model.json".length);
  const json = JSON.parse(new TextDecoder().decode(topology[1])) as core.io.ModelJSON;
  const { modelTopology, weightsManifest, ...rest } = json;
  const weightData = weightsManifest
    .flatMap(({ paths }) => paths)
    .map((path) => {
      const bytes = files.get(folder + path);
      if (bytes === undefined) throw refuse(`model.json names the shard ${path}, which the manifest doesn't list`);
      return bytes;
    });
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  const source = { load: () => ({ modelTopology, weightSpecs, weightData, ...rest }) };
  tf.engine().startScope("load");
  try {
    const model = tf.loadGraphModelSync(source);
    for (const weight of Object.values(model.weights).flat()) tf.keep(weight);
    return model;
  } catch (error) {
    throw refuse(`TF.js refuses the graph: ${messageOf(error)}`, error);
  } finally {
    tf.engine().endScope();
  }
}

/** Graphs that need `executeAsync` run one at a time: each has TF.js' one stack of scopes for itself. */
let lastAsyncRun: Promise<unknown> = Promise.resolve();

class TfjsArtifact implements Artifact {
  readonly manifest;
  readonly url: string;
  readonly backend: string;

  constructor(
    private readonly tf: Tfjs,
    private readonly model: Graph,
    { manifest, url }: FetchedArtifact,
  ) {
    this.manifest = manifest;
    this.url = url;
    this.backend = tf.getBackend();
  }

  async run(inputs: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>> {
    try {
      return await (this.manifest.async ? this.runAsync(inputs) : this.read(this.tf.tidy(() => this.execute(inputs))));
    } catch (error) {
      throw new ArtifactError("backend", messageOf(error), this.url, { cause: error });
    }
  }

  dispose(): void {
    this.model.dispose();
  }

  private get names(): string[] {
    return this.manifest.outputs.map(({ name }) => name);
  }

  private execute(inputs: Readonly<Record<string, TensorValues>>): core.Tensor[] {
    return [this.model.execute(this.open(inputs), this.names)].flat();
  }

  private runAsync(inputs: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>> {
    const run = lastAsyncRun.then(async () => {
      this.tf.engine().startScope("run");
      try {
        return await this.read([await this.model.executeAsync(this.open(inputs), this.names)].flat());
      } finally {
        this.tf.engine().endScope();
      }
    });
    lastAsyncRun = run.catch(() => undefined);
    return run;
  }

  private open(inputs: Readonly<Record<string, TensorValues>>): core.NamedTensorMap {
    const tensors = this.manifest.inputs.map(({ name, dtype }) => {
      const values = inputs[name];
      const stored = storageTypeOf(dtype);
      if (values === undefined || stored === undefined) throw new Error(`no values for the input ${name} of ${dtype}`);
      return [name, this.tf.tensor(values.data, [...values.shape], stored)];
    });
    return Object.fromEntries(tensors);
  }

  private async read(outputs: core.Tensor[]): Promise<Record<string, TensorValues>> {
    try {
      // on cpu, the values of an output may be those of an input or a weight
      const copyOf = async (tensor: core.Tensor) => (await tensor.data<"float32" | "int32" | "bool">()).slice();
      const data = await Promise.all(outputs.map(copyOf));
      return Object.fromEntries(
        outputs.map(({ shape }, i) => [this.names[i] ?? "", { data: data[i] ?? new Float32Array(), shape }]),
      );
    } finally {
      this.tf.dispose(outputs.filter(({ kept }) => !kept)); // an output that is a weight is the weight itself
    }
  }
}
