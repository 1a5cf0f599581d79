/**
 * Builds dist/: the WebAssembly modules, the JavaScript and the types. Only what is out of date is built; each file is written
 * beside its place and renamed, so that a program that runs meanwhile never reads half of one.
 *
 *   node scripts/build.mjs [wasm] [javascript] [types] [--force]
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { LICENCES, licences } from "./build/licences.mjs";
import { main, root, run } from "./programs.mjs";

const at = (...parts) => join(root, ...parts);

/** Newest time of change among files and folders; a folder's own time tells of deleted files. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stat = statSync(path);
    time = Math.max(time, stat.mtimeMs);
    if (stat.isDirectory()) {
      time = Math.max(time, newest(readdirSync(path).filter((name) => name !== "node_modules" && name !== "__tests__").map((name) => join(path, name))));
    }
  }
  return time;
}

const oldest = (paths) => Math.min(...paths.map((path) => (existsSync(path) ? statSync(path).mtimeMs : 0)));

function put(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

// ── WebAssembly ──

/** asconfig.json's options as flags: the other modules are compiled with the same ones. */
function compilerFlags() {
  const { options } = JSON.parse(readFileSync(at("asconfig.json"), "utf8"));
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    return [value].flat().flatMap((one) => [`--${name}`, String(one)]);
  });
}

async function compile({ entry, output, flags = [] }) {
  const temporary = at("build", `${output.replaceAll("/", "-")}.${process.pid}.wasm`);
  await run(process.execPath, [at("node_modules/assemblyscript/bin/asc.js"), entry, "--config", "none", ...compilerFlags(), ...flags, "--outFile", relative(root, temporary)]);
  put(at(output), readFileSync(temporary));
  rmSync(temporary);
}

/** A memory that threads share is made by the bindings, as large as the model will need it; 65536 pages are what addresses reach. */
const SHARED = ["--enable", "threads", "--sharedMemory", "--importMemory", "--maximumMemory", "65536"];

const WASM = [
  { entry: "assembly/index.ts", inputs: ["assembly"], output: "dist/kvasm.wasm" },
  { entry: "assembly/index.ts", inputs: ["assembly"], output: "dist/kvasm.relaxed.wasm", flags: ["--enable", "relaxed-simd"] },
  { entry: "assembly/threads.ts", inputs: ["assembly"], output: "dist/kvasm.threads.wasm", flags: SHARED },
  { entry: "assembly/threads.ts", inputs: ["assembly"], output: "dist/kvasm.threads.relaxed.wasm", flags: ["--enable", "relaxed-simd", ...SHARED] },
  { entry: "bench/assembly/roofline.ts", inputs: ["bench/assembly"], output: "dist/roofline.wasm" },
];

async function buildWasm(force) {
  const stale = WASM.filter(({ entry, inputs, output }) => {
    if (!existsSync(at(entry))) return false;
    return force || newest([...inputs, "asconfig.json", "package-lock.json"].map((path) => at(path))) > oldest([at(output)]);
  });
  await Promise.all(stale.map(compile));
  return stale.map(({ output }) => output);
}

// ── JavaScript ──

/** What a user imports: built together, so that they share their code and its classes. index runs wherever kvasm does. */
const API = { index: "bindings/index.ts", convert: "bindings/convert/index.ts", stories: "bindings/entries/stories.ts",
  hub: "bindings/entries/hub.ts", worker: "bindings/entries/worker.ts", "worker-host": "bindings/entries/worker-host.ts", "worker-script": "bindings/entries/worker-script.ts",
};
const ENTRIES = Object.keys(API);
/** The same for bundlers that build for browsers and edge runtimes: no import of Node's modules is in it, not even one that never runs. */
const BROWSER_API = {
  browser: "bindings/index.ts", "convert.browser": "bindings/convert/index.ts", "hub.browser": "bindings/entries/hub.ts", "worker.browser": "bindings/entries/worker.ts", "worker-host.browser": "bindings/entries/worker-host.ts",
};

/**
 * The command line is a program over the public API: its `../index.ts` stays an import of the index.js beside it (and
 * `../convert/index.ts` of convert.js, `../entries/hub.ts` of hub.js), so that there is one copy of everything and the command runs what a user imports.
 */
const publicApi = {
  name: "public-api",
  setup(build) {
    build.onResolve({ filter: /\/(index|hub)\.ts$/ }, ({ path, resolveDir }) => {
      const name = ENTRIES.find((entry) => at(API[entry]) === resolve(resolveDir, path));
      return name === undefined ? undefined : { path: `./${name}.js`, external: true };
    });
  },
};

