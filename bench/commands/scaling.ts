/**
 * What a token costs against context, rows of a prefill and size of the model; writes bench/scaling/results.json, of which
 * bench/scaling/draw.mjs makes docs/scaling.svg and docs/scaling.md. About twenty minutes, and 6 GB for the largest sizes. The sizes in
 * integers are measured at two contexts and two prompts.
 *
 * Arguments: [--shapes distil,124M,medium,large] [--integers distil,…,xl] [--contexts 16,…] [--rows 1,…] [--repetitions 5] [--out FILE]
 * [--keep]: what the file has of other sizes stays, so that the run can be done in parts; an empty list leaves its part out.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { load, type Weights } from "../../bindings/index.ts";
import { interleave, seconds, type Spread } from "../../bindings/bench/measure.ts";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { openRooflines } from "../../bindings/bench/roofline.ts";
import { SHAPES, decodeBytes, parameters, prefillOperations, type Shape, type ShapeName } from "../../bindings/bench/shapes.ts";
import { describeSystem, watchOthers, type System } from "../../bindings/bench/system.ts";

/** Milliseconds a token, and what the limits allow. */
export interface Cost {
  /** Tokens of context, or rows of the prefill. */
  readonly tokens: number;
  readonly milliseconds: Spread;
  /** Milliseconds that only reading as many bytes, or only multiplying and adding as often, takes: the larger of the two. */
  readonly limit: number;
  readonly othersCores: number | null;
}

export interface Scaling {
  readonly system: System;
  readonly inputs: { readonly repetitions: number; readonly decodeTokens: number; readonly seed: number };
  readonly sizes: readonly {
    readonly name: ShapeName; readonly weights: Weights; readonly shape: Shape; readonly parameters: number;
    /** Bytes of memory with a cache of one sequence, and seconds that making, rounding and packing the random weights took. */
    readonly memoryBytes: number; readonly loadSeconds: number;
    /** Of what the weights need: f32 or the 16-bit dot product. */
    readonly readBytesPerSecond: Spread; readonly peakPerSecond: Spread;
    readonly decode: readonly Cost[]; readonly prefill: readonly Cost[];
  }[];
}

const DECODE_TOKENS = 4;
const SEED = 1;
const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "distil,124M,medium,large" },
    integers: { type: "string", default: "distil,124M,medium,large,xl" },
    keep: { type: "boolean", default: false },
    contexts: { type: "string", default: "16,128,256,384,512,640,768,896,1016" },
    rows: { type: "string", default: "1,2,4,8,16,32,64,128,256,512" },
    repetitions: { type: "string", default: "5" },
    out: { type: "string", default: "bench/scaling/results.json" },
  },
});
const names = (text: string): ShapeName[] => text.split(",").filter(Boolean) as ShapeName[];
const list = (text: string): number[] => text.split(",").map(Number);
const repetitions = Number(values.repetitions);
const others = await watchOthers();
const roofline = new Uint8Array(await readFile(new URL("../../dist/roofline.wasm", import.meta.url)));

