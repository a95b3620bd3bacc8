// Unpacks the Chromium of @sparticuz/chromium once, beside it, so that any number of processes can share it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), "node_modules");
const source = path.join(modules, "@sparticuz/chromium");
const { version } = JSON.parse(readFileSync(path.join(source, "package.json"), "utf8"));
const folder = path.join(modules, `.cache/chromium-${version}`);

async function unpack(staging) {
  process.env.TMPDIR = staging; // the package unpacks to os.tmpdir(), and nowhere else
  const { default: chromium, inflate } = await import("@sparticuz/chromium");
  const file = await chromium.executablePath();
  try {
    execFileSync(file, ["--version"], { stdio: "pipe" });
  } catch {
    await inflate(path.join(source, "bin/al2023.tar.br")); // this machine lacks shared libraries: bring them
    renameSync(path.join(staging, "al2023/lib"), path.join(staging, "lib"));
    execFileSync(file, ["--version"], { env: { ...process.env, LD_LIBRARY_PATH: path.join(staging, "lib") } });
  }
}

if (!existsSync(folder)) {
  const staging = `${folder}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    await unpack(staging);
    renameSync(staging, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // another process was faster: its copy is as good
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
console.log(path.join(folder, "chromium"));