/** Where NAME.browser.ts lies beside NAME.ts, browsers get that; likewise for other environments, the first that there is. */
export const twins = (...environments) => ({
  name: "twins",
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, resolveDir }) => {
      const twin = environments.map((environment) => resolve(resolveDir, path.replace(/\.ts$/, `.${environment}.ts`))).find(existsSync);
      return twin === undefined ? undefined : { path: twin };
    });
    build.onResolve({ filter: /\.wasm\?gzip$/ }, ({ path, resolveDir }) => ({ path: resolve(resolveDir, path.replace("?gzip", "")), namespace: "gzip" }));
    build.onLoad({ filter: /./, namespace: "gzip" }, ({ path }) => ({ contents: gzipSync(readFileSync(path), { level: 9 }), loader: "binary" }));
    // A module that the application's own build compiles: an import of the file beside this one.
    build.onResolve({ filter: /^kvasm\/kvasm\.wasm(\?module)?$/ }, ({ path }) => ({ path: path.replace("kvasm/", "./"), external: true }));
  },
});

/**
 * Of Hugging Face's library two functions are used, which need nothing of Node: of its two builds that for browsers is the one in which
 * nothing else comes with them. What it uploads with is not used, and does not say that it may be left out.
 */
export const hubLibrary = {
  name: "hub-library",
  setup(build) {
    build.onResolve({ filter: /^@huggingface\/hub$/ }, () => ({ path: at("node_modules/@huggingface/hub/dist/browser/index.mjs"), sideEffects: false }));
    build.onResolve({ filter: /^@huggingface\/(xetchunk-wasm|tasks)$/ }, () => ({ path: "unused", namespace: "unused", sideEffects: false }));
    // Imports that its unused functions make at need: no files for them.
    build.onResolve({ filter: /^\.\/(FileBlob|sha256-node|sha256-wrapper|sub-paths)-/ }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /./, namespace: "unused" }, () => ({ contents: "module.exports = {};" }));
  },
};

const VOCABULARY = "gpt-tokenizer/bpeRanks/r50k_base";

/** GPT-2's vocabulary is a file of its own: five times as large as all else, and the same in every version. */
const vocabulary = {
  name: "vocabulary",
  setup(build) {
    // gpt-tokenizer's own modules import it by a relative path.
    build.onResolve({ filter: /\/bpeRanks\/r50k_base(\.js)?$/ }, () => ({ path: "./vocabulary.js", external: true }));
  },
};

/** commander and others are CommonJS, which asks for Node's own modules by a `require` that an ES module does not have. */
const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/**
 * For tools that know no ES modules, such as Jest as it comes: one file without `import()`. Node itself never takes it, which has one
 * engine for `import` and `require` (package.json, "module-sync").
 */
const COMMON_JS = {
  format: "cjs", platform: "node", splitting: false, outExtension: { ".js": ".cjs" }, supported: { "dynamic-import": false },
  define: { "import.meta.url": "kvasmUrl" }, banner: { js: 'const kvasmUrl = require("node:url").pathToFileURL(__filename).href;' },
};

/** Deno asks the file itself where its types are. */
function withTypes(name, contents) {
  const types = { index: "index", static: "index", convert: "convert", stories: "stories", hub: "hub", worker: "worker", "worker-host": "worker-host" }[name];
  return types === undefined ? contents : Buffer.concat([Buffer.from(`// @ts-self-types="./types/${types}.deno.d.ts"\n`), contents]);
}

