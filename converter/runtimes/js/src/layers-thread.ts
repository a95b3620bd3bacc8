/** The thread that runs Layers models on a TF.js backend of Node. */

import { openLayersModel } from "./layers-model.ts";
import { serveBackend } from "./node-backends.ts";

serveBackend(openLayersModel);
