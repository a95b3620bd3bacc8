// Prints converter/tfjs/optable.json: what the TF.js graph executor reads of each op, and the backends without a kernel for
// it. Read from the npm packages themselves:
//
//     node tools/generate_optable.mjs [node_modules] > converter/tfjs/optable.json
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = resolve(process.argv[2] ?? join(here, "../converter/runtimes/js/node_modules"));
const require = createRequire(join(modules, "any.js"));
const operations = join(modules, "@tensorflow/tfjs-converter/dist/operations");
const read = (path) => readFileSync(join(operations, path), "utf8");

const BACKENDS = ["cpu", "wasm", "webgl", "webgpu"];

// The kernels behind an op, for the kernels that some backend lacks; every other op has all of its kernels everywhere.
const KERNELS = {
  BitwiseAnd: ["BitwiseAnd"],
  Complex: ["Complex"],
  ComplexAbs: ["ComplexAbs"],
  Einsum: ["Einsum"],
  FFT: ["FFT"],
  IFFT: ["IFFT"],
  IRFFT: ["Complex", "IFFT", "Imag", "Real"],
  Imag: ["Imag"],
  RFFT: ["Complex", "FFT", "Imag", "Real"],
  Real: ["Real"],
  SparseFillEmptyRows: ["SparseFillEmptyRows"],
  SparseReshape: ["SparseReshape"],
  StaticRegexReplace: ["StaticRegexReplace"],
  StringSplit: ["StringSplit"],
  StringToHashBucketFast: ["StringToHashBucketFast"],
  Unique: ["Unique"],
  UniqueV2: ["Unique"],
};
// Kernels that some backend lacks and no op of the graph executor runs (gradients, pixels, ops that core composes itself).
const UNUSED = new Set([
  "Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter", "DepthwiseConv2dNativeBackpropInput",
  "Dilation2DBackpropFilter", "Dilation2DBackpropInput", "Draw", "FromPixels", "LogicalXor", "NonMaxSuppressionV4",
  "RaggedGather", "RaggedRange", "RaggedTensorToTensor", "UnsortedSegmentSum",
]);

async function loadOpLists() {
  const lists = {};
  for (const file of readdirSync(join(operations, "op_list")).sort()) {
    if (!file.endsWith(".js")) continue;
    const source = Buffer.from(read(join("op_list", file))).toString("base64");
    lists[file.slice(0, -3)] = (await import(`data:text/javascript;base64,${source}`)).json;
  }
  return lists;
}

function readMappedLists() {
  const source = read("operation_mapper.js");
  const fileOf = new Map([...source.matchAll(/import \* as (\w+) from '\.\/op_list\/(\w+)'/g)].map((m) => [m[1], m[2]]));
  const names = source.match(/const ops = \[([^\]]*)\]/)[1].split(",").map((name) => name.trim());
  return new Set(names.map((name) => fileOf.get(name)));
}

function readKernels() {
  const core = require("@tensorflow/tfjs-core");
  for (const backend of BACKENDS) require(`@tensorflow/tfjs-backend-${backend}`);
  return new Map(BACKENDS.map((name) => [name, new Set(core.getKernelsForBackend(name).map((kernel) => kernel.kernelName))]));
}

function checkKernelTable(kernels) {
  const known = new Set([...UNUSED, ...Object.values(KERNELS).flat()]);
  const all = new Set(BACKENDS.flatMap((backend) => [...kernels.get(backend)]));
  const unknown = [...all].filter((kernel) => !known.has(kernel) && BACKENDS.some((backend) => !kernels.get(backend).has(kernel)));
  if (unknown.length) throw new Error(`some backend lacks these kernels, and no table here knows why: ${unknown.sort()}`);
}

function describeInput({ name, start, end, type }) {
  return { name, start, ...(end === undefined ? {} : { end }), type };
}

function describeAttr({ type, defaultValue, notSupported, tfDeprecatedName }) {
  return {
    type,
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
    ...(notSupported ? { ignored: true } : {}),
    ...(tfDeprecatedName ? { alias: tfDeprecatedName } : {}),
  };
}

function describeOp(op, category, kernels) {
  const lacks = BACKENDS.filter((backend) => (KERNELS[op.tfOpName] ?? []).some((kernel) => !kernels.get(backend).has(kernel)));
  const attrs = Object.fromEntries((op.attrs ?? []).map((attr) => [attr.tfName, describeAttr(attr)]));
  return {
    category,
    inputs: (op.inputs ?? []).map(describeInput),
    ...(Object.keys(attrs).length ? { attrs } : {}),
    ...(lacks.length ? { lacks } : {}),
  };
}

const kernels = readKernels();
checkKernelTable(kernels);
const mapped = readMappedLists();
const ops = {};
const notExecutable = [];
for (const [category, list] of Object.entries(await loadOpLists())) {
  const executor = mapped.has(category) ? read(`executors/${category}_executor.js`) : "";
  for (const op of list) {
    if (executor.includes(`case '${op.tfOpName}':`)) ops[op.tfOpName] = describeOp(op, category, kernels);
    else notExecutable.push(op.tfOpName);
  }
}

const version = require("@tensorflow/tfjs-converter/package.json").version;
const rows = Object.keys(ops).sort().map((name) => `${JSON.stringify(name)}:${JSON.stringify(ops[name])}`);
process.stdout.write(
  `{"source":${JSON.stringify(`@tensorflow/tfjs-converter ${version}`)},\n` +
    `"not_executable":${JSON.stringify(notExecutable.sort())},\n"ops":{\n${rows.join(",\n")}\n}}\n`,
);
