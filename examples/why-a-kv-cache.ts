/**
 * Why is a KV cache valid? A notebook asked it like this: run GPT-2 over eight tokens, run it again with one more token behind
 * them, and compare the hidden states of the eight. They must be the same, for no token looks ahead: then what was computed for
 * them can be kept. The notebook accepted differences up to 1e-4 and saw up to 4.2e-5. Here they are 0, to the last bit.
 *
 *   npm run example why-a-kv-cache                       the checkpoint that PyTorch's figures below are for
 *   npm run example why-a-kv-cache models/stories        any other with GPT-2's vocabulary
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { load } from "kvasm";
import { differenceOfSums, interleavings } from "./why-a-kv-cache/sums.ts";

const IDS = [464, 2068, 7586, 21831, 18045, 625, 262, 16931]; // The quick brown fox leaps over the lazy
const DOG = 3290; //                                              dog
const MORE = [DOG, 33513, 6159, 41163, 12971, 33464, 20392, 4445];

const checkpoint = process.argv[2] ?? "tests/fixtures/prefix";
const model = await load(new URL(checkpoint.replace(/\/*$/, "/"), new URL("../", import.meta.url)));
const layers = model.config.n_layer + 1;

/** n_layer + 1 hidden states, each Float32Array [ids.length, n_embd], the ids taken in steps of the given sizes. */
function hiddenStates(ids: number[], steps?: number[]): Float32Array[] {
  return model.trace(ids, { hiddenStates: true, steps }).hiddenStates!;
}

/** The largest absolute difference of the first `rows` rows; throws unless every bit is the same. */
function compare(actual: Float32Array, expected: Float32Array, rows: number): number {
  const count = rows * model.config.n_embd;
  const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, count);
  const [a, b] = [bits(actual), bits(expected)];
  let largest = 0;
  for (let i = 0; i < count; i++) {
    largest = Math.max(largest, Math.abs(actual[i] - expected[i]));
    if (a[i] !== b[i]) throw new Error(`value ${i} differs: ${actual[i]} and ${expected[i]}`);
  }
  return largest;
}

const shown = (difference: number) => (difference === 0 ? "0" : difference.toExponential(1));
const line = (differences: number[]) => differences.map((d) => shown(d).padStart(8)).join("");

// ── the experiment ──
console.log(`The token ids ${JSON.stringify(IDS)}, alone and with ${DOG} (" dog") behind them; ${checkpoint}`);
const longer = hiddenStates([...IDS, DOG]);
hiddenStates(IDS).forEach((alone, layer) => {
  console.log(`layer ${layer}, max difference ${compare(alone, longer[layer], IDS.length)}`);
});

// ── harder rows ──
// PyTorch runs 8 and 9 rows through one kernel and agrees with itself there. It does not for 8 and 16 rows, for 1 and many, or
// through the cache. Its figures: float32, one thread, eager, the largest difference a layer.
type Figures = Record<string, Record<string, number[]>>;
const torch: Figures = process.argv[2] === undefined
  ? JSON.parse(await readFile(new URL("../tests/fixtures/prefix/reference.json", import.meta.url), "utf8")).torch_own_differences
  : {};
// Not stored for 64 tokens; this is at GPT-2's size (docs/why-a-kv-cache.md has every layer).
const TORCH_64: Record<string, number> = { "prefix alone": 8.1e-6, "first token alone": 2.1e-5, "rest through the cache": 7.6e-6, "one token at a time": 2.6e-5 };

for (const [name, length] of [["longer", 9], ["longer16", 16], ["longer64", 64]] as const) {
  const ids = Array.from({ length }, (_, i) => [...IDS, ...MORE][i % 16]);
  const whole = hiddenStates(ids);
  const ways: [string, Float32Array[]][] = [
    ["prefix alone", hiddenStates(IDS)],
    ["first token alone", hiddenStates([IDS[0]])],
    ["rest through the cache", hiddenStates(ids, [IDS.length, length - IDS.length])],
    ["one token at a time", hiddenStates(ids, ids.map(() => 1))],
  ];
  console.log(`\nAgainst ${length} tokens in one step, the largest difference of layers 0 to ${layers - 1}:`);
  for (const [way, states] of ways) {
    const rows = states[0].length / model.config.n_embd;
    console.log(`${way.padEnd(23)} kvasm  ${line(states.map((state, layer) => compare(state, whole[layer], rows)))}`);
    const figures = torch[name]?.[way];
    if (figures !== undefined) console.log(`${" ".repeat(23)} PyTorch${line(figures)}`);
    else if (length === 64) console.log(`${" ".repeat(23)} PyTorch, at GPT-2's size, up to ${shown(TORCH_64[way])}`);
  }
}
model.dispose();

// ── the aside: what would make them differ ──
const sums = await differenceOfSums();
console.log(`
Why is that not a matter of course? Because floating-point sums depend on their order. The same ${sums.terms} products, summed by
this module's own matmul whole and in two halves that are then added: ${sums.differing} of ${sums.outputs} sums differ, by up to ${shown(sums.largest)}.
Output ${sums.example.output}: ${sums.example.whole} and ${sums.example.halves}. Neither is the wrong one: in 64 bits it is ${sums.example.exact}.
The largest error against 64 bits is ${shown(sums.errorWhole)} whole and ${shown(sums.errorHalves)} in halves.

A kernel that splits a sum for many rows and not for one does just that, and so do threads that share one. Then there is the
race: y[i] += x is a load, an addition and a store. Two threads add 1 and 2 to 0, and over the ${interleavings().count} ways to interleave them
y[i] becomes ${interleavings().results.join(" or ")}: what is lost depends on who was faster. With atomic additions nothing is lost, but the
order is still open: four quarters of one of these sums, added in all ${sums.orders} orders, give up to ${sums.resultsOfOrders} different results.

kvasm has neither. An output is one running sum from +0 in ascending order, in the kernel for one row and in the one for many;
work is divided over outputs, never inside a sum; nobody adds to what another one adds to. Rows do not know how many
others are computed beside them. So there is one order, and it is written down: docs/NUMERICS.md.`);
