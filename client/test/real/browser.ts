/** A headless Chromium, and a server of folders. */

import { createReadStream, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import puppeteer, { type Browser, type HTTPRequest, type Page } from "puppeteer-core";
import { required } from "./environment.ts";

const FLAGS = [
  "--no-sandbox", // containers have none; every page is our own
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--enable-precise-memory-info",
];

export function launch(): Promise<Browser> {
  return puppeteer.launch({ executablePath: required("CHROMIUM"), args: FLAGS, headless: true, pipe: true });
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** Serves each folder below its name. */
export async function serve(folders: Readonly<Record<string, string>>): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const [name = "", ...rest] = new URL(request.url ?? "/", "http://localhost").pathname.slice(1).split("/");
    const file = path.join(folders[name] ?? "/nowhere", ...rest.map(decodeURIComponent));
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": CONTENT_TYPES[path.extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

/** Requests that wait: `first` is there when one waits, `letGo` ends it for all. */
export interface HeldBack {
  readonly first: Promise<void>;
  letGo(): Promise<void>;
}

/** Holds back requests whose address matches. */
export async function holdBack(page: Page, pattern: RegExp): Promise<HeldBack> {
  let isOpen = false;
  let arrived: (() => void) | undefined;
  const held: HTTPRequest[] = [];
  const first = new Promise<void>((resolve) => (arrived = resolve));
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (isOpen || !pattern.test(request.url())) return void request.continue();
    held.push(request);
    arrived?.();
  });
  const letGo = async () => {
    isOpen = true;
    await Promise.all(held.splice(0).map((request) => request.continue()));
  };
  return { first, letGo };
}

/** Has a page count what its heap doesn't: the memory of WebAssembly. Before it goes anywhere. */
export async function countWasmMemory(page: Page): Promise<void> {
  await page.evaluateOnNewDocument(() => {
    const memories = new Set<WebAssembly.Memory>();
    const keep = (...holders: object[]) => {
      for (const value of holders.flatMap((holder) => Object.values(holder) as unknown[])) {
        if (value instanceof WebAssembly.Memory) memories.add(value);
      }
    };
    const { instantiate, instantiateStreaming } = WebAssembly as unknown as Record<string, (...rest: never[]) => unknown>;
    const watched = (original: typeof instantiate) => async (...rest: never[]) => {
      const result = (await original?.(...rest)) as { instance?: WebAssembly.Instance };
      const instance = result.instance ?? (result as WebAssembly.Instance);
      keep(instance.exports, ...Object.values((rest[1] ?? {}) as Record<string, object>));
      return result;
    };
    Object.assign(WebAssembly, {
      instantiate: watched(instantiate),
      instantiateStreaming: watched(instantiateStreaming),
    });
    Object.assign(globalThis, {
      bytesOfWasm: () => [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
    });
  });
}
