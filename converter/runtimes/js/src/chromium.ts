/** One headless Chromium, and its tabs. */

import { rm } from "node:fs/promises";
import path from "node:path";
import puppeteer, { type Browser } from "puppeteer-core";
import { type BrowserInfo, environmentFor } from "./browsers.ts";
import type { Tab } from "./hosts.ts";
import { messageOf, ProtocolError } from "./protocol.ts";

const FLAGS = [
  "--no-sandbox", // containers have none; the only page is our own
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
];

const SOFTWARE_GPU_FLAGS = [
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--use-webgpu-adapter=swiftshader",
];

export interface ChromiumOptions {
  readonly scratch: string;
  readonly useHardwareGpu: boolean;
  readonly timeoutMs: number;
}

export class Chromium {
  private constructor(
    private readonly browser: Browser,
    private readonly profile: string,
    private readonly timeoutMs: number,
    readonly version: string,
  ) {}

  /** Its pipe ends with this process, and Chromium ends with its pipe, whatever kills this process. */
  static async launch(info: BrowserInfo, { scratch, useHardwareGpu, timeoutMs }: ChromiumOptions): Promise<Chromium> {
    const profile = path.join(scratch, "profile");
    try {
      const browser = await puppeteer.launch({
        executablePath: info.path,
        args: [...FLAGS, ...(useHardwareGpu ? [] : SOFTWARE_GPU_FLAGS)],
        userDataDir: profile,
        env: { ...environmentFor(info.path), TMPDIR: scratch },
        pipe: true,
        headless: true,
        timeout: timeoutMs,
        handleSIGHUP: false,
        handleSIGINT: false,
        handleSIGTERM: false,
      });
      const version = (await browser.version()).split("/").at(-1) ?? "";
      return new Chromium(browser, profile, timeoutMs, version);
    } catch (error) {
      throw new ProtocolError("cannot-start", `the browser ${info.path} does not start: ${messageOf(error)}`, { cause: error });
    }
  }

  /** On POSIX also the number of its process group. */
  get pid(): number | undefined {
    return this.browser.process()?.pid;
  }

  get isConnected(): boolean {
    return this.browser.connected;
  }

  async newTab(address: string, onDeath: (reason: string) => void): Promise<Tab> {
    try {
      const page = await this.browser.newPage();
      page.on("error", (error) => onDeath(error.message)); // the renderer crashed
      page.on("pageerror", (error) => onDeath(messageOf(error))); // an exception that nothing caught
      page.on("console", (message) => process.stderr.write(`${message.text()}\n`));
      this.browser.once("disconnected", () => onDeath("Chromium ended"));
      await page.goto(address, { timeout: this.timeoutMs });
      return { close: () => page.close().catch(() => undefined) };
    } catch (error) {
      throw new ProtocolError("cannot-start", `the browser opens no page: ${messageOf(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    const process = this.browser.process();
    const deadline = setTimeout(() => process?.kill("SIGKILL"), 5_000);
    await this.browser.close().catch(() => process?.kill("SIGKILL"));
    clearTimeout(deadline);
    await rm(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
