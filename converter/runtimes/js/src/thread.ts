/** The loop of a thread: so that a kernel that hangs or dies takes only itself along. */

import { parentPort, workerData } from "node:worker_threads";
import { Engine, type Executor } from "./engine.ts";
import type { Frame } from "./protocol.ts";

export interface ThreadData {
  readonly backend: string;
  /** The folder of the bundles. */
  readonly assets: string;
}

export const threadData = workerData as ThreadData;

export function serveThread(executor: Executor): void {
  const port = parentPort;
  if (port === null) throw new Error("not a thread");
  const engine = new Engine(executor);
  port.on("message", async (frame: Frame) => {
    const reply = await engine.serve(frame);
    port.postMessage(reply, [reply.body]);
  });
}
