/** A model in a backend's memory, and one run of it. */

import type { GraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

const STORAGE_TYPES = ["float32", "int32", "bool"] as const;
export type StorageType = (typeof STORAGE_TYPES)[number];

export interface Loaded {
  readonly model: GraphModel;
  readonly isAsync: boolean;
  readonly outputs: readonly string[];
}

export function openTensors(tensors: readonly TensorHeader[], body: ArrayBuffer): Record<string, tf.Tensor> {
  const tensorOf = (header: TensorHeader) =>
    tf.tensor(valuesOf(header, body) as tf.TypedArray, [...header.shape], storageType(header.dtype));
  return Object.fromEntries(tensors.map((header) => [header.name, tensorOf(header)]));
}

export async function runModel({ model, isAsync, outputs }: Loaded, inputs: tf.NamedTensorMap): Promise<tf.Tensor[]> {
  const names = [...outputs];
  const result = isAsync ? await model.executeAsync(inputs, names) : model.execute(inputs, names);
  return Array.isArray(result) ? result : [result];
}

export function storageType(dtype: string): StorageType {
  const known = STORAGE_TYPES.find((type) => type === dtype);
  if (known === undefined) throw new ProtocolError("run-failed", `values of type ${dtype} can't pass a TF.js runtime`);
  return known;
}