async function measure(name: ShapeName, weights: Weights, contexts: number[], prompts: number[]): Promise<Scaling["sizes"][number]> {
  const shape = SHAPES[name];
  const title = `${name}, ${weights}`;
  const start = performance.now();
  const model = await load(randomModel(shape, SEED), { weights, contextLength: shape.n_positions, maxSequences: 1 });
  const loadSeconds = (performance.now() - start) / 1000;
  console.log(`${title}: ${(model.memory.total / 2 ** 30).toFixed(2)} GiB, loaded in ${loadSeconds.toFixed(1)} s`);
  const roofs = await openRooflines(roofline, decodeBytes(shape, shape.n_positions, weights));
  const ids = randomIds(shape.n_positions, shape.vocab_size);
  const sequence = model.sequence();
  sequence.prefill(ids.slice(0, 64)); // not counted
  const inverse = ({ median, min, max, repetitions }: Spread, factor: number): Spread =>
    ({ median: factor / median, min: factor / max, max: factor / min, repetitions });

  const peaks: Spread[] = [], reads: Spread[] = [];
  const prefill: { rows: number; rate: Spread; peak: number; othersCores: number | null }[] = [];
  for (const rows of prompts) {
    const prompt = ids.slice(0, rows);
    const call = (): number => {
      sequence.truncate(0);
      return rows / seconds(() => sequence.prefill(prompt));
    };
    call();
    const { reference, rates: [rate], disturbance } = await interleave(rows > 128 ? Math.ceil(repetitions / 2) : repetitions, others, () => weights === "f32" ? roofs.peak() : roofs.dotPeak(), call);
    peaks.push(reference);
    prefill.push({ rows, rate: rate!, peak: reference.median, othersCores: disturbance.othersCores });
    console.log(`${title}, prefill of ${rows}: ${rate!.median.toFixed(1)} tokens/s`);
  }

  const decode: { context: number; rate: Spread; read: number; othersCores: number | null }[] = [];
  sequence.truncate(0);
  for (const context of contexts) {
    sequence.prefill(ids.slice(sequence.length, context));
    const call = (): number => {
      sequence.truncate(context);
      return DECODE_TOKENS / seconds(() => {
        let id = ids[0]!;
        for (let step = 0; step < DECODE_TOKENS; step++) {
          sequence.decode(id);
          id = sequence.sample({ temperature: 0 });
        }
      });
    };
    call();
    const { reference, rates: [rate], disturbance } = await interleave(2 * repetitions, others, () => roofs.read(decodeBytes(shape, context, weights)), call);
    sequence.truncate(context);
    reads.push(reference);
    decode.push({ context, rate: rate!, read: reference.median, othersCores: disturbance.othersCores });
    console.log(`${title}, decode at ${context}: ${rate!.median.toFixed(1)} tokens/s`);
  }
  const memoryBytes = model.memory.total;
  model.dispose();

  const middle = (spreads: readonly Spread[]): Spread => [...spreads].sort((a, b) => a.median - b.median)[spreads.length >> 1]!;
  const readRate = middle(reads), peakRate = middle(peaks);
  return {
    name, weights, shape, parameters: parameters(shape), memoryBytes, loadSeconds, readBytesPerSecond: readRate, peakPerSecond: peakRate,
    decode: decode.map(({ context, rate, read, othersCores }) => ({
      tokens: context, milliseconds: inverse(rate, 1000), othersCores,
      limit: 1000 * decodeBytes(shape, context + (DECODE_TOKENS + 1) / 2, weights) / read,
    })),
    prefill: prefill.map(({ rows, rate, peak, othersCores }) => ({
      tokens: rows, milliseconds: inverse(rate, 1000), othersCores,
      limit: 1000 / rows * Math.max(decodeBytes(shape, rows, weights) / readRate.median, prefillOperations(shape, rows) / peak),
    })),
  };
}

const sizes: Scaling["sizes"][number][] = [];
for (const name of names(values.shapes)) sizes.push(await measure(name, "f32", list(values.contexts), list(values.rows)));
for (const name of names(values.integers)) {
  for (const weights of ["q8", "q4"] as const) sizes.push(await measure(name, weights, [128, 896], [128, 512]));
}
if (values.keep) {
  const before: Scaling = JSON.parse(await readFile(values.out, "utf8"));
  sizes.push(...before.sizes.filter(({ name, weights }) => !sizes.some((size) => size.name === name && size.weights === weights)));
}
const order = Object.keys(SHAPES);
sizes.sort((a, b) => (a.weights < b.weights ? -1 : a.weights > b.weights ? 1 : order.indexOf(a.name) - order.indexOf(b.name)));
const result: Scaling = { system: await describeSystem(), inputs: { repetitions, decodeTokens: DECODE_TOKENS, seed: SEED }, sizes };
await writeFile(values.out, JSON.stringify(result, null, 1) + "\n");
console.log(`written: ${values.out}. Now: node bench/scaling/draw.mjs`);
