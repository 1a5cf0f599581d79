/**
 * wllama (llama.cpp as WebAssembly, one thread) in Chromium, beside kvasm in the same Chromium and in Firefox, all in turns:
 *   node bench/run.mjs bench/peers/wllama.ts [--weights q8|q4] [--cache f16|q8] [--flash on|off] [--peer-cache f32|f16]
 * Weights are Q8_0 and Q4_0 there. Flash attention off and a cache in f32 were fastest for its version 3.8. Its times are its own, without the way
 * to its worker and back.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Cache, Weights } from "../../bindings/index.ts";
import { interleave } from "../../bindings/bench/measure.ts";
import { randomIds } from "../../bindings/bench/random-model.ts";
import { shownSpread } from "../../bindings/bench/report.ts";
import { SHAPES, type ShapeName } from "../../bindings/bench/shapes.ts";
import { describeSystem } from "../../bindings/bench/system.ts";
import { CacheType, WeightType } from "../../bindings/wasm/exports.ts";
import { checkTypeName } from "../../bindings/wasm/types.ts";
import type { Asked, Beside, PeerResult } from "./beside.ts";
import { openPages, root, serve, watchOthersThanBrowsers, type Page } from "./browsers.ts";
import { writeGguf } from "./gguf.ts";

/** Steps of one repetition, and ids whose probabilities are compared. */
const DECODE_TOKENS = 8;
const LIKELIEST = 200;
const SEED = 1;
/**
 * Largest difference of a logarithm of a probability among the likeliest ids; the logits' root mean square is 2.2. In f32 the order of
 * sums differs, and llama.cpp looks GELU up in a table of 16-bit floats; integers are rounded in two ways, as beside.ts says.
 */
const ALLOWED: Readonly<Record<Weights, number>> = { f32: 1e-2, q8: 0.5, q4: 3 };

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "124M" }, contexts: { type: "string", default: "128,900" }, prompts: { type: "string", default: "128,512" },
    weights: { type: "string", default: "f32" }, cache: { type: "string", default: "f32" }, flash: { type: "string", default: "off" },
    "peer-cache": { type: "string", default: "f32" }, repetitions: { type: "string", default: "5" }, json: { type: "boolean", default: false },
  },
});
const shapeName = values.shape as ShapeName;
if (!Object.hasOwn(SHAPES, shapeName)) throw new Error(`--shape: expected one of ${Object.keys(SHAPES).join(", ")}, got ${shapeName}.`);
if (!["on", "off"].includes(values.flash) || !["f32", "f16"].includes(values["peer-cache"])) throw new Error("--flash is on or off, --peer-cache f32 or f16.");
const weights = checkTypeName<Weights>("--weights", values.weights, WeightType)!;
const cache = checkTypeName<Cache>("--cache", values.cache, CacheType)!;
const repetitions = Number(values.repetitions);
const list = (text: string): number[] => text.split(",").filter(Boolean).map(Number);
const say = (text: string): void => { if (!values.json) console.log(text); };

const library = join(root, "bench/peers/wllama/node_modules/@wllama/wllama");
let version: string;
try {
  ({ version } = JSON.parse(readFileSync(join(library, "package.json"), "utf8")));
} catch (cause) {
  throw new Error("@wllama/wllama is not installed. Run: npm ci --ignore-scripts --prefix bench/peers/wllama", { cause });
}

const folder = join(root, "build/peers", `wllama.${process.pid}`);
mkdirSync(folder, { recursive: true });
const file = (name: string): string => join(folder, name);
const { build } = createRequire(join(root, "package.json"))("esbuild");
await build({
  entryPoints: [join(root, "bench/peers/wllama/page.ts")], outfile: file("page.js"), bundle: true, format: "esm", platform: "browser", target: "es2022", logLevel: "warning",
  plugins: [{
    // What is measured is the package as it is published.
    name: "package",
    setup: ({ onResolve }: any) => onResolve({ filter: /\/index\.ts$/ }, () => ({ path: "/dist/index.js", external: true })),
  }],
});
writeFileSync(file("page.html"), '<!doctype html><title>kvasm beside wllama</title><script type="module" src="/page.js"></script>');
writeGguf(file("model.gguf"), SHAPES[shapeName], SEED, weights, "words");
const server = await serve({
  "/page.html": file("page.html"), "/page.js": file("page.js"), "/model.gguf": file("model.gguf"), "/dist/": join(root, "dist/"), "/wllama/": join(library, "esm/"),
});
const pages = await openPages(["Chromium", "Firefox"], `${server.origin}/page.html`);
try {
  const results = await run(pages);
  if (values.json) console.log(JSON.stringify({ browsers: results }, null, 2));
} finally {
  await Promise.all(pages.map((page) => page.close()));
  server.close();
  rmSync(folder, { recursive: true });
}

