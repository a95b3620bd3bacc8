/**
 * Builds TF.js for one graph and one backend: the operators of the graph, the kernels that they call, and what the
 * client and our own page use of TF.js. It reads the sources of TF.js 4.22, whose layout it relies on.
 *
 * node bundle.mjs '{"modules": folder, "backend": name, "ops": {op: category}, "outfile": file, "whole": file}'
 * `modules` holds node_modules with esbuild and TF.js; `whole` gets the same exports with everything in it. Prints the
 * kernels as JSON.
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { modules, backend, ops, outfile, whole } = JSON.parse(process.argv[2]);
const { build } = createRequire(path.join(modules, "here.js"))("esbuild");

const packageOf = (name) => path.join(modules, "node_modules/@tensorflow", name, "dist");
const CORE = packageOf("tfjs-core");
const OPS = path.join(CORE, "ops");
const CONVERTER = packageOf("tfjs-converter");
const BACKEND = packageOf(`tfjs-backend-${backend}`);

const CORE_EXPORTS =
  "dispose, engine, env, getBackend, io, keep, memory, profile, ready, setBackend, tensor, tidy, version_core";
const ALWAYS_OPS = ["cast", "clone", "reshape"]; // tensors themselves and the executor call them
const CONTROL_OPS = ["concat", "slice", "stack", "unstack"]; // TensorLists and tables call them

const read = (...parts) => readFileSync(path.join(...parts), "utf8");
const literal = (value) => JSON.stringify(value);

/** The text of each operator's case in an executor; a case without one shares that of the next. */
function casesOf(category) {
  const text = read(CONVERTER, "operations/executors", `${category}_executor.js`);
  const labels = [...text.matchAll(/case '(\w+)':/g)];
  const cases = new Map();
  let body = "";
  for (const [index, label] of [...labels.entries()].reverse()) {
    const own = text.slice(label.index + label[0].length, labels[index + 1]?.index);
    body = own.trim() === "" ? body : own;
    cases.set(label[1], body);
  }
  return cases;
}

/** The functions of TF.js that the graph's operators call, as `matMul` or `fused.matMul`. */
function calledOps() {
  const called = new Set(ALWAYS_OPS);
  for (const [op, category] of Object.entries(ops)) {
    if (category === "control" || category === "hash_table") CONTROL_OPS.forEach((name) => called.add(name));
    const body = casesOf(category).get(op);
    if (body === undefined) throw new Error(`the executor of ${category} has no case for ${op}`);
    for (const [, name, inner] of body.matchAll(/\b(?:ops|tfOps)\.(\w+)(?:\.(\w+)\()?/g)) {
      called.add(inner === undefined ? name : `${name}.${inner}`);
    }
  }
  return [...called].sort();
}

/** Where a function of TF.js is defined: the index names it, or exports all of the file that does. */
function fileOf(name) {
  const [inner, namespace] = name.split(".").reverse();
  const index = read(OPS, "ops.js") + read(OPS, "fused_ops.js");
  const named =
    namespace === undefined
      ? new RegExp(`export \\{[^}]*\\b${inner}\\b[^}]*\\} from '\\./([\\w/]+)'`)
      : new RegExp(`import \\{ ${inner} \\} from '\\./(${namespace}/\\w+)'`);
  const whole = [...index.matchAll(/export \* from '\.\/(\w+)'/g)].map(([, file]) => file);
  const exported = new RegExp(`^export (const|function) ${inner}\\b|^export \\{[^}]*\\b${inner}\\b`, "m");
  const found = named.exec(index)?.[1] ?? whole.find((file) => exported.test(read(OPS, `${file}.js`)));
  if (found === undefined) throw new Error(`TF.js has no operation ${name}`);
  return path.join(OPS, `${found}.js`);
}

/** The kernels that a file of operations names, and those that the operations name that it imports. */
function addKernels(file, kernels, seen) {
  if (seen.has(file)) return;
  seen.add(file);
  for (const [, names, source] of readFileSync(file, "utf8").matchAll(/^import \{([^}]+)\} from '([^']+)'/gm)) {
    const target = path.join(path.dirname(file), source);
    if (target === path.join(CORE, "kernel_names")) {
      names.split(",").forEach((name) => kernels.add(name.trim().split(" ")[0]));
    } else if (target.startsWith(OPS + path.sep) && existsSync(`${target}.js`)) {
      addKernels(`${target}.js`, kernels, seen);
    }
  }
}

