/**
 * Seconds from nothing to the first token of a model of GPT-2 124M's shape: from disk and from a server, as fast as that goes and at a
 * given rate; in Node (from starting the process), Chromium and Firefox (from opening the page); beside onnxruntime-web on the same
 * weights, wllama (in Chromium) and reading the bytes alone.
 * Arguments: [--weights f32|q8|q4] [--rate 100] (MB/s; 0: leave that out) [--repetitions 3] [--only Node,Chromium,Firefox]
 * [--engines kvasm,onnxruntime-web,wllama,reading] [--shape 124M] [--json]
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Weights } from "../../bindings/index.ts";
import { spread, type Spread } from "../../bindings/bench/measure.ts";
import { randomIds } from "../../bindings/bench/random-model.ts";
import { shownSpread } from "../../bindings/bench/report.ts";
import { SHAPES, type ShapeName } from "../../bindings/bench/shapes.ts";
import { describeSystem } from "../../bindings/bench/system.ts";
import { WeightType } from "../../bindings/wasm/exports.ts";
import { checkTypeName } from "../../bindings/wasm/types.ts";
import { writeModels } from "../loading/files.ts";
import { startServer } from "../loading/server.ts";
import { wordOf } from "../peers/words.ts";
import type { Job, Runtime, Runtimes } from "../loading/types.ts";

const { values } = parseArgs({
  options: {
    weights: { type: "string", default: "f32" }, rate: { type: "string", default: "100" }, repetitions: { type: "string", default: "3" },
    only: { type: "string", default: "Node,Chromium,Firefox" }, engines: { type: "string", default: "kvasm,onnxruntime-web,wllama,reading" }, shape: { type: "string", default: "124M" }, json: { type: "boolean", default: false },
  },
});
const weights = checkTypeName<Weights>("--weights", values.weights, WeightType)!;
const shape = SHAPES[values.shape as ShapeName];
if (!shape) throw new Error(`--shape: expected one of ${Object.keys(SHAPES).join(", ")}, got ${values.shape}.`);
const rate = Number(values.rate);
const repetitions = Number(values.repetitions);
if (!(rate >= 0) || !(repetitions >= 1)) throw new Error("--rate: expected MB/s, --repetitions: a number of them.");
const only = values.only.split(",");

// Seen from build/bench, where this file runs.
const root = fileURLToPath(new URL("../../", import.meta.url));
const { nodeRuntime, browserRuntimes } = await import(new URL("../../bench/loading/runtimes.mjs", import.meta.url).href) as Runtimes;
const peer = join(root, "bench/peers/onnxruntime-web/node_modules/onnxruntime-web/dist");
const engines = values.engines.split(",");
const hasPeer = existsSync(peer);
const llama = join(root, "bench/peers/wllama/node_modules/@wllama/wllama/esm");
const hasLlama = engines.includes("wllama") && only.includes("Chromium") && existsSync(llama);
const folder = join(root, `build/bench/loading.${process.pid}`);
const say = (text: string): void => { if (!values.json) console.log(text); };
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

interface Row {
  readonly runtime: string;
  readonly from: string;
  readonly engine: Job["engine"];
  /** Seconds. */
  readonly seconds: Spread;
  /** Milliseconds until each step of the repetition in the middle had ended. */
  readonly steps: Readonly<Record<string, number>>;
}

const models = await writeModels(folder, shape, weights, hasLlama);
const server = await startServer({ "/bench/": join(root, "bench/loading"), "/dist/": join(root, "dist"), "/onnxruntime/": peer, "/wllama/": llama, "/model/": folder });
const runtimes: Runtime[] = [];
const rows: Row[] = [];
const tokens: Partial<Record<Job["engine"], number>> = {};
const system = await describeSystem();
say(`${system.cpu}, ${system.cores} cores; ${values.shape}, ${weights}: kvasm's file ${megabytes(models.bytes.kvasm)}${hasPeer ? `, onnxruntime's ${megabytes(models.bytes.onnx)}` : "; onnxruntime-web is not installed: npm ci --ignore-scripts --prefix bench/peers/onnxruntime-web"}${hasLlama ? `, wllama's ${megabytes(models.bytes.gguf)}` : ""}`);
say("seconds from nothing to the first token, median (lowest–highest)");

