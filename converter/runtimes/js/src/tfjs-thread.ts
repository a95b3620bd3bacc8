/** The thread that runs graph models on a TF.js backend of Node. */

import { openGraphModel } from "./graph-model.ts";
import { serveBackend } from "./node-backends.ts";

serveBackend(openGraphModel);
