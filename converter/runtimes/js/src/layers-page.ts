/** The page that runs Layers models on a TF.js backend of a browser. */

import { openLayersModel } from "./layers-model.ts";
import { serveBackend } from "./page-backends.ts";

await serveBackend(openLayersModel);
