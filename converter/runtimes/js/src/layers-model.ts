/** TF.js Layers models, as `tf.loadLayersModel` reads them. */

import { loadLayersModel } from "@tensorflow/tfjs-layers";
import type { Loaded, Metadata, ModelSource } from "./loaded.ts";

export async function openLayersModel(source: ModelSource): Promise<Loaded> {
  const model = await loadLayersModel(source);
  const metadata = (model.getUserDefinedMetadata() ?? {}) as Metadata;
  const names = metadata.inputs?.map(({ name }) => name) ?? model.inputNames;
  return {
    description: { metadata },
    outputs: metadata.outputs?.map(({ name }) => name) ?? model.outputNames,
    predict: async (inputs) => {
      const result = model.predict(names.flatMap((name) => inputs[name] ?? []));
      return Array.isArray(result) ? result : [result];
    },
    dispose: () => void model.dispose(),
  };
}
