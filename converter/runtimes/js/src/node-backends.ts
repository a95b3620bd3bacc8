/** A thread in which one TF.js backend of Node runs models of one format. */

import { readFile } from "node:fs/promises";
import path from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { io } from "@tensorflow/tfjs-core";
import type { Loaded, ModelSource } from "./loaded.ts";
import { type Backend, TfjsExecutor } from "./tfjs.ts";
import { serveThread, threadData } from "./thread.ts";
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

export function serveBackend(open: (source: ModelSource) => Promise<Loaded>): void {
  const backend = BACKENDS[threadData.backend];
  if (backend === undefined) throw new Error(`no backend ${threadData.backend}`);
  setWasmPaths(`${threadData.assets}${path.sep}`);
  serveThread(new TfjsExecutor(backend, (folder) => open(folderHandler(folder))));
}
