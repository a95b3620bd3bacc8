/** Models in React components. */

import { useEffect, useSyncExternalStore } from "react";
import type { FeatureModel } from "./model.ts";
import type { Progress } from "./fetching.ts";

/** A model as a component sees it. */
export interface UsedModel<Features extends object> {
  readonly isLoading: boolean;
  readonly isLoaded: boolean;
  readonly progress: Progress | undefined;
  /** Why the last attempt to load failed; `load()` tries again. */
  readonly error: unknown;
  load(): Promise<void>;
  predict(features: Readonly<Features>): Promise<number>;
}

/**
 * The state of a model, which lives outside of the components: any number of them shares one load.
 *
 * It loads when `load` or `predict` is called, or with `autoLoad` when the component is mounted.
 */
export function useModel<Features extends object>(
  model: FeatureModel<Features>,
  { autoLoad = false }: { readonly autoLoad?: boolean } = {},
): UsedModel<Features> {
  const { status, progress, error } = useSyncExternalStore(model.subscribe, model.state, model.state);
  useEffect(() => {
    if (autoLoad) model.load().catch(() => undefined); // the state says what went wrong
  }, [model, autoLoad]);
  return {
    isLoading: status === "loading",
    isLoaded: status === "loaded",
    progress,
    error,
    load: model.load,
    predict: model.predict,
  };
}
