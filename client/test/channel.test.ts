import { expect, test } from "vitest";
import { ArtifactError, type ChannelOptions, resolveChannel } from "../src/index.ts";

const MODEL = "https://models.example/small/";

function index(revision: number, channels: Record<string, string>, digests: Record<string, string> = {}): object {
  const versions = { "1.0.0": { digest: "a".repeat(64) }, "1.1.0": { digest: "b".repeat(64) } };
  for (const [version, digest] of Object.entries(digests)) Object.assign(versions, { [version]: { digest } });
  return { schema_version: "1.0", name: "small", revision, versions, channels };
}

/** Shows one text at a time, and remembers as a page does. */
class Place {
  readonly remembered = new Map<string, string>();
  readonly requests: [string, string | undefined][] = [];
  text = "";

  shows(value: object | string): this {
    this.text = typeof value === "string" ? value : JSON.stringify(value);
    return this;
  }

  resolve(channel?: string, options: ChannelOptions = {}) {
    const fetch: ChannelOptions["fetch"] = async (input, init) => {
      this.requests.push([String(input), init?.cache]);
      return new Response(this.text);
    };
    const memory = {
      getItem: (key: string) => this.remembered.get(key) ?? null,
      setItem: (key: string, value: string) => void this.remembered.set(key, value),
    };
    return resolveChannel(MODEL, channel, { fetch, memory, ...options });
  }
}

test("a channel names a version with its digest", async () => {
  const place = new Place().shows(index(7, { latest: "1.1.0", stable: "1.0.0" }));
  expect(await place.resolve("stable")).toEqual({
    url: `${MODEL}1.0.0/`,
    version: "1.0.0",
    digest: "a".repeat(64),
    revision: 7,
  });
  expect(await place.resolve()).toMatchObject({ version: "1.1.0" });
  expect(place.requests[0]).toEqual([`${MODEL}index.json`, "no-cache"]);
});

test("a newer index may move a channel and add versions", async () => {
  const place = new Place().shows(index(7, { stable: "1.0.0" }));
  await place.resolve("stable");
  place.shows({ ...index(9, { stable: "2.0.0" }, { "2.0.0": "c".repeat(64) }), schema_version: "1.4", later: true });
  expect(await place.resolve("stable")).toMatchObject({ version: "2.0.0", revision: 9 });
});

test.each<[string, object, string]>([
  ["older", index(6, { stable: "1.0.0" }), "revision 6, but 7 was seen before"],
  ["rewritten", index(8, { stable: "1.0.0" }, { "1.0.0": "f".repeat(64) }), "it says otherwise of version 1.0.0"],
  ["shorter", { ...index(8, {}), versions: {} }, "it says otherwise of version 1.0.0"],
])("an index that is %s than the one that was seen is refused", async (_, shown, message) => {
  const place = new Place().shows(index(7, { stable: "1.0.0" }));
  await place.resolve("stable");
  const error: unknown = await place.shows(shown).resolve("stable").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ArtifactError);
  expect(error).toMatchObject({ code: "index", url: `${MODEL}index.json` });
  expect(String(error)).toContain(message);
  await place.shows(index(7, { stable: "1.0.0" })).resolve("stable"); // what was refused is not remembered
});

test("what was never released may go", async () => {
  const shown = index(7, { stable: "1.0.0" }) as { versions: Record<string, object> };
  Object.assign(shown.versions, { "1.0.1": { digest: "d".repeat(64), released: false } });
  const place = new Place().shows(shown);
  await place.resolve("stable");
  expect(await place.shows(index(8, { stable: "1.0.0" })).resolve("stable")).toMatchObject({ revision: 8 });
});

test("who remembers nothing can't know", async () => {
  const place = new Place().shows(index(7, { stable: "1.1.0" }));
  await place.resolve("stable", { memory: null });
  expect(await place.shows(index(6, { stable: "1.0.0" })).resolve("stable", { memory: null })).toMatchObject({
    version: "1.0.0",
  });
});

test("a memory that is full is no failure", async () => {
  const place = new Place().shows(index(7, { stable: "1.0.0" }));
  const setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  expect(await place.resolve("stable", { memory: { getItem: () => null, setItem } })).toMatchObject({ revision: 7 });
});

test("a damaged memory is none", async () => {
  const place = new Place().shows(index(7, { stable: "1.0.0" }));
  await place.resolve("stable");
  for (const key of place.remembered.keys()) place.remembered.set(key, "{");
  expect(await place.resolve("stable")).toMatchObject({ revision: 7 });
});

test.each<[string, object | string]>([
  ["no JSON", "<!doctype html>"],
  ["no object", "null"],
  ["another version", { ...index(1, { stable: "1.0.0" }), schema_version: "2.0" }],
  ["no revision", { ...index(1, { stable: "1.0.0" }), revision: "1" }],
  ["no versions", { ...index(1, { stable: "1.0.0" }), versions: [] }],
  ["no such channel", index(1, { latest: "1.0.0" })],
  ["a channel of nothing", index(1, { stable: "9.9.9" })],
  ["a channel by inheritance", index(1, {})],
])("an index with %s is refused", async (kind, shown) => {
  const channel = kind.endsWith("inheritance") ? "constructor" : "stable";
  const place = new Place().shows(shown);
  await expect(place.resolve(channel)).rejects.toMatchObject({ code: "index" });
  expect(place.remembered.size).toBe(0);
});
