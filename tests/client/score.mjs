// Scores the rows that come as JSON on stdin with the built package, and prints the scores.
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const [built, artifact, runtime, backend] = process.argv.slice(2);
const entry = (name) => import(pathToFileURL(`${built}/${name}.js`).href);
const rows = JSON.parse(await text(process.stdin));

async function scoresOf() {
  if (runtime === "legacy") return rows.map((await entry("index")).legacyScore);
  const { fileFetch } = await entry("node");
  const { ScoringModel } = await entry(runtime);
  const model = new ScoringModel(pathToFileURL(artifact), { backend, fetch: fileFetch });
  try {
    return await model.predictBatch(rows);
  } finally {
    model.dispose();
  }
}

console.log(JSON.stringify(await scoresOf()));
