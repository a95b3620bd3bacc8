/** Checks that a run left its inputs as they were: a kernel that writes into its operand changes the caller's tensor. */

import * as tf from "@tensorflow/tfjs-core";
import { ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

/** The relative and the absolute error with which a texture of each precision (in bits) holds a number. */
const ROUNDING = { 32: [2 ** -23, 2 ** -126], 16: [2 ** -10, 2 ** -14] } as const;
const LARGEST_FLOAT16 = 65504;

/** Throws unless each input tensor still holds the values that the caller gave it. */
export async function requireUnchanged(
  inputs: Readonly<Record<string, tf.Tensor>>,
  tensors: readonly TensorHeader[],
  given: ArrayBuffer,
): Promise<void> {
  const isHalf = tf.getBackend() === "webgl" && !tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED");
  const precision = isHalf ? 16 : 32;
  for (const header of tensors) {
    const tensor = inputs[header.name];
    if (tensor === undefined) continue;
    const label = JSON.stringify(header.name);
    if (tensor.isDisposed) throw new ProtocolError("run-failed", `the model disposes of its input ${label}`);
    const wanted = valuesOf(header, given) as ArrayLike<number>;
    const found = await tensor.data();
    const at = firstChange(wanted, found, precision);
    if (at < 0) continue;
    const change = `element ${at} of ${label} was ${wanted[at]} and is ${found[at]} after the run`;
    throw new ProtocolError("run-failed", `the model overwrites its input: ${change}`);
  }
}

function firstChange(wanted: ArrayLike<number>, found: ArrayLike<number>, precision: 16 | 32): number {
  for (let at = 0; at < wanted.length; at++) {
    if (!isHeld(Number(wanted[at]), Number(found[at]), precision)) return at;
  }
  return -1;
}

/** Whether a tensor that was given `one` may hold `other`, up to the rounding of its texture. */
function isHeld(one: number, other: number, precision: 16 | 32): boolean {
  if (one === other || (Number.isNaN(one) && Number.isNaN(other))) return true;
  if (precision === 16 && Math.abs(one) > LARGEST_FLOAT16) return true;
  const [relative, absolute] = ROUNDING[precision];
  return Number.isFinite(one) && Math.abs(one - other) <= relative * Math.abs(one) + absolute;
}