try {
  if (only.includes("Node")) runtimes.push(nodeRuntime());
  runtimes.push(...await browserRuntimes(server.origin, only));
  for (const runtime of runtimes) {
    const places = [...(runtime.isBrowser ? [] : ["disk"]), "server", ...(rate > 0 ? [`server at ${rate} MB/s`] : [])];
    for (const from of places) {
      server.rate = from === places.at(-1) && rate > 0 ? rate * 1e6 : Infinity;
      await measure(runtime, from);
    }
  }
} finally {
  for (const runtime of runtimes) await runtime.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify({ system, inputs: { shape: values.shape, weights, rate, repetitions, bytes: models.bytes }, rows }, null, 2));

/** The engines in turns; a first round, which brings files and code into caches, does not count. */
async function measure(runtime: Runtime, from: string): Promise<void> {
  const place = from === "disk" ? (path: string) => path : (path: string) => `${server.origin}/model${path.slice(folder.length)}`;
  const library = (file: string, browser: string): string => runtime.isBrowser ? `${server.origin}${browser}` : pathToFileURL(file).href;
  const ids = randomIds(4, shape.vocab_size);
  const common = { ids, prompt: ids.map(wordOf).join(""), graph: models.graph };
  const jobs: Job[] = [
    { ...common, engine: "kvasm", library: library(join(root, "dist/index.js"), "/dist/browser.js"), source: place(`${models.folder}/`) },
    ...(hasPeer ? [{ ...common, engine: "onnxruntime-web" as const, library: library(join(peer, "ort.node.min.mjs"), "/onnxruntime/ort.wasm.bundle.min.mjs"), source: place(join(folder, "model.onnx")) }] : []),
    ...(hasLlama && runtime.name === "Chromium" ? [{ ...common, engine: "wllama" as const, library: `${server.origin}/wllama/index.js`, source: place(join(folder, "model.gguf")) }] : []),
    { ...common, engine: "reading", library: "", source: place(join(models.folder, "model.safetensors")) },
  ];
  const asked = jobs.filter(({ engine }) => engines.includes(engine));
  const answers = asked.map((): Awaited<ReturnType<Runtime["run"]>>[] => []);
  for (let round = 0; round <= repetitions; round++) {
    for (const [i, job] of asked.entries()) {
      const one = await runtime.run(job);
      if (round > 0) answers[i]!.push(one);
    }
  }
  for (const [i, { engine }] of asked.entries()) {
    const all = answers[i]!.sort((a, b) => a.total - b.total);
    check(engine, all.map(({ id }) => id));
    const row: Row = { runtime: `${runtime.name} ${runtime.version}`, from, engine, seconds: spread(all.map(({ total }) => total / 1000)), steps: all[all.length >> 1]!.steps };
    rows.push(row);
    const steps = Object.entries(row.steps).slice(0, -1).map(([name, at]) => `${name} ${(at / 1000).toFixed(2)}`).join(", ");
    say(`  ${row.runtime.padEnd(24)}${from.padEnd(22)}${engine.padEnd(17)}${shownSpread(row.seconds, 1, 2)}   ended: ${steps}`);
  }
}

/** Wherever it runs, an engine gives the same token; with f32 weights all of them give the same one. */
function check(engine: Job["engine"], ids: readonly number[]): void {
  tokens[engine] ??= ids[0];
  const wanted = engine !== "reading" && weights === "f32" ? tokens.kvasm : tokens[engine];
  const other = ids.find((id) => id !== wanted);
  if (other !== undefined) throw new Error(`${engine}: gave ${other} where ${wanted} was expected: not the same model.`);
}
