/** What the pages fetch: themselves, the wasm binaries, the models that were loaded, and their next request. */

import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";

const PAGE = '<!doctype html><meta charset="utf-8"><title>TF.js</title><script type="module" src="page.js"></script>';

const CONTENT_TYPES: Record<string, string> = {
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Takes the answer that a page posts, and settles the response when there is a next request for it. */
export type Exchange = (answer: Uint8Array, response: ServerResponse) => void;

/** Listens on the loopback interface only; every path begins with a secret that only our own pages know. */
export class PageServer {
  readonly #models = new Map<string, { folder: string; files: Set<string> }>();
  readonly #exchanges = new Map<string, Exchange>();
  readonly #secret = randomBytes(16).toString("hex");
  #server: Server | undefined;
  #nextModel = 1;
  #address = "";

  constructor(private readonly assets: string) {}

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    this.#server = server;
    this.#address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** The page's address; `exchange` gets what it posts. */
  addPage(name: string, backend: string, exchange: Exchange): string {
    this.#exchanges.set(name, exchange);
    const query = new URLSearchParams({ page: name, backend });
    return `http://${this.#address}/${this.#secret}/page.html?${query}`;
  }

  removePage(name: string): void {
    this.#exchanges.delete(name);
  }

  /** The address of the model.json of a folder, of which nothing but that and `shards` is served. */
  addModel(folder: string, shards: readonly string[]): string {
    const name = String(this.#nextModel++);
    this.#models.set(name, { folder, files: new Set(["model.json", ...shards]) });
    return `http://${this.#address}/${this.#secret}/models/${name}/model.json`;
  }

  removeModel(address: string): void {
    this.#models.delete(address.split("/").at(-2) ?? "");
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", `http://${this.#address}`);
    const [secret, first = "", second = "", ...rest] = pathname.slice(1).split("/").map(decodeURIComponent);
    if (request.headers.host !== this.#address || secret !== this.#secret) return void response.writeHead(404).end();
    if (request.method === "POST" && first === "exchange") return this.#exchange(second, request, response);
    if (first === "page.html") return void response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
    const file = first === "models" ? this.#modelFile(second, rest.join("/")) : this.#asset(first);
    if (file === undefined) return void response.writeHead(404).end();
    const contentType = CONTENT_TYPES[path.extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": contentType, "cache-control": "no-store" });
    await pipeline(createReadStream(file), response);
  }

  async #exchange(page: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = this.#exchanges.get(page);
    if (exchange === undefined) return void response.writeHead(404).end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    exchange(Buffer.concat(chunks), response);
  }

  #modelFile(model: string, file: string): string | undefined {
    const served = this.#models.get(model);
    return served?.files.has(file) ? path.join(served.folder, file) : undefined;
  }

  #asset(name: string): string | undefined {
    return name === "page.js" || /^tfjs-backend-wasm[a-z-]*\.wasm$/.test(name) ? path.join(this.assets, name) : undefined;
  }
}

