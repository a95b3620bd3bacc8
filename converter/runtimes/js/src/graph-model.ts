/** TF.js graph models, as `tf.loadGraphModel` reads them. */

import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import type { Loaded, Metadata, ModelSource } from "./loaded.ts";

export async function openGraphModel(source: ModelSource): Promise<Loaded> {
  const model = await loadGraphModel(source);
  for (const weight of Object.values(model.weights).flat()) tf.keep(weight);
  const metadata = (model.metadata ?? {}) as Metadata;
  const signature = model.modelSignature as { outputs?: Record<string, unknown> } | undefined;
  const outputs = metadata.outputs?.map(({ name }) => name) ?? Object.keys(signature?.outputs ?? {});
  return {
    description: { signature, metadata: model.metadata },
    outputs,
    predict: async (inputs) => {
      const result = metadata.async === true ? await model.executeAsync(inputs, outputs) : model.execute(inputs, outputs);
      return Array.isArray(result) ? result : [result];
    },
    dispose: () => model.dispose(),
  };
}