/** Each kernel that the backend has, with the name of its registration. */
function kernelConfigs(called) {
  const kernels = new Set();
  const seen = new Set();
  for (const name of called) addKernels(fileOf(name), kernels, seen);
  const configs = new Map();
  for (const kernel of [...kernels].sort()) {
    const file = path.join(BACKEND, "kernels", `${kernel}.js`);
    const config = existsSync(file) ? /export const (\w+Config)\b/.exec(readFileSync(file, "utf8"))?.[1] : undefined;
    if (config !== undefined) configs.set(kernel, { file, config });
  }
  return configs;
}

const exportsOf = (base) =>
  [
    `export { ${CORE_EXPORTS} } from "@tensorflow/tfjs-core";`,
    'export { loadGraphModel, loadGraphModelSync } from "@tensorflow/tfjs-converter";',
    backend === "wasm" ? `export { setThreadsCount, setWasmPaths } from ${literal(base)};` : `import ${literal(base)};`,
  ].join("\n");

function entryOf(configs) {
  const lines = [
    `import ${literal(path.join(CORE, "base_side_effects.js"))};`,
    'import { registerKernel } from "@tensorflow/tfjs-core";',
    exportsOf(path.join(BACKEND, "base.js")),
  ];
  for (const { file, config } of configs.values()) lines.push(`import { ${config} } from ${literal(file)};`);
  lines.push(`for (const config of [${[...configs.values()].map(({ config }) => config)}]) registerKernel(config);`);
  return lines.join("\n");
}

/** What stands for TF.js' list of all operations: those that are called, under the same names. */
function opsModule(called) {
  const lines = [];
  const namespaces = new Map();
  for (const name of called) {
    const [inner, namespace] = name.split(".").reverse();
    if (namespace === undefined) {
      lines.push(`export { ${inner} } from ${literal(fileOf(name))};`);
    } else {
      lines.push(`import { ${inner} as ${namespace}_${inner} } from ${literal(fileOf(name))};`);
      namespaces.set(namespace, [...(namespaces.get(namespace) ?? []), `${inner}: ${namespace}_${inner}`]);
    }
  }
  for (const [namespace, members] of namespaces) lines.push(`export const ${namespace} = { ${members} };`);
  return lines.join("\n");
}

/** The rows of a list of operators that the graph has. */
function opList(file) {
  const text = readFileSync(file, "utf8");
  const rows = /export const json = (\[[\s\S]*?\n\]);/.exec(text)?.[1];
  if (rows === undefined) throw new Error(`${file} holds no list of operators`);
  const kept = new Function(`return ${rows}`)().filter(({ tfOpName }) => Object.hasOwn(ops, tfOpName));
  return `export const json = ${literal(kept)};`;
}

function trim(called) {
  const categories = new Set(Object.values(ops));
  return {
    name: "trim",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^@tensorflow\/tfjs-core$/ }, () => ({ path: path.join(CORE, "base.js"), sideEffects: false }));
      onLoad({ filter: /[\\/]ops_for_converter\.js$/ }, () => ({ contents: opsModule(called), resolveDir: OPS }));
      onLoad({ filter: /[\\/]op_list[\\/]\w+\.js$/ }, (file) => ({ contents: opList(file.path) }));
      onLoad({ filter: /[\\/]executors[\\/]\w+_executor\.js$/ }, (file) => {
        const category = path.basename(file.path, "_executor.js");
        if (categories.has(category)) return undefined;
        return { contents: `export const executeOp = () => { throw new Error("this build has no ${category}"); };` };
      });
    },
  };
}

const SHARED = {
  absWorkingDir: modules,
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2020",
  mainFields: ["module", "main"],
  legalComments: "linked",
  logLevel: "error",
};

const called = calledOps();
const configs = kernelConfigs(called);
const stdin = (contents) => ({ contents, resolveDir: modules });
await build({ ...SHARED, stdin: stdin(entryOf(configs)), plugins: [trim(called)], outfile });
await build({ ...SHARED, stdin: stdin(exportsOf(`@tensorflow/tfjs-backend-${backend}`)), outfile: whole });
process.stdout.write(`${literal({ ops: called, kernels: [...configs.keys()] })}\n`);
