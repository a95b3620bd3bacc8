// Scores with an installed package, in Node and in Chromium: node score.mjs PACKAGE RUNTIMES_FOLDER BROWSER < inputs
// Runs in the folder that the package is installed in; writes one JSON document.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [name, runtimes, executablePath] = process.argv.slice(2);
const { input, shape, values } = JSON.parse(await text(process.stdin));
const require = createRequire(pathToFileURL(path.join(runtimes, "package.json")));

const settle = (promise) => promise.then((scores) => ({ scores }), (error) => ({ error: String(error.message) }));

/** Runs here and in the page, so it knows nothing but its arguments. */
async function score(tf, model, { input, shape, values }) {
  await tf.setBackend("cpu");
  const graph = await tf.loadGraphModel(model.ioHandler());
  const outputs = graph.predict({ [input]: tf.tensor(values, shape) });
  return Array.from(await (Array.isArray(outputs) ? outputs[0] : outputs).data());
}

const { build } = require("esbuild");
const bundle = async (platform) => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from "@tensorflow/tfjs-core";
        export { loadGraphModel } from "@tensorflow/tfjs-converter";
        import "@tensorflow/tfjs-backend-cpu";`,
      resolveDir: runtimes,
    },
    bundle: true, ignoreAnnotations: true, platform, format: platform === "node" ? "cjs" : "esm", write: false, logLevel: "error",
  });
  return outputFiles[0].text;
};

async function inNode() {
  const module = { exports: {} };
  new Function("module", "exports", "require", await bundle("node"))(module, module.exports, require);
  const entry = createRequire(path.resolve("package.json")).resolve(name);
  return score(module.exports, await import(pathToFileURL(entry)), { input, shape, values });
}

async function inChromium() {
  const tfjs = await bundle("browser");
  const types = { ".js": "text/javascript", ".json": "application/json" };
  const server = createServer(async (request, response) => {
    const file = path.join(process.cwd(), "node_modules", path.normalize(decodeURI(request.url)));
    try {
      const body = request.url === "/" ? "<!doctype html>" : request.url === "/tf.js" ? tfjs : await readFile(file);
      const type = request.url === "/" ? "text/html" : types[path.extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { default: puppeteer } = await import(pathToFileURL(require.resolve("puppeteer-core")));
  const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-quic"] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const program = `Promise.all([import("/tf.js"), import("/${name}/index.js")])
      .then(([tf, model]) => (${score})(tf, model, ${JSON.stringify({ input, shape, values })}))`;
    return await page.evaluate(program);
  } finally {
    await browser.close();
    server.close();
  }
}

process.stdout.write(JSON.stringify({ node: await settle(inNode()), chromium: await settle(inChromium()) }));
