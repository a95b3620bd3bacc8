/** A page in which one TF.js backend of a browser runs models of one format. */

import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { MathBackendWebGL } from "@tensorflow/tfjs-backend-webgl";
import "@tensorflow/tfjs-backend-webgl";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import type { Loaded, ModelSource } from "./loaded.ts";
import { backendName, servePage } from "./page.ts";
import { type Backend, TfjsExecutor } from "./tfjs.ts";
import { describeWasm } from "./wasm.ts";

function gl(): WebGLRenderingContext {
  return (tf.backend() as MathBackendWebGL).gpgpu.gl;
}

async function describeWebGL(): Promise<string> {
  const names = gl().getExtension("WEBGL_debug_renderer_info");
  const renderer = String(gl().getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl().RENDERER));
  return tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED") ? renderer : `${renderer}, float16 textures`;
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

const WEBGL: Backend = { name: "webgl", describe: describeWebGL, watch: watchWebGL };

const BACKENDS: Record<string, Backend> = {
  cpu: { name: "cpu", describe: async () => "JavaScript" },
  wasm: { name: "wasm", describe: describeWasm },
  webgl: WEBGL,
  "webgl-f16": { ...WEBGL, prepare: () => tf.env().set("WEBGL_FORCE_F16_TEXTURES", true) },
  webgpu: { name: "webgpu", describe: describeWebGPU, watch: watchWebGPU },
};

/**
 * Each file is read as soon as it comes: TF.js reads the first only when it has an answer for every one, and a browser
 * asks a server for six files at a time, so that seven large ones would wait for each other.
 */
async function fetchWhole(...request: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...request);
  return new Response(await response.arrayBuffer(), response);
}

export function serveBackend(open: (source: ModelSource) => Promise<Loaded>): Promise<never> {
  const backend = BACKENDS[backendName];
  if (backend === undefined) throw new Error(`no backend ${backendName}`);
  setWasmPaths(new URL("./", location.href).href);
  const openWhole = (source: ModelSource) =>
    open(typeof source === "string" ? tf.io.http(source, { fetchFunc: fetchWhole }) : source);
  return servePage(new TfjsExecutor(backend, openWhole));
}
