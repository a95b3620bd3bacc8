/** What every way to run an artifact has in common. */

import type { Manifest } from "./manifest.ts";

/** Values of a tensor, row by row. */
export interface TensorValues {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}

/** An artifact in a backend's memory. */
export interface Artifact {
  readonly manifest: Manifest;
  /** Where it was loaded from, with a final slash. */
  readonly url: string;
  /** What computes it. */
  readonly backend: string;
  /** Computes the outputs by name from the inputs by name. */
  run(inputs: Readonly<Record<string, TensorValues>>): Promise<Record<string, TensorValues>>;
  /** Frees the weights. */
  dispose(): void;
}

/** float32, int32 or bool: what JavaScript's backends store a type of the manifest as. */
export type StorageType = "float32" | "int32" | "bool";

const STORAGE_TYPES: Readonly<Record<string, StorageType>> = {
  float64: "float32",
  float32: "float32",
  float16: "float32",
  int64: "int32",
  int32: "int32",
  int16: "int32",
  int8: "int32",
  uint8: "int32",
  bool: "bool",
};

/** How values of a type are stored, if they can be. */
export function storageTypeOf(dtype: string): StorageType | undefined {
  return STORAGE_TYPES[dtype];
}
