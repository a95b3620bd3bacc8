/** A headless browser that this process drives, and its tabs. */

import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import puppeteer, { type Browser, type LaunchOptions } from "puppeteer-core";
import { type BrowserInfo, type BrowserKind, environmentFor } from "./browsers.ts";
import type { Tab } from "./hosts.ts";
import { messageOf, ProtocolError } from "./protocol.ts";

const CHROMIUM_FLAGS = [
  "--no-sandbox", // containers have none; the only page is our own
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--enable-precise-memory-info", // else performance.memory is rounded, and minutes old
];

const SOFTWARE_GPU_FLAGS = [
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--use-webgpu-adapter=swiftshader",
];

export interface DriveOptions {
  readonly scratch: string;
  readonly useHardwareGpu: boolean;
  readonly timeoutMs: number;
}

/** Chromium's pipe ends with this process, and Chromium ends with its pipe, whatever kills this process. */
function chromiumOptions(info: BrowserInfo, { scratch, useHardwareGpu }: DriveOptions): LaunchOptions {
  return {
    browser: "chrome",
    args: [...CHROMIUM_FLAGS, ...(useHardwareGpu ? [] : SOFTWARE_GPU_FLAGS)],
    env: { ...environmentFor(info.path), TMPDIR: scratch },
    pipe: true,
  };
}

/** Firefox speaks WebDriver BiDi over a socket only, and keeps things in the home folder whatever its profile. */
function firefoxOptions({ scratch }: DriveOptions): LaunchOptions {
  return {
    browser: "firefox",
    extraPrefsFirefox: { "webgl.force-enabled": true },
    env: { ...process.env, TMPDIR: scratch, HOME: scratch },
  };
}

export class DrivenBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly profile: string,
    private readonly timeoutMs: number,
    readonly version: string,
  ) {}

  static async launch(kind: BrowserKind, info: BrowserInfo, options: DriveOptions): Promise<DrivenBrowser> {
    const profile = path.join(options.scratch, `profile-${kind}`);
    try {
      await mkdir(profile, { recursive: true });
      const browser = await puppeteer.launch({
        ...(kind === "firefox" ? firefoxOptions(options) : chromiumOptions(info, options)),
        executablePath: info.path,
        userDataDir: profile,
        headless: true,
        timeout: options.timeoutMs,
        handleSIGHUP: false,
        handleSIGINT: false,
        handleSIGTERM: false,
      });
      const version = (await browser.version()).split("/").at(-1) ?? "";
      return new DrivenBrowser(browser, profile, options.timeoutMs, version);
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
      this.browser.once("disconnected", () => onDeath("the browser ended"));
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
