/** ONNX models on ONNX Runtime's WebAssembly build: one thread, so that sums repeat exactly. */

import * as ort from "onnxruntime-web/wasm";
import type { Executor, Model, Reply } from "./engine.ts";
import { isElementType, packTensors, ProtocolError, type TensorHeader, valuesOf } from "./protocol.ts";

/** y = x + x in opset 18, as the bytes of an ONNX file. */
const DOUBLING_MODEL = "CAo6OAoQCgF4CgF4EgF5IgNBZGQ6ABICZzBaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAS";

export class OrtExecutor implements Executor {
  constructor(
    private readonly readBinary: () => Promise<ArrayBuffer>,
    private readonly open: (source: string) => Promise<Uint8Array>,
  ) {}

  async start(): Promise<Reply> {
    if (ort.env.wasm.wasmBinary === undefined) {
      ort.env.logLevel = "error";
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmBinary = await this.readBinary();
    }
    await proveItComputes();
    return { versions: { "onnxruntime-web": ort.env.versions.web }, device: "WebAssembly, SIMD, 1 thread" };
  }

  async load(source: string): Promise<Model> {
    return new OrtModel(await ort.InferenceSession.create(await this.open(source)));
  }
}

class OrtModel implements Model {
  readonly description: Reply;

  constructor(private readonly session: ort.InferenceSession) {
    this.description = { inputs: session.inputMetadata.map(slotOf), outputs: session.outputMetadata.map(slotOf) };
  }

  async run(tensors: readonly TensorHeader[], body: ArrayBuffer): Promise<Reply> {
    const began = performance.now();
    const inputs = Object.fromEntries(tensors.map((header) => [header.name, tensorOf(header, body)]));
    const outputs = await this.session.run(inputs);
    const predict_ms = performance.now() - began;
    return { predict_ms, ...packTensors(this.session.outputNames.map((name) => packable(name, outputs[name]))) };
  }

  /** ONNX Runtime counts no tensors, and tells nothing of its memory. */
  async bench(tensors: readonly TensorHeader[], body: ArrayBuffer, nRuns: number): Promise<Reply> {
    const predict_ms: number[] = [];
    for (let run = 0; run < nRuns; run++) predict_ms.push((await this.run(tensors, body)).predict_ms as number);
    return { predict_ms, n_tensors: [], peak_bytes: null, heap_bytes: null, wasm_bytes: null };
  }

  dispose(): Promise<void> {
    return this.session.release();
  }
}

function slotOf(metadata: ort.InferenceSession.ValueMetadata): { name: string; dtype: string; shape: unknown } {
  if (!metadata.isTensor) {
    throw new ProtocolError("load-failed", `${metadata.name} is no tensor, which can't be handed over`);
  }
  return { name: metadata.name, dtype: metadata.type, shape: metadata.shape };
}

function tensorOf(header: TensorHeader, body: ArrayBuffer): ort.Tensor {
  return new ort.Tensor(header.dtype, valuesOf(header, body) as Float32Array, header.shape);
}

function packable(name: string, tensor: ort.Tensor | undefined) {
  if (tensor === undefined || !isElementType(tensor.type) || !ArrayBuffer.isView(tensor.data)) {
    throw new ProtocolError("run-failed", `the output ${name} of type ${tensor?.type} can't leave the runtime`);
  }
  return { name, dtype: tensor.type, shape: tensor.dims, values: tensor.data };
}

/** WebAssembly can compile and still not run: one sum, read back. */
async function proveItComputes(): Promise<void> {
  const model = Uint8Array.from(atob(DOUBLING_MODEL), (character) => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(model);
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", [21], [1]) });
    if (y?.data[0] !== 42) throw new ProtocolError("no-backend", `ONNX Runtime says 21 + 21 = ${y?.data[0]}`);
  } finally {
    await session.release();
  }
}
