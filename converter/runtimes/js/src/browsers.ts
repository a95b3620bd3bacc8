/** Which browsers there are on this machine. */

import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { messageOf, ProtocolError } from "./protocol.ts";

export type BrowserKind = "chromium" | "firefox";

export interface BrowserInfo {
  readonly path: string;
  readonly version: string;
  readonly source: "setting" | "installed" | "playwright" | "npm";
}

interface Places {
  /** What it is called on the PATH. */
  readonly names: readonly string[];
  /** Below / or the home folder on a Mac. */
  readonly macApps: readonly string[];
  /** Below one of Windows' folders of programs. */
  readonly windowsFile: string;
}

const PLACES: Record<BrowserKind, Places> = {
  chromium: {
    names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"],
    macApps: ["Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium"],
    windowsFile: "Google/Chrome/Application/chrome.exe",
  },
  firefox: {
    names: ["firefox", "firefox-esr"],
    macApps: ["Firefox.app/Contents/MacOS/firefox"],
    windowsFile: "Mozilla Firefox/firefox.exe",
  },
};

const WINDOWS_FOLDERS = ["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"];

const PLAYWRIGHT_CACHE: Partial<Record<NodeJS.Platform, string>> = {
  linux: ".cache/ms-playwright",
  darwin: "Library/Caches/ms-playwright",
  win32: "AppData/Local/ms-playwright",
};

const PLAYWRIGHT_BINARY = /[\\/](chrome|chrome\.exe|Chromium|Google Chrome for Testing|headless_shell|chrome-headless-shell)$/;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installed(kind: BrowserKind): string | undefined {
  const { names, macApps, windowsFile } = PLACES[kind];
  const folders = (process.env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const suffix = process.platform === "win32" ? ".exe" : "";
  const onPath = names.flatMap((name) => folders.map((folder) => path.join(folder, name + suffix)));
  const fixed = {
    darwin: ["", os.homedir()].flatMap((root) => macApps.map((app) => `${root}/Applications/${app}`)),
    win32: WINDOWS_FOLDERS.flatMap((variable) => process.env[variable] ?? []).map((root) => path.join(root, windowsFile)),
  };
  return [...onPath, ...((fixed as Partial<Record<NodeJS.Platform, string[]>>)[process.platform] ?? [])].find(isExecutable);
}

/** Folders are named chromium-1234; the highest number is the newest. */
function fromPlaywright(): string | undefined {
  const cache = path.join(os.homedir(), PLAYWRIGHT_CACHE[process.platform] ?? ".cache/ms-playwright");
  if (!existsSync(cache)) return undefined;
  const number = (name: string) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  const folders = readdirSync(cache).filter((name) => name.startsWith("chromium"));
  folders.sort((a, b) => number(b) - number(a));
  return folders
    .map((name) => path.join(cache, name))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => path.join(folder, file)))
    .find((file) => PLAYWRIGHT_BINARY.test(file) && isExecutable(file));
}

/** What `npm run fetch-browser` unpacked beside a source checkout; an installed wheel has none. */
function fromNpm(packageFolder: string): string | undefined {
  const modules = path.join(packageFolder, "node_modules");
  try {
    const { version } = JSON.parse(readFileSync(path.join(modules, "@sparticuz/chromium/package.json"), "utf8"));
    const file = path.join(modules, `.cache/chromium-${version}/chromium`);
    return isExecutable(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** The libraries that were unpacked beside a browser, because the machine it was unpacked on lacks some. */
export function environmentFor(browser: string): NodeJS.ProcessEnv {
  const libraries = path.join(path.dirname(browser), "lib");
  if (!existsSync(path.join(libraries, "libnss3.so"))) return process.env;
  return { ...process.env, LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(path.delimiter) };
}

async function versionOf(file: string): Promise<string> {
  if (process.platform === "win32") return ""; // --version opens a window there
  const { stdout } = await promisify(execFile)(file, ["--version"], { env: environmentFor(file), timeout: 60_000 });
  return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? stdout.trim();
}

async function describe(file: string, source: BrowserInfo["source"]): Promise<BrowserInfo> {
  try {
    return { path: file, version: await versionOf(file), source };
  } catch (error) {
    const said = typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr).trim() : "";
    throw new ProtocolError("cannot-start", `the browser ${file} does not start: ${said || messageOf(error)}`, { cause: error });
  }
}

/** The one that was asked for, or the first that starts of: an installed one, for Chromium Playwright's and npm's. */
export async function findBrowser(
  kind: BrowserKind,
  setting: string | null,
  packageFolder: string,
): Promise<{ found?: BrowserInfo; broken: string[] }> {
  if (setting !== null) {
    if (!isExecutable(setting)) throw new ProtocolError("cannot-start", `there is no browser at ${setting}`);
    return { found: await describe(setting, "setting"), broken: [] };
  }
  const broken: string[] = [];
  for (const [source, find] of [
    ["installed", () => installed(kind)],
    ["playwright", fromPlaywright],
    ["npm", () => fromNpm(packageFolder)],
  ] as const) {
    const file = kind === "chromium" || source === "installed" ? find() : undefined;
    if (file === undefined) continue;
    try {
      return { found: await describe(file, source), broken };
    } catch (error) {
      broken.push(messageOf(error)); // such as the stub that Ubuntu installs under a browser's name
    }
  }
  return { broken };
}
