/** One input or output of the model; a named dimension is dynamic. */
export interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
  readonly unit: string;
}

/** What the package holds. */
export interface Contents {
  readonly name: string;
  readonly version: string;
  /** The digest of the manifest. */
  readonly digest: string;
  /** Whether the graph needs `executeAsync`. */
  readonly async: boolean;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly files: Readonly<Record<string, { readonly size_bytes: number; readonly integrity: string }>>;
}

/** Where the files are. */
export interface Options {
  /** The folder that holds `tfjs/model.json`, with a slash at its end. Default: the `artifact/` of this package. */
  readonly baseUrl?: string | URL;
}

export declare const contents: Contents;

/** The bytes of a file, such as `manifest.json` or `test-vectors/inputs.safetensors`; rejects if they were changed. */
export declare function read(path: string, options?: Options): Promise<Uint8Array>;

/** What `tf.loadGraphModel` takes; it rejects if a file was changed. */
export declare function ioHandler(options?: Options): {
  // `any`, so that every version of TF.js takes it as its own type of model artifacts.
  load(): Promise<any>;
};
