// @vitest-environment happy-dom

import { act, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScoringModel } from "../src/index.ts";
import { useModel, type UsedModel } from "../src/react.ts";
import { Server, URL_OF_ARTIFACT } from "./artifacts.ts";

type Likes = Record<"given" | "received", number>;

let root: Root;
let seen: UsedModel<Likes>;
let page: HTMLElement;
let model: ScoringModel<Likes> | undefined;

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  page = document.createElement("main");
  root = createRoot(page);
});

afterEach(async () => {
  await act(async () => root.unmount());
  model?.dispose();
});

function Status({ model, autoLoad }: { readonly model: ScoringModel<Likes>; readonly autoLoad: boolean }) {
  seen = useModel(model, { autoLoad });
  return <p>{seen.isLoading ? "spinner" : seen.isLoaded ? "ready" : seen.error ? "failed" : "idle"}</p>;
}

function modelOf(server: Server): ScoringModel<Likes> {
  model = new ScoringModel(URL_OF_ARTIFACT, { backend: "cpu", fetch: server.fetch });
  return model;
}

function show(model: ScoringModel<Likes>, { autoLoad = false, copies = 1 } = {}): Promise<void> {
  const all = Array.from({ length: copies }, (_, i) => <Status key={i} model={model} autoLoad={autoLoad} />);
  return act(async () => root.render(<StrictMode>{all}</StrictMode>));
}

test("is lazy, and shows the spinner while it loads", async () => {
  const server = new Server();
  const model = modelOf(server);
  await show(model);
  expect(page.textContent).toBe("idle");
  expect(server.requests).toEqual([]);
  let open: (() => void) | undefined;
  server.gate = new Promise((resolve) => (open = resolve));
  let loading: Promise<void> | undefined;
  await act(async () => void (loading = seen.load()));
  expect(page.textContent).toBe("spinner");
  open?.();
  await act(async () => loading);
  expect(page.textContent).toBe("ready");
  expect(seen.progress?.loaded_bytes).toBe(seen.progress?.total_bytes);
  expect(await seen.predict({ given: 1, received: 1 })).toBe(0.75);
});

test("any number of components shares one load, under StrictMode too", async () => {
  const server = new Server();
  const model = modelOf(server);
  await show(model, { autoLoad: true, copies: 3 });
  await act(() => model.load());
  expect(page.textContent).toBe("readyreadyready");
  expect(server.requests).toHaveLength(3);
});

test("a failure is shown, and load tries again", async () => {
  const server = new Server();
  const model = modelOf(server);
  server.isDown = true;
  await show(model, { autoLoad: true });
  await act(() => model.load().catch(() => undefined));
  expect(page.textContent).toBe("failed");
  expect(seen.error).toMatchObject({ code: "unreachable" });
  server.isDown = false;
  await act(() => seen.load());
  expect(page.textContent).toBe("ready");
  expect(seen.error).toBeUndefined();
});

test("a component that is gone while it loads leaves nothing behind", async () => {
  const server = new Server();
  const model = modelOf(server);
  await show(model, { autoLoad: true });
  await act(async () => root.render(null));
  await model.load();
  expect(page.textContent).toBe("");
  await show(model);
  expect(page.textContent).toBe("ready");
});
