/** The page that runs graph models on a TF.js backend of a browser. */

import { openGraphModel } from "./graph-model.ts";
import { serveBackend } from "./page-backends.ts";

await serveBackend(openGraphModel);
