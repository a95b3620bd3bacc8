/** What the pages fetch: themselves, the wasm binaries, the models that were loaded, and their next request. */

import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { ModelFiles } from "./models.ts";

const ASSET = /^([a-z]+-page\.js|(tfjs-backend|ort)-wasm[a-z-]*\.wasm)$/;

const BUILD = "tfjs-build.js";

/** A build of TF.js stands for the packages that it is made of. */
const IMPORT_MAP = JSON.stringify({
  imports: { "@tensorflow/tfjs-core": `./${BUILD}`, "@tensorflow/tfjs-converter": `./${BUILD}` },
});

const pageFor = (bundle: string) =>
  `<!doctype html><meta charset="utf-8"><title>${bundle}</title><script type="importmap">${IMPORT_MAP}</script>` +
  `<script type="module" src="${bundle}.js"></script>`;

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
  #nextPage = 1;
  #address = "";

  /** `build` is a build of TF.js that a page may import. */
  constructor(
    private readonly assets: string,
    private readonly build?: string,
  ) {}

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

  /**
   * The address of a page that runs a bundle; `exchange` gets what it posts. No other page ever has this address: when
   * its connection is cut, Chromium posts again, and a dying page must not answer for the one that comes after it.
   */
  addPage(bundle: string, backend: string, exchange: Exchange): string {
    const name = String(this.#nextPage++);
    this.#exchanges.set(name, exchange);
    const query = new URLSearchParams({ page: name, backend });
    return `http://${this.#address}/${this.#secret}/${bundle}.html?${query}`;
  }

  removePage(address: string): void {
    this.#exchanges.delete(new URL(address).searchParams.get("page") ?? "");
  }

  /** The address of a model's entry; of its folder nothing but the model's files is served. */
  addModel({ folder, entry, others }: ModelFiles): string {
    const name = String(this.#nextModel++);
    this.#models.set(name, { folder, files: new Set([entry, ...others]) });
    return `http://${this.#address}/${this.#secret}/models/${name}/${encodeURIComponent(entry)}`;
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
    const bundle = /^([a-z]+-page)\.html$/.exec(first)?.[1];
    if (bundle !== undefined) {
      return void response.writeHead(200, { "content-type": "text/html" }).end(pageFor(bundle));
    }
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
    if (name === BUILD) return this.build;
    return ASSET.test(name) ? path.join(this.assets, name) : undefined;
  }
}

