import { contents } from "./contents.js";

const HOME = new URL("./artifact/", import.meta.url);

async function integrityOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-384", bytes));
  return `sha384-${btoa(String.fromCharCode(...digest))}`;
}

/** The package's functions, given how the bytes behind an address are read. */
export function modelWith(bytesOf) {
  async function read(path, { baseUrl = HOME } = {}) {
    const file = contents.files[path];
    if (file === undefined) throw new Error(`${contents.name} ${contents.version} has no file ${path}`);
    const address = new URL(path, baseUrl);
    const bytes = await bytesOf(address);
    if ((await integrityOf(bytes)) !== file.integrity) {
      throw new Error(`${address} is not as it was published with ${contents.name} ${contents.version}: don't use it`);
    }
    return bytes;
  }

  async function load(options) {
    const { weightsManifest, ...model } = JSON.parse(
      new TextDecoder().decode(await read("tfjs/model.json", options)),
    );
    const shards = weightsManifest.flatMap((group) => group.paths);
    const weights = await Promise.all(shards.map((shard) => read(`tfjs/${shard}`, options)));
    return {
      ...model,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      weightData: weights.map((bytes) => bytes.buffer),
    };
  }

  return { read, ioHandler: (options) => ({ load: () => load(options) }) };
}
