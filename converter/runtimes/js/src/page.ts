/** The page: asks the Node process for requests and answers them with one backend. */

import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { MathBackendWebGL } from "@tensorflow/tfjs-backend-webgl";
import "@tensorflow/tfjs-backend-webgl";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { type Backend, Engine } from "./engine.ts";
import { decodeFrame, encodeFrame } from "./protocol.ts";
import { describeWasm } from "./wasm.ts";

function gl(): WebGLRenderingContext {
  return (tf.backend() as MathBackendWebGL).gpgpu.gl;
}

async function describeWebGL(): Promise<string> {
  const names = gl().getExtension("WEBGL_debug_renderer_info");
  return String(gl().getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl().RENDERER));
}

function watchWebGL(): () => Promise<string | undefined> {
  return async () => (gl().isContextLost() ? "the WebGL context is lost" : undefined);
}

function device(): GPUDevice {
  return (tf.backend() as WebGPUBackend).device;
}

async function describeWebGPU(): Promise<string> {
  const { vendor, architecture, device: model, description } = device().adapterInfo;
  return [vendor, architecture, model, description].filter(Boolean).join(" ");
}

/** WebGPU reports what it refuses to the device, not to the caller, and computes nothing from there on. */
function watchWebGPU(): () => Promise<string | undefined> {
  const kinds = ["validation", "out-of-memory", "internal"] as const;
  for (const kind of kinds) device().pushErrorScope(kind);
  return async () => {
    const errors = await Promise.all(kinds.map(() => device().popErrorScope()));
    return errors.find((error) => error !== null)?.message;
  };
}

const BACKENDS: Record<string, Backend> = {
  cpu: { name: "cpu", describe: async () => "JavaScript" },
  wasm: { name: "wasm", describe: describeWasm },
  webgl: { name: "webgl", describe: describeWebGL, watch: watchWebGL },
  webgpu: { name: "webgpu", describe: describeWebGPU, watch: watchWebGPU },
};

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.byteLength;
  }
  return whole;
}

/** One POST per request: it carries the last answer there and brings the next request back. */
async function serveForever(engine: Engine, address: string): Promise<never> {
  let answer = new Uint8Array(0);
  for (;;) {
    const response = await fetch(address, { method: "POST", body: answer });
    if (!response.ok) throw new Error(`the Node process answers ${response.status}`);
    const reply = await engine.serve(decodeFrame(new Uint8Array(await response.arrayBuffer())));
    answer = joined(encodeFrame(reply));
  }
}

const query = new URLSearchParams(location.search);
const backend = BACKENDS[query.get("backend") ?? ""];
if (backend === undefined) throw new Error(`no backend ${query.get("backend")}`);
setWasmPaths(new URL("./", location.href).href);
await serveForever(new Engine(backend, (source) => source), `exchange/${query.get("page")}`);