async function run(pages: readonly Page[]): Promise<PeerResult[]> {
  const [chromium] = pages;
  if (chromium?.browser !== "Chromium") throw new Error("No Chromium is installed here, in which wllama is measured.");
  const asked: Asked = { shape: SHAPES[shapeName], seed: SEED, weights, cache };
  const settings = { flash: values.flash === "on", cache: values["peer-cache"] };
  const own: string[] = [];
  for (const page of pages) own.push(await page.call<string>("open", "kvasm", asked, settings));
  const llama = await chromium.call<string>("open", "wllama", asked, settings);
  const shown = `in Chromium, llama.cpp ${llama}, weights in ${{ f32: "F32", q8: "Q8_0", q4: "Q4_0" }[weights]}, flash attention ${values.flash}, cache in ${settings.cache}`;
  say(`kvasm beside wllama ${version} (${shown}), ${shapeName}, weights in ${weights}, cache in ${cache}, one thread`);
  const machine = await describeSystem();
  say(`${pages.map(({ browser, version }, i) => `${browser} ${version} (kvasm with ${own[i]})`).join(", ")}, ${machine.cpu}, ${machine.cores} cores`);
  const check = await compareModels(pages);
  say(`checked: logarithms of the ${LIKELIEST} largest probabilities differ by at most ${check.toExponential(1)}`);

  const rows: Beside[][] = pages.map(() => []);
  for (const measure of ["prefill", "decode"] as const) {
    for (const tokens of list(measure === "prefill" ? values.prompts : values.contexts)) {
      for (const [page, one] of (await compare(pages, measure, tokens)).entries()) {
        rows[page]!.push(one);
        say(`${measure} ${measure === "decode" ? "at" : "of"} ${tokens}: kvasm in ${pages[page]!.browser} ${shownSpread(one.kvasm)}, wllama ${shownSpread(one.peer)} tokens/s, ratio ${shownSpread(one.ratio, 1, 2)}${(one.disturbance.othersCores ?? 0) > 0.1 ? `, other programs used ${one.disturbance.othersCores!.toFixed(2)} cores` : ""}`);
      }
    }
  }
  return pages.map(({ browser, version: browserVersion }, page) => ({
    system: { ...machine, runtime: browser, version: browserVersion, engine: null },
    peer: { name: "wllama", version, settings: shown },
    inputs: { shape: shapeName, weights, cache, seed: SEED, repetitions, decodeTokens: DECODE_TOKENS },
    check: null, results: rows[page]!,
  }));
}

/** The same prompt through all of them: the same model, or the comparison means nothing. Returns the largest difference. */
async function compareModels(pages: readonly Page[]): Promise<number> {
  const prompt = randomIds(33, SHAPES[shapeName].vocab_size, 11);
  type Likeliest = [id: number, logprob: number][];
  const theirs = await pages[0]!.call<Likeliest>("likeliest", "wllama", prompt, LIKELIEST);
  let largest = 0;
  for (const page of pages) {
    const ours = new Map(await page.call<Likeliest>("likeliest", "kvasm", prompt, SHAPES[shapeName].vocab_size));
    for (const [id, logprob] of theirs) largest = Math.max(largest, Math.abs(logprob - ours.get(id)!));
  }
  if (theirs.length !== LIKELIEST || !(largest < ALLOWED[weights])) {
    throw new Error(`wllama computes another model: of ${theirs.length} probabilities the logarithms differ by up to ${largest}, where ${ALLOWED[weights]} is allowed.`);
  }
  return largest;
}

/** wllama and kvasm in each page, in turns. The first call of each is not counted. */
async function compare(pages: readonly Page[], measure: "prefill" | "decode", tokens: number): Promise<Beside[]> {
  const rate = (page: Page, engine: string) => () => (measure === "prefill" ? page.call<number>("prefill", engine, tokens) : page.call<number>("decode", engine, tokens, DECODE_TOKENS));
  const theirs = rate(pages[0]!, "wllama");
  const ours = pages.map((page) => rate(page, "kvasm"));
  // A decode follows a prompt that both have in their caches.
  if (measure === "decode") await pages[0]!.call("prefill", "wllama", tokens);
  for (const call of [theirs, ...ours]) await call();
  const { reference, rates, shares, disturbance } = await interleave(measure === "decode" ? 2 * repetitions : repetitions, watchOthersThanBrowsers(), theirs, ...ours);
  return pages.map((_, page) => ({ measure, tokens, kvasm: rates[page]!, peer: reference, ratio: shares[page]!, disturbance }));
}
