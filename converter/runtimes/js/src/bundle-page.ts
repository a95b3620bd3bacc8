/** The page that runs graph models on a build of TF.js for one graph: its import map says which one that is. */

import * as build from "@tensorflow/tfjs-core";
import { openGraphModel } from "./graph-model.ts";
import { backendName, servePage } from "./page.ts";
import { TfjsExecutor } from "./tfjs.ts";

(build as { setWasmPaths?: (folder: string) => void }).setWasmPaths?.(new URL("./", location.href).href);
const backend = { name: backendName, hasAllKernels: false, describe: async () => `${backendName}, a build for this graph` };
await servePage(new TfjsExecutor(backend, openGraphModel));
