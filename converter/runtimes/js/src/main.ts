/** The Node process that Python talks to: requests on stdin, replies on stdout, everything else on stderr. */

import { rm } from "node:fs/promises";
import path from "node:path";
import { type BrowserInfo, findBrowser } from "./browsers.ts";
import type { Chromium } from "./chromium.ts";
import { type Host, PageHost, ThreadHost } from "./hosts.ts";
import { shardsOf } from "./models.ts";
import { emptyBody, encodeFrame, errorFrame, type Frame, FrameReader, type Header, ProtocolError } from "./protocol.ts";
import { PageServer } from "./server.ts";

const ASSETS = __dirname;
const ENGINE_FILE = path.join(ASSETS, "engine.cjs");
const PACKAGE_FOLDER = path.dirname(ASSETS);
const CLOSE_DEADLINE_MS = 8_000;

interface Settings {
  readonly scratch: string;
  readonly browser: string | null;
  readonly hardware_gpu: boolean;
}

class Runtimes {
  readonly #hosts = new Map<string, Host>();
  #settings: Settings = { scratch: "", browser: null, hardware_gpu: false };
  #lastStart: Promise<unknown> = Promise.resolve();
  #chromium: Promise<Chromium> | undefined;
  #server: Promise<PageServer> | undefined;

  async answer({ header, body }: Frame): Promise<Frame> {
    switch (header.verb) {
      case "hello":
        this.#settings = header as unknown as Settings;
        return reply(header, { versions: { node: process.versions.node } });
      case "browser":
        return reply(header, { browser: (await this.#findBrowser()).found ?? null });
      case "start":
        return this.#startInTurn(header);
      case "load":
        return this.#load(header);
      case "stop":
        await this.#hosts.get(String(header.runtime))?.close();
        this.#hosts.delete(String(header.runtime));
        return reply(header, {});
      default:
        return this.#host(header).exchange({ header, body }, timeoutOf(header));
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#hosts.values()].map((host) => host.close()));
    await this.#chromium?.then((chromium) => chromium.close()).catch(() => undefined);
    (await this.#server)?.close();
    if (this.#settings.scratch !== "") await rm(this.#settings.scratch, { recursive: true, force: true, maxRetries: 5 });
  }

  #findBrowser(): Promise<{ found?: BrowserInfo; broken: string[] }> {
    return findBrowser(this.#settings.browser, PACKAGE_FOLDER);
  }

  #host(header: Header): Host {
    const host = this.#hosts.get(String(header.runtime));
    if (host === undefined) throw new ProtocolError("not-started", `${header.runtime} was not started`);
    return host;
  }

  /** Starts never overlap: they share the browser, which must be launched once. */
  #startInTurn(header: Header): Promise<Frame> {
    const start = this.#lastStart.then(() => this.#start(header));
    this.#lastStart = start.catch(() => undefined);
    return start;
  }

  async #start(header: Header): Promise<Frame> {
    const runtime = String(header.runtime);
    const [, backend, place] = /^tfjs-(\w+)@(node|chromium)$/.exec(runtime) ?? [];
    if (backend === undefined) throw new ProtocolError("bad-request", `no such runtime: ${runtime}`);
    if (!this.#hosts.get(runtime)?.isAlive) {
      this.#hosts.set(runtime, place === "node" ? this.#newThread(runtime, backend) : await this.#newPage(header, backend));
    }
    const started = await this.#host(header).exchange({ header, body: emptyBody() }, timeoutOf(header));
    if (started.header.error !== undefined) return started;
    const chromium = await this.#chromium?.catch(() => undefined);
    const placeVersion = place === "node" ? process.versions.node : chromium?.version;
    const versions = { ...(started.header.versions as object), [String(place)]: placeVersion };
    return { header: { ...started.header, versions, browser_pid: chromium?.pid }, body: emptyBody() };
  }

  #newThread(runtime: string, backend: string): Host {
    return new ThreadHost(runtime, ENGINE_FILE, { backend, assets: ASSETS });
  }

  async #newPage(header: Header, backend: string): Promise<Host> {
    const chromium = await this.#startChromium(timeoutOf(header));
    const host = new PageHost(String(header.runtime), await this.#startServer());
    await host.open(backend, (address, onDeath) => chromium.newTab(address, onDeath));
    return host;
  }

  async #startChromium(timeoutMs: number): Promise<Chromium> {
    if (!(await this.#chromium?.catch(() => undefined))?.isConnected) {
      this.#chromium = this.#launchChromium(timeoutMs);
    }
    return this.#chromium as Promise<Chromium>;
  }

  async #launchChromium(timeoutMs: number): Promise<Chromium> {
    const { found, broken } = await this.#findBrowser();
    if (found === undefined) {
      const why = ["no Chrome or Chromium that starts was found on this machine", ...broken].join("; ");
      throw new ProtocolError("cannot-start", why);
    }
    const { Chromium } = await import("./chromium.ts");
    const { scratch, hardware_gpu: useHardwareGpu } = this.#settings;
    return Chromium.launch(found, { scratch, useHardwareGpu, timeoutMs });
  }

  #startServer(): Promise<PageServer> {
    this.#server ??= (async () => {
      const server = new PageServer(ASSETS);
      await server.start();
      return server;
    })();
    return this.#server;
  }

  async #load(header: Header): Promise<Frame> {
    const host = this.#host(header);
    const folder = String(header.model);
    const shards = await shardsOf(folder);
    if (host instanceof ThreadHost) return this.#loadFrom(host, header, folder);
    const server = await this.#startServer();
    const address = server.addModel(folder, shards);
    try {
      return await this.#loadFrom(host, header, address);
    } finally {
      server.removeModel(address);
    }
  }

  #loadFrom(host: Host, header: Header, source: string): Promise<Frame> {
    return host.exchange({ header: { ...header, source }, body: emptyBody() }, timeoutOf(header));
  }
}

function reply(request: Header, fields: Record<string, unknown>): Frame {
  return { header: { ...fields, id: request.id, verb: request.verb }, body: emptyBody() };
}

function timeoutOf(header: Header): number {
  const timeout = Number(header.timeout_ms);
  if (!(timeout > 0)) throw new ProtocolError("bad-request", `${header.verb} needs a timeout_ms`);
  return timeout;
}

function send(frame: Frame): void {
  for (const part of encodeFrame(frame)) process.stdout.write(part);
}

const runtimes = new Runtimes();
let isClosing = false;

async function close(exitCode: number): Promise<void> {
  if (isClosing) return;
  isClosing = true;
  setTimeout(() => process.exit(1), CLOSE_DEADLINE_MS).unref();
  await runtimes.close();
  process.exit(exitCode);
}

const reader = new FrameReader((frame) => {
  runtimes.answer(frame).then(send, (error: unknown) => send(errorFrame(frame.header, error, "bad-request")));
});

console.log = console.info = console.debug = console.error;
process.on("SIGINT", () => undefined); // Ctrl-C reaches the whole group; Python decides, and closes stdin
process.on("SIGTERM", () => void close(143));
process.stdout.on("error", () => void close(1)); // Python is gone
process.stdin.on("data", (chunk: Buffer) => reader.push(chunk));
process.stdin.on("end", () => void close(0)).on("error", () => void close(0));
