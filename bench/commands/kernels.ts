/**
 * Each kernel of a forward pass alone, at the sizes and in the number that a step of GPT-2 124M has them, so that one sees where a
 * step's time goes. Weights and cache of all layers are gone through in turn: they come from main memory, as in a step.
 *
 * Arguments: [SHAPE] [--context N] [--rows N]; rows 1 is a decode step. Repeats each kernel for about 0.2 s.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, seconds } from "../measure.ts";
import { openRooflines } from "../roofline.ts";
import { SHAPES, type ShapeName } from "../shapes.ts";

interface Kernels {
  readonly memory: WebAssembly.Memory;
  multiply(out: number, outStride: number, x: number, xStride: number, rows: number, w: number, k: number, panels: number): void;
  attendOneRow(
    out: number, q: number, pages: number, keys: number, values: number, keyPageBytes: number, valuePageBytes: number, count: number, heads: number, size: number,
    scale: number, scores: number, scoreStride: number, sums: number,
  ): void;
  attendTwoRows(
    out: number, outStride: number, q: number, qStride: number, pages: number, keys: number, values: number, keyPageBytes: number, valuePageBytes: number,
    count: number, size: number, scale: number, scores: number, scoreStride: number, sums: number, divisors: number,
  ): void;
  layerNorm(out: number, x: number, gain: number, bias: number, stride: number, rows: number, width: number, epsilon: number): void;
  activate(x: number, bias: number, stride: number, rows: number, bytes: number, activation: number, scratch: number): void;
  storeKeyValue(keys: number, values: number, lane: number, x: number, bias: number, heads: number, size: number): void;
  addResidual(x: number, y: number, bias: number, stride: number, rows: number, bytes: number): void;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

function compile(): Uint8Array<ArrayBuffer> {
  const { options } = JSON.parse(readFileSync(`${root}asconfig.json`, "utf8")) as { options: Record<string, unknown> };
  const flags = Object.entries(options).flatMap(([name, value]) => value === true ? [`--${name}`] : [value].flat().flatMap((one) => [`--${name}`, String(one)]));
  mkdirSync(`${root}build`, { recursive: true });
  execFileSync(process.execPath, ["node_modules/assemblyscript/bin/asc.js", "bench/assembly/kernels.ts", "--config", "none", ...flags, "--outFile", "build/kernels.wasm"], { cwd: root, stdio: "inherit" });
  return new Uint8Array(readFileSync(`${root}build/kernels.wasm`));
}

const { values: flags, positionals: [shapeName = "124M"] } = parseArgs({
  allowPositionals: true, options: { context: { type: "string", default: "128" }, rows: { type: "string", default: "1" } },
});
const { n_layer: L, n_head: H, n_embd: C, n_inner: F, vocab_size: V } = SHAPES[shapeName as ShapeName];
const context = Number(flags.context);
const rows = Number(flags.rows);
const D = C / H;
const panels = (n: number): number => Math.ceil(n / 16);

// ── memory ──
const kernels = (await WebAssembly.instantiate(compile())).instance.exports as unknown as Kernels;
let top = 65536;
const place = (bytes: number): number => {
  const at = top;
  top += Math.ceil(bytes / 64) * 64;
  return at;
};
const rowBytes = 64 * panels(C);
const wideBytes = 64 * panels(Math.max(3 * C, F));
const layerBytes = 64 * (C * panels(3 * C) + C * panels(C) + C * panels(F) + F * panels(C));
const weights = place(L * layerBytes);
const head = place(64 * C * panels(V));
const pageLayerBytes = 4 * 16 * (C + 16 * panels(D) * H);
const pageBytes = L * pageLayerBytes;
const tokens = context + rows;
const cache = place(panels(tokens) * pageBytes);
const table = place(4 * panels(tokens));
const hidden = place(rows * rowBytes), normed = place(rows * rowBytes), wide = place(rows * wideBytes), vectors = place(4 * wideBytes);
const scoreBytes = 64 * panels(tokens);
const scores = place(Math.max(H, 2) * scoreBytes), sums = place(Math.max(H, 2) * 64 * (panels(D) + 1) + 64), scratch = place(64);
const logits = place(64 * panels(V));
kernels.memory.grow(Math.ceil(top / 65536));
const all = new Float32Array(kernels.memory.buffer, weights, (top - weights) / 4);
for (let i = 0, state = 1; i < all.length; i++) {
  state = Math.imul(state, 1664525) + 1013904223 | 0;
  all[i] = state * 2 ** -34; // ±0.125
}
new Uint32Array(kernels.memory.buffer, table, panels(tokens)).forEach((_, page, pages) => { pages[page] = page; });

// ── what a layer does ──
const matmul = (K: number, N: number, at: number) => (layer: number): void =>
  kernels.multiply(wide, wideBytes, K === F ? wide : normed, K === F ? wideBytes : rowBytes, rows, weights + layer * layerBytes + at, K, panels(N));
const keysOf = (layer: number): number => cache + layer * pageLayerBytes;
const keyBytes = 64 * D, valueBytes = 1024 * panels(D);
const values = 4 * 16 * C;
const scale = 1 / Math.sqrt(D);

function attend(layer: number): void {
  const keys = keysOf(layer);
  for (let h = 0; h < H; h++) {
    for (let r = 0; r + 1 < rows; r += 2) {
      kernels.attendTwoRows(normed + r * rowBytes + h * D * 4, rowBytes, wide + r * wideBytes + h * D * 4, wideBytes, table,
        keys + h * keyBytes, keys + values + h * valueBytes, pageBytes, pageBytes, context + r + 2, D, scale, scores, scoreBytes, sums, scratch);
    }
  }
  if (rows & 1) {
    kernels.attendOneRow(normed + (rows - 1) * rowBytes, wide + (rows - 1) * wideBytes, table, keys, keys + values, pageBytes, pageBytes, context + rows, H, D, scale, scores, scoreBytes, sums);
  }
}

const attended = rows * context + rows * (rows + 1) / 2; // pairs of a row and a token that it sees
const kind = (name: string, times: number, flops: number, bytes: number, call: (layer: number) => void) => ({ name, times, flops, bytes, call });
const linear = (name: string, K: number, N: number, at: number) => kind(name, L, 2 * rows * K * N, 4 * K * N, matmul(K, N, at));
const afterAttn = 64 * C * panels(3 * C), afterProj = afterAttn + 64 * C * panels(C), afterFc = afterProj + 64 * C * panels(F);
const parts = [
  kind("layer norm, 2 a layer", 2 * L, 0, 0, () => kernels.layerNorm(normed, hidden, vectors, vectors + rowBytes, rowBytes, rows, C, 1e-5)),
  linear("attn.c_attn", C, 3 * C, 0),
  kind("keys and values to the cache", L, 0, 0, (layer) => {
    for (let r = 0; r < rows; r++) kernels.storeKeyValue(keysOf(layer), keysOf(layer) + values, r & 15, wide + r * wideBytes, vectors, H, D);
  }),
  kind("attention", L, 4 * C * attended, 8 * C * tokens, attend),
  linear("attn.c_proj", C, C, afterAttn),
  linear("mlp.c_fc", C, F, afterProj),
  kind("gelu", L, 0, 0, () => kernels.activate(wide, vectors, wideBytes, rows, 64 * panels(F), 0, scratch)),
  linear("mlp.c_proj", F, C, afterFc),
  kind("residual, 2 a layer", 2 * L, 0, 0, () => kernels.addResidual(hidden, normed, vectors, rowBytes, rows, rowBytes)),
  kind("head", 1, 2 * C * V, 4 * C * V, () => kernels.multiply(logits, 64 * panels(V), normed, rowBytes, 1, head, C, panels(V))),
];

// ── measure ──
const roofs = await openRooflines(new Uint8Array(readFileSync(`${root}dist/roofline.wasm`)), 256 * 2 ** 20);
const refresh = (): void => { // activations must stay ordinary numbers, however often a kernel is repeated
  const view = new Float32Array(kernels.memory.buffer, hidden, (vectors - hidden) / 4);
  for (let i = 0; i < view.length; i++) view[i] = (i % 97 - 48) / 97;
};
console.log(`${shapeName}, ${rows === 1 ? "a decode step" : `a step of ${rows} rows`} after ${context} tokens; ms a step, with shares of reading (GB/s) or of multiply and add (GFLOP/s)`);
let total = 0;
const lines: [string, number, string][] = [];
for (const part of parts) {
  const reads: number[] = [], peaks: number[] = [];
  const round = (): number => {
    refresh();
    reads.push(roofs.read(64 * 2 ** 20)); // also leaves nothing of weights and cache in the processor's caches
    peaks.push(roofs.peak(0.05));
    return seconds(() => { for (let i = 0; i < part.times; i++) part.call(i % L); });
  };
  let spent = round() + round();
  const times: number[] = [];
  for (spent = 0; (spent < 0.2 || times.length < 3) && times.length < 200;) {
    const time = round();
    times.push(time);
    spent += time;
  }
  const time = median(times);
  total += time;
  const gigabytes = part.bytes * part.times / time, gigaflops = part.flops * part.times / time;
  const bound = rows === 1
    ? part.bytes > 0 ? `${(gigabytes / 1e9).toFixed(1)} GB/s, ${(100 * gigabytes / median(reads)).toFixed(0)} %` : ""
    : part.flops > 0 && part.name !== "head" ? `${(gigaflops / 1e9).toFixed(1)} GFLOP/s, ${(100 * gigaflops / median(peaks)).toFixed(0)} %` : "";
  lines.push([part.name, time, bound]);
}
for (const [name, time, bound] of lines) {
  console.log(`${name.padEnd(30)}${(time * 1e3).toFixed(3).padStart(9)} ms${(100 * time / total).toFixed(1).padStart(7)} %   ${bound}`);
}
console.log(`${"sum".padEnd(30)}${(total * 1e3).toFixed(3).padStart(9)} ms`);
