/** Where an engine lives: a thread of this process, or a page of the browser. One request at a time each. */

import type { ServerResponse } from "node:http";
import { Worker } from "node:worker_threads";
import { decodeFrame, encodeFrame, type Frame, messageOf, ProtocolError } from "./protocol.ts";
import type { PageServer } from "./server.ts";
import type { ThreadData } from "./thread.ts";

interface Waiting {
  readonly request: Frame;
  readonly resolve: (reply: Frame) => void;
  readonly reject: (error: ProtocolError) => void;
}

export abstract class Host {
  readonly #queue: Waiting[] = [];
  #failure: ProtocolError | undefined;

  constructor(readonly runtime: string) {}

  /** Sends one frame to the engine. */
  protected abstract send(frame: Frame): void;
  /** Frees the thread or the page, even when it hangs. */
  protected abstract dispose(): Promise<void>;

  get isAlive(): boolean {
    return this.#failure === undefined;
  }

  /** The engine's reply. A host that doesn't answer in time is ended, because nothing else stops a kernel. */
  async exchange(request: Frame, timeoutMs: number): Promise<Frame> {
    if (this.#failure !== undefined) {
      throw new ProtocolError("not-started", `${this.runtime} has ended (${this.#failure.message})`);
    }
    const reply = new Promise<Frame>((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
    });
    if (this.#queue.length === 1) this.send(request);
    const timer = setTimeout(
      () => this.fail(new ProtocolError("timeout", `${this.runtime} gave no answer in ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    try {
      return await reply;
    } finally {
      clearTimeout(timer);
    }
  }

  protected settle(reply: Frame): void {
    this.#queue.shift()?.resolve(reply);
    const next = this.#queue[0];
    if (next !== undefined) this.send(next.request);
  }

  /** Ends the host: all that wait, and all that come, get this error. */
  fail(error: ProtocolError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { reject } of this.#queue.splice(0)) reject(error);
    void this.dispose();
  }

  async close(): Promise<void> {
    this.fail(new ProtocolError("not-started", `${this.runtime} was stopped`));
    await this.dispose();
  }
}

export class ThreadHost extends Host {
  readonly #worker: Worker;

  constructor(runtime: string, bundle: string, workerData: ThreadData) {
    super(runtime);
    // stdout belongs to the protocol: what a runtime prints goes to stderr.
    this.#worker = new Worker(bundle, { workerData, stdout: true });
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.on("message", (reply: Frame) => this.settle(reply));
    this.#worker.on("error", (error) => this.fail(new ProtocolError("died", `${runtime} died: ${messageOf(error)}`)));
    this.#worker.on("exit", (code) => this.fail(new ProtocolError("died", `${runtime} ended with code ${code}`)));
  }

  protected override send(frame: Frame): void {
    this.#worker.postMessage(frame);
  }

  protected override async dispose(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** What a host needs of a browser's page. */
export interface Tab {
  close(): Promise<void>;
}

/** A page has a server of its own: a browser opens six connections to one, and each page always waits on one. */
export class PageHost extends Host {
  #tab: Tab | undefined;
  #address: string | undefined;
  #idle: ServerResponse | undefined;
  #unsent: Frame | undefined;

  constructor(
    runtime: string,
    readonly server: PageServer,
  ) {
    super(runtime);
  }

  async open(
    bundle: string,
    backend: string,
    newTab: (address: string, onDeath: (reason: string) => void) => Promise<Tab>,
  ): Promise<void> {
    const meet = (answer: Uint8Array, response: ServerResponse) => this.#meet(answer, response);
    this.#address = this.server.addPage(bundle, backend, meet);
    this.#tab = await newTab(this.#address, (reason) => {
      this.fail(new ProtocolError("died", `${this.runtime} died: ${reason}`));
    });
    if (!this.isAlive) await this.#tab.close();
  }

  #meet(answer: Uint8Array, response: ServerResponse): void {
    this.#idle = response;
    if (answer.byteLength > 0) this.settle(decodeFrame(answer));
    this.#forward();
  }

  protected override send(frame: Frame): void {
    this.#unsent = frame;
    this.#forward();
  }

  #forward(): void {
    if (this.#idle === undefined || this.#unsent === undefined) return;
    this.#idle.writeHead(200, { "content-type": "application/octet-stream", "cache-control": "no-store" });
    for (const part of encodeFrame(this.#unsent)) this.#idle.write(part);
    this.#idle.end();
    this.#idle = this.#unsent = undefined;
  }

  protected override async dispose(): Promise<void> {
    if (this.#address !== undefined) this.server.removePage(this.#address);
    this.#idle?.destroy();
    await this.#tab?.close();
    this.server.close();
  }
}
