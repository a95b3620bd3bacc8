import { readFile } from "node:fs/promises";
import { modelWith } from "./model.js";

export { contents } from "./contents.js";
export const { read, ioHandler } = modelWith(async (address) => {
  if (address.protocol === "file:") return new Uint8Array(await readFile(address));
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
});
