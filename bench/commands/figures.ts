/**
 * All figures of the README and docs/performance.md in one run, as Markdown: kvasm with every sensible pair of weights and cache, beside
 * the peers that are installed, and the first token. Each is a process of its own. About twenty minutes on a quiet machine; on one where
 * other programs compute up to three times as long.
 *
 * Arguments: [--out build/figures] [--node PATH] [--only own,peers,first-token] [--repetitions 5] [--shape 124M]
 * What each process printed is written to OUT as JSON, the Markdown to OUT/figures.md.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { BenchResult } from "../../bindings/bench/bench.ts";
import { figuresMarkdown, type Figures, type FirstTokenResult } from "../figures.ts";
import type { PeerResult } from "../peers/beside.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "build/figures" }, node: { type: "string", default: process.execPath },
    only: { type: "string", default: "own,peers,first-token" }, repetitions: { type: "string", default: "5" }, shape: { type: "string", default: "124M" },
  },
});
const root = fileURLToPath(new URL("../../", import.meta.url));
const out = resolve(values.out);
const only = values.only.split(",");
mkdirSync(out, { recursive: true });

/** Runs a file of this folder in a process of its own and returns what it printed as JSON. */
async function run<T>(name: string, file: string, ...args: string[]): Promise<T> {
  const start = performance.now();
  process.stderr.write(`${name} … `);
  const { stdout } = await promisify(execFile)(values.node, [join(root, "bench/run.mjs"), join(root, "bench", file), "--json", ...args], { cwd: root, maxBuffer: 2 ** 26 });
  const json = stdout.slice(stdout.search(/^\{/m)); // before it, what was built, and what a peer says
  writeFileSync(join(out, `${name}.json`), json);
  process.stderr.write(`${((performance.now() - start) / 1000).toFixed(0)} s\n`);
  return JSON.parse(json) as T;
}

const own: BenchResult[] = [];
if (only.includes("own")) {
  const measured = [
    ["f32", "f32"], ["q8", "f32", "f32"], ["q8", "f16"], ["q8", "q8"], ["q4", "f32", "q8"], ["q4", "f16"], ["q4", "q8"],
  ] as const;
  for (const [weights, cache, beside] of measured) {
    own.push(await run<BenchResult>(`own-${weights}-${cache}`, "commands/end-to-end.ts", "--shape", values.shape, "--repetitions", values.repetitions,
      "--weights", weights, "--cache", cache, ...(beside ? ["--beside", beside] : [])));
  }
}

// A peer's cache is in f32 or, where that is faster for it, in f16: kvasm's is the same.
const PEERS: readonly (readonly [folder: string, ...args: string[]])[] = [
  ["onnxruntime-web"], ["onnxruntime-web", "--weights", "q8"], ["onnxruntime-web", "--weights", "q4"],
  ["llama.cpp"], ["llama.cpp", "--weights", "q8", "--cache", "f16"], ["llama.cpp", "--weights", "q4", "--cache", "f16"],
  ["transformers"],
  ["wllama"], ["wllama", "--weights", "q8"], ["wllama", "--weights", "q4"],
];
const peers: PeerResult[] = [];
if (only.includes("peers")) {
  for (const [peer, ...args] of PEERS) {
    if (!existsSync(join(root, "bench/peers", peer, "node_modules"))) {
      process.stderr.write(`${peer} is not installed: npm ci --ignore-scripts --prefix bench/peers/${peer}\n`);
      continue;
    }
    const repetitions = String(Math.max(1, Math.floor(Number(values.repetitions) / 2)));
    // wllama has a result for each browser in which kvasm ran beside it.
    const seen = await run<PeerResult | { browsers: PeerResult[] }>(["peer", peer, ...args.filter((arg) => !arg.startsWith("--"))].join("-"), `peers/${peer}.ts`,
      "--shape", values.shape, "--repetitions", repetitions, ...args);
    peers.push(..."browsers" in seen ? seen.browsers : [seen]);
  }
}

const firstToken = only.includes("first-token") ? await run<FirstTokenResult>("first-token", "commands/first-token.ts") : null;

const figures: Figures = { own, peers, firstToken };
const markdown = figuresMarkdown(figures);
writeFileSync(join(out, "figures.md"), markdown + "\n");
console.log(markdown);
