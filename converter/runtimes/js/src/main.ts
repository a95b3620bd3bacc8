/** The Node process that Python talks to: requests on stdin, replies on stdout, everything else on stderr. */

import { rm } from "node:fs/promises";
import path from "node:path";
import { type BrowserInfo, type BrowserKind, findBrowser } from "./browsers.ts";
import type { DrivenBrowser } from "./driven.ts";
import { type Host, PageHost, ThreadHost } from "./hosts.ts";
import { filesOfModel } from "./models.ts";
import { emptyBody, encodeFrame, errorFrame, type Frame, FrameReader, type Header, ProtocolError } from "./protocol.ts";
import { PageServer } from "./server.ts";
import { wireSize } from "./wire.ts";

const ASSETS = __dirname;
const PACKAGE_FOLDER = path.dirname(ASSETS);
const CLOSE_DEADLINE_MS = 8_000;

const BROWSER_NAMES: Record<BrowserKind, string> = { chromium: "Chrome or Chromium", firefox: "Firefox" };

/** What a runtime's name says: what executes which format, and where. */
interface Parts {
  readonly format: "onnx" | "tfjs";
  /** What bundles of dist/ begin with. */
  readonly library: "ort" | "tfjs" | "layers" | "bundle";
  readonly backend: string;
  readonly place: "node" | BrowserKind;
}

interface Settings {
  readonly scratch: string;
  readonly browser: string | null;
  readonly hardware_gpu: boolean;
}

class Runtimes {
  readonly #hosts = new Map<string, Host>();
  #settings: Settings = { scratch: "", browser: null, hardware_gpu: false };
  #lastStart: Promise<unknown> = Promise.resolve();
  readonly #browsers = new Map<BrowserKind, Promise<DrivenBrowser>>();

  async answer({ header, body }: Frame): Promise<Frame> {
    switch (header.verb) {
      case "hello":
        this.#settings = header as unknown as Settings;
        return reply(header, { versions: { node: process.versions.node } });
      case "browser":
        return reply(header, { browser: (await this.#findBrowser(header.kind as BrowserKind)).found ?? null });
      case "wire":
        return reply(header, { sizes: await Promise.all((header.files as string[]).map(wireSize)) });
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
    await Promise.allSettled([...this.#browsers.values()].map(async (browser) => (await browser).close()));
    if (this.#settings.scratch !== "") await rm(this.#settings.scratch, { recursive: true, force: true, maxRetries: 5 });
  }

  #findBrowser(kind: BrowserKind): Promise<{ found?: BrowserInfo; broken: string[] }> {
    return findBrowser(kind, kind === "chromium" ? this.#settings.browser : null, PACKAGE_FOLDER);
  }

  #host(header: Header): Host {
    const host = this.#hosts.get(String(header.runtime));
    if (host === undefined) throw new ProtocolError("not-started", `${header.runtime} was not started`);
    return host;
  }

  /** Starts never overlap: they share the browsers, each of which must be launched once. */
  #startInTurn(header: Header): Promise<Frame> {
    const start = this.#lastStart.then(() => this.#start(header));
    this.#lastStart = start.catch(() => undefined);
    return start;
  }

  async #start(header: Header): Promise<Frame> {
    const runtime = String(header.runtime);
    const parts = partsOf(runtime);
    if (!this.#hosts.get(runtime)?.isAlive) {
      this.#hosts.set(runtime, parts.place === "node" ? newThread(runtime, parts) : await this.#newPage(header, parts));
    }
    const started = await this.#host(header).exchange({ header, body: emptyBody() }, timeoutOf(header));
    if (started.header.error !== undefined) return started;
    const browser = parts.place === "node" ? undefined : await this.#browsers.get(parts.place);
    const versions = { ...(started.header.versions as object), [parts.place]: browser?.version ?? process.versions.node };
    return { header: { ...started.header, versions, browser_pid: browser?.pid }, body: emptyBody() };
  }

  async #newPage(header: Header, { library, backend, place }: Parts): Promise<Host> {
    const browser = await this.#startBrowser(place as BrowserKind, timeoutOf(header));
    const server = new PageServer(ASSETS, header.bundle === undefined ? undefined : String(header.bundle));
    await server.start();
    const host = new PageHost(String(header.runtime), server);
    await host.open(`${library}-page`, backend, (address, onDeath) => browser.newTab(address, onDeath));
    return host;
  }

  async #startBrowser(kind: BrowserKind, timeoutMs: number): Promise<DrivenBrowser> {
    const running = await this.#browsers.get(kind)?.catch(() => undefined);
    if (running?.isConnected) return running;
    const launched = this.#launch(kind, timeoutMs);
    this.#browsers.set(kind, launched);
    return launched;
  }

  async #launch(kind: BrowserKind, timeoutMs: number): Promise<DrivenBrowser> {
    const { found, broken } = await this.#findBrowser(kind);
    if (found === undefined) {
      const why = [`no ${BROWSER_NAMES[kind]} that starts was found on this machine`, ...broken].join("; ");
      throw new ProtocolError("cannot-start", why);
    }
    const { DrivenBrowser } = await import("./driven.ts");
    const { scratch, hardware_gpu: useHardwareGpu } = this.#settings;
    return DrivenBrowser.launch(kind, found, { scratch, useHardwareGpu, timeoutMs });
  }

  async #load(header: Header): Promise<Frame> {
    const host = this.#host(header);
    const place = String(header.model);
    const { format } = partsOf(host.runtime);
    const files = await filesOfModel(place, format);
    if (!(host instanceof PageHost)) return this.#loadFrom(host, header, place);
    const address = host.server.addModel(files);
    try {
      return await this.#loadFrom(host, header, address);
    } finally {
      host.server.removeModel(address);
    }
  }

  #loadFrom(host: Host, header: Header, source: string): Promise<Frame> {
    return host.exchange({ header: { ...header, source }, body: emptyBody() }, timeoutOf(header));
  }
}

function partsOf(runtime: string): Parts {
  const [, name, kind, backend = "wasm", place] =
    /^(onnxruntime-web|tfjs-(?:(layers|bundle)-)?([\w-]+))@(node|chromium|firefox)$/.exec(runtime) ?? [];
  if (name === undefined) throw new ProtocolError("bad-request", `no such runtime: ${runtime}`);
  const format = name === "onnxruntime-web" ? "onnx" : "tfjs";
  const library = format === "onnx" ? "ort" : ((kind ?? "tfjs") as Parts["library"]);
  return { format, library, backend, place: place as Parts["place"] };
}

function newThread(runtime: string, { library, backend }: Parts): Host {
  const bundle = library === "ort" ? "ort-thread.mjs" : `${library}-thread.cjs`;
  return new ThreadHost(runtime, path.join(ASSETS, bundle), { backend, assets: ASSETS });
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
process.stderr.on("error", () => undefined); // and nobody reads what pages and threads say while they are closed
process.stdin.on("data", (chunk: Buffer) => reader.push(chunk));
process.stdin.on("end", () => void close(0)).on("error", () => void close(0));
