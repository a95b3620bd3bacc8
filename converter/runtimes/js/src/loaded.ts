/** A model in a backend's memory, whatever format it came in. */

import * as tf from "@tensorflow/tfjs-core";
import { ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

const STORAGE_TYPES = ["float32", "int32", "bool"] as const;
export type StorageType = (typeof STORAGE_TYPES)[number];

export interface Loaded {
  /** What Python has to know of it. */
  readonly description: { readonly signature?: unknown; readonly metadata: unknown };
  /** The names of what `predict` gives, in its order. */
  readonly outputs: readonly string[];
  predict(inputs: tf.NamedTensorMap): Promise<tf.Tensor[]>;
  dispose(): void;
}

/** What `userDefinedMetadata` of our models says. */
export interface Metadata {
  readonly async?: boolean;
  readonly inputs?: readonly { readonly name: string }[];
  readonly outputs?: readonly { readonly name: string }[];
}

export type ModelSource = string | tf.io.IOHandler;

export function openTensors(tensors: readonly TensorHeader[], body: ArrayBuffer): Record<string, tf.Tensor> {
  const tensorOf = (header: TensorHeader) =>
    tf.tensor(valuesOf(header, body) as tf.TypedArray, [...header.shape], storageType(header.dtype));
  return Object.fromEntries(tensors.map((header) => [header.name, tensorOf(header)]));
}

export function storageType(dtype: string): StorageType {
  const known = STORAGE_TYPES.find((type) => type === dtype);
  if (known === undefined) throw new ProtocolError("run-failed", `values of type ${dtype} can't pass a TF.js runtime`);
  return known;
}
