/** What of a model a runtime may read, checked before any runtime touches it. */

import { readFile, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { messageOf, ProtocolError } from "./protocol.ts";

export interface ModelFiles {
  readonly folder: string;
  /** The file to open, which names the others. */
  readonly entry: string;
  readonly others: readonly string[];
}

/** An ONNX file, or what the `model.json` of a folder names. */
export async function filesOfModel(place: string, format: "onnx" | "tfjs"): Promise<ModelFiles> {
  if (format === "tfjs") return { folder: place, entry: "model.json", others: await shardsOf(place) };
  const isFile = await stat(place).then((found) => found.isFile()).catch(() => false);
  if (!isFile) throw new ProtocolError("bad-model", `there is no ONNX file at ${place}`);
  return { folder: path.dirname(place), entry: path.basename(place), others: [] };
}

function shardPathsOf(json: unknown): string[] {
  const manifest = (json as { weightsManifest?: unknown } | null)?.weightsManifest;
  if (!Array.isArray(manifest)) throw new Error("it has no weightsManifest");
  return manifest.flatMap((group: { paths?: unknown }) => {
    if (!Array.isArray(group?.paths)) throw new Error("a group of its weightsManifest has no paths");
    return group.paths.map(String);
  });
}

/** The shards that `model.json` of a folder names: regular files inside that folder, links resolved. */
async function shardsOf(folder: string): Promise<string[]> {
  const modelFile = path.join(folder, "model.json");
  let shards: string[];
  try {
    shards = shardPathsOf(JSON.parse(await readFile(modelFile, "utf8")));
  } catch (error) {
    throw new ProtocolError("bad-model", `${modelFile} can't be read: ${messageOf(error)}`, { cause: error });
  }
  const root = await realpath(folder);
  for (const shard of shards) await checkShard(root, shard);
  return shards;
}

async function checkShard(root: string, shard: string): Promise<void> {
  const escapes = new ProtocolError("bad-model", `the shard path ${JSON.stringify(shard)} leaves the model's folder`);
  if (path.isAbsolute(shard) || /[\\:]/.test(shard) || shard.split("/").includes("..")) throw escapes;
  let file: string;
  try {
    file = await realpath(path.join(root, shard));
  } catch (error) {
    throw new ProtocolError("bad-model", `the shard ${JSON.stringify(shard)} is missing`, { cause: error });
  }
  if (!file.startsWith(root + path.sep)) throw escapes;
  if (!(await stat(file)).isFile()) throw new ProtocolError("bad-model", `the shard ${JSON.stringify(shard)} is no file`);
}
