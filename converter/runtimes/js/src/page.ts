/** The loop of a page: it asks the Node process for requests and answers them. */

import { Engine, type Executor } from "./engine.ts";
import { decodeFrame, encodeFrame } from "./protocol.ts";

const query = new URLSearchParams(location.search);

/** Which of its backends the page is to run. */
export const backendName = query.get("backend") ?? "";

/** One POST per request: it carries the last answer there and brings the next request back. */
export async function servePage(executor: Executor): Promise<never> {
  const engine = new Engine(executor);
  let answer = new Uint8Array(0);
  for (;;) {
    const response = await fetch(`exchange/${query.get("page")}`, { method: "POST", body: answer });
    if (!response.ok) throw new Error(`the Node process answers ${response.status}`);
    const reply = await engine.serve(decodeFrame(new Uint8Array(await response.arrayBuffer())));
    answer = joined(encodeFrame(reply));
  }
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.byteLength;
  }
  return whole;
}
