/** The thread in which one Node backend runs, so that a kernel that hangs or dies takes only itself along. */

import { readFile } from "node:fs/promises";
import path from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { io } from "@tensorflow/tfjs-core";
import { type Backend, Engine } from "./engine.ts";
import type { Frame } from "./protocol.ts";
import { describeWasm } from "./wasm.ts";

const BACKENDS: Record<string, Backend> = {
  cpu: { name: "cpu", describe: async () => "JavaScript" },
  wasm: { name: "wasm", describe: describeWasm },
};

/** Hands TF.js the files of a model folder whose shard paths were checked before. */
function folderHandler(folder: string): io.IOHandler {
  const load = async (): Promise<io.ModelArtifacts> => {
    const json = JSON.parse(await readFile(path.join(folder, "model.json"), "utf8")) as io.ModelJSON;
    const { modelTopology, weightsManifest, ...rest } = json;
    const shards = weightsManifest.flatMap((group) => group.paths);
    const weightData = await Promise.all(
      shards.map(async (shard) => new Uint8Array(await readFile(path.join(folder, shard))).buffer),
    );
    return { modelTopology, weightSpecs: weightsManifest.flatMap((group) => group.weights), weightData, ...rest };
  };
  return { load };
}

const port = parentPort;
const backend = BACKENDS[String(workerData.backend)];
if (port === null || backend === undefined) throw new Error(`not a thread, or no backend ${workerData.backend}`);
setWasmPaths(`${workerData.assets}${path.sep}`);
const engine = new Engine(backend, folderHandler);
port.on("message", async (frame: Frame) => {
  const reply = await engine.serve(frame);
  port.postMessage(reply, [reply.body]);
});