async function buildJavaScript(force) {
  const record = at("build", "javascript.json");
  const inputs = ["bindings", "assembly/contract.ts", "dist/kvasm.wasm", "dist/kvasm.relaxed.wasm", "dist/kvasm.threads.wasm", "dist/kvasm.threads.relaxed.wasm", "models/stories/config.json", "package.json", "package-lock.json", "tsconfig.json", "scripts/build.mjs", "scripts/build"].map((path) => at(path));
  const made = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")).map((path) => at(path)) : [];
  if (!force && made.length > 0 && newest(inputs) <= oldest([record, ...made])) return [];

  const esbuild = await import("esbuild");
  const options = {
    absWorkingDir: root, bundle: true, write: false, splitting: true, format: "esm", target: "es2022", platform: "neutral",
    mainFields: ["module", "main"], conditions: ["import"], external: ["node:*"], outdir: "dist", chunkNames: "[name]-[hash]", metafile: true, loader: { ".wasm": "binary" },
    legalComments: "inline", charset: "utf8", minify: true, logLevel: "warning",
  };
  const began = Date.now();
  const builds = await Promise.all([
    esbuild.build({ ...options, entryPoints: API, plugins: [hubLibrary, vocabulary] }),
    esbuild.build({ ...options, entryPoints: BROWSER_API, external: [], plugins: [hubLibrary, vocabulary, twins("browser")] }),
    esbuild.build({ ...options, entryPoints: { workerd: "bindings/index.ts" }, external: [], plugins: [hubLibrary, vocabulary, twins("workerd", "browser")] }),
    esbuild.build({ ...options, entryPoints: { edge: "bindings/index.ts" }, external: [], plugins: [hubLibrary, vocabulary, twins("edge", "browser")] }),
    esbuild.build({ ...options, entryPoints: { static: "bindings/index.ts" }, external: [], splitting: false, plugins: [hubLibrary, twins("static", "browser")] }),
    esbuild.build({ ...options, entryPoints: { "worker-script.browser": "bindings/entries/worker-script.ts" }, external: [], splitting: false, plugins: [hubLibrary, twins("browser")] }),
    esbuild.build({ ...options, ...COMMON_JS, entryPoints: { index: "bindings/index.ts" }, plugins: [hubLibrary, twins("static")] }),
    esbuild.build({ ...options, entryPoints: { vocabulary: VOCABULARY } }),
    esbuild.build({ ...options, entryPoints: { "threads-worker": "bindings/entries/threads-worker.ts" } }),
    esbuild.build({ ...options, entryPoints: { cli: "bindings/cli/main.ts" }, platform: "node", plugins: [publicApi], banner: { js: REQUIRE } }),
  ]);
  put(at(LICENCES), licences(builds.map(({ metafile }) => metafile)));
  const files = new Map(builds.flatMap(({ outputFiles }) => outputFiles.map(({ path, contents }) => [path, contents])));
  for (const [path, contents] of files) put(path, withTypes(basename(path, ".js"), contents));
  chmodSync(at("dist/cli.js"), 0o755);
  for (const name of readdirSync(at("dist"))) {
    if (/\.c?js$/.test(name) && !files.has(at("dist", name)) && statSync(at("dist", name)).mtimeMs < began) rmSync(at("dist", name), { force: true });
  }
  put(record, JSON.stringify([...files.keys(), at(LICENCES)].map((path) => relative(root, path).replaceAll("\\", "/"))));
  return [...files.keys(), at(LICENCES)].map((path) => relative(root, path));
}

// ── types ──

async function buildTypes(force) {
  const target = at("dist/types");
  const inputs = ["bindings", "assembly/contract.ts", "tsconfig.json", "scripts/tsconfig.types.json", "scripts/build", "package-lock.json"].map((path) => at(path));
  if (!force && newest(inputs) <= oldest([join(target, "index.d.ts")])) return [];
  const temporary = at("build", `types.${process.pid}`);
  await run(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", "scripts/tsconfig.types.json", "--outDir", relative(root, temporary)]);
  const { bundleTypes } = await import("./build/types.mjs");
  const files = await bundleTypes(join(temporary, "bindings"));
  for (const [name, text] of Object.entries(files)) put(join(target, name), text);
  for (const name of readdirSync(target)) if (!(name in files)) rmSync(join(target, name), { recursive: true });
  rmSync(temporary, { recursive: true });
  return ["dist/types"];
}

const PARTS = { wasm: buildWasm, javascript: buildJavaScript, types: buildTypes };

export async function build({ parts = Object.keys(PARTS), force = false } = {}) {
  mkdirSync(at("build"), { recursive: true });
  const began = performance.now();
  // JavaScript holds the modules, so they come first.
  const first = parts.includes("wasm") ? await PARTS.wasm(force) : [];
  const built = [...first, ...(await Promise.all(parts.filter((part) => part !== "wasm").map((part) => PARTS[part](force)))).flat()];
  if (built.length > 0) console.log(`kvasm: built ${built.join(", ")} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

main(import.meta.url, async () => {
  const args = process.argv.slice(2);
  const parts = args.filter((arg) => arg !== "--force");
  const unknown = parts.find((part) => !(part in PARTS));
  if (unknown !== undefined) throw new Error(`unknown part ${unknown}; parts: ${Object.keys(PARTS).join(", ")}`);
  await build({ parts: parts.length > 0 ? parts : undefined, force: args.includes("--force") });
});
