/** What Python, the Node process and the page say to each other: frames of a JSON header and a binary body. */

/** The array that views the bytes of each element type; bool takes a byte, float16 the two of a half. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;
export type ElementType = keyof typeof ARRAYS;
export type Values<T extends ElementType = ElementType> = InstanceType<(typeof ARRAYS)[T]>;

export interface TensorHeader {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Where the values begin in the body, a multiple of 8. */
  readonly offset: number;
  readonly size_bytes: number;
}

export type ErrorCode =
  | "cannot-start" // the place to run in is missing or broken on this machine
  | "no-backend" // the place is there, and the backend doesn't work in it
  | "not-started" // nobody started it, or it was stopped
  | "died" // it started, and went away
  | "timeout"
  | "bad-model" // refused before TF.js saw it
  | "load-failed"
  | "run-failed"
  | "bad-request";

export interface Header {
  readonly id: number;
  readonly verb: string;
  readonly tensors?: readonly TensorHeader[];
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly [field: string]: unknown;
}

export interface Frame {
  readonly header: Header;
  readonly body: ArrayBuffer;
}

/** An error that travels: its code decides what Python raises. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A new one each time: a body is transferred between threads, which empties it for good. */
export const emptyBody = (): ArrayBuffer => new ArrayBuffer(0);

export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return String(error);
}

/** The reply that carries an error; `fallback` is the code of one that carries none itself. */
export function errorFrame(request: Header, error: unknown, fallback: ErrorCode): Frame {
  const code = error instanceof ProtocolError ? error.code : fallback;
  return { header: { id: request.id, verb: request.verb, error: { code, message: messageOf(error) } }, body: emptyBody() };
}

/** u32 little-endian length of the header, the header as JSON with `body_bytes` in it, the body. */
export function encodeFrame({ header, body }: Frame): Uint8Array<ArrayBuffer>[] {
  const json = new TextEncoder().encode(JSON.stringify({ ...header, body_bytes: body.byteLength }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.byteLength, true);
  return [length, json, new Uint8Array(body)];
}

/** Cuts frames out of a stream of chunks that know nothing of frames. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #available = 0;
  #header: (Header & { body_bytes: number }) | undefined;
  #headerBytes: number | undefined;

  constructor(private readonly onFrame: (frame: Frame) => void) {}

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#available += chunk.byteLength;
    while (this.#step());
  }

  #step(): boolean {
    if (this.#headerBytes === undefined) {
      if (this.#available < 4) return false;
      this.#headerBytes = new DataView(this.#take(4)).getUint32(0, true);
    }
    if (this.#header === undefined) {
      if (this.#available < this.#headerBytes) return false;
      this.#header = JSON.parse(new TextDecoder().decode(this.#take(this.#headerBytes)));
    }
    const header = this.#header;
    if (header === undefined || this.#available < header.body_bytes) return false;
    const body = this.#take(header.body_bytes);
    this.#header = this.#headerBytes = undefined;
    this.onFrame({ header, body });
    return true;
  }

  #take(size: number): ArrayBuffer {
    const taken = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) throw new RangeError("fewer bytes than were counted");
      const part = chunk.subarray(0, size - filled);
      taken.set(part, filled);
      filled += part.byteLength;
      if (part.byteLength === chunk.byteLength) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.byteLength);
    }
    this.#available -= size;
    return taken.buffer;
  }
}

/** The one frame that a whole message holds. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const frames: Frame[] = [];
  new FrameReader((frame) => frames.push(frame)).push(bytes);
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) throw new ProtocolError("bad-request", "not one whole frame");
  return frame;
}

export function isElementType(name: string): name is ElementType {
  return Object.hasOwn(ARRAYS, name);
}

/** The values of one tensor of a frame, without a copy. */
export function valuesOf({ dtype, offset, size_bytes }: TensorHeader, body: ArrayBuffer): Values {
  const type = ARRAYS[dtype];
  return new type(body, offset, size_bytes / type.BYTES_PER_ELEMENT);
}

/** Lays tensors out one behind the other, each at a multiple of 8 bytes. */
export function packTensors(
  tensors: readonly { name: string; dtype: ElementType; shape: readonly number[]; values: ArrayBufferView }[],
): { tensors: TensorHeader[]; body: ArrayBuffer } {
  const headers: TensorHeader[] = [];
  let end = 0;
  for (const { name, dtype, shape, values } of tensors) {
    headers.push({ name, dtype, shape, offset: end, size_bytes: values.byteLength });
    end += Math.ceil(values.byteLength / 8) * 8;
  }
  const body = new Uint8Array(end);
  tensors.forEach(({ values }, i) => {
    body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), headers[i]?.offset);
  });
  return { tensors: headers, body: body.buffer };
}
