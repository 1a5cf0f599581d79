/**
 * What a token costs against context, rows of a prefill and size of the model; writes bench/scaling/results.json, of which
 * bench/scaling/draw.mjs makes docs/scaling.svg and docs/scaling.md. About ten minutes, and 7 GB for the largest size.
 *
 * Arguments: [--shapes distil,124M,medium,large] [--contexts 16,…] [--rows 1,…] [--repetitions 5] [--out FILE]
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { load } from "../../bindings/index.ts";
import { interleave, seconds, type Spread } from "../measure.ts";
import { randomIds, randomModel } from "../random-model.ts";
import { openRooflines } from "../roofline.ts";
import { SHAPES, decodeBytes, parameters, prefillOperations, type Shape, type ShapeName } from "../shapes.ts";
import { describeSystem, watchOthers, type System } from "../system.ts";

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
    readonly name: ShapeName; readonly shape: Shape; readonly parameters: number;
    readonly readBytesPerSecond: Spread; readonly peakFlopsPerSecond: Spread;
    readonly decode: readonly Cost[]; readonly prefill: readonly Cost[];
  }[];
}

const DECODE_TOKENS = 4;
const SEED = 1;
const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "distil,124M,medium,large" },
    contexts: { type: "string", default: "16,128,256,384,512,640,768,896,1016" },
    rows: { type: "string", default: "1,2,4,8,16,32,64,128,256,512" },
    repetitions: { type: "string", default: "5" },
    out: { type: "string", default: "bench/scaling/results.json" },
  },
});
const list = (text: string): number[] => text.split(",").map(Number);
const repetitions = Number(values.repetitions);
const others = await watchOthers();
const roofline = new Uint8Array(await readFile(new URL("../../dist/roofline.wasm", import.meta.url)));

async function measure(name: ShapeName): Promise<Scaling["sizes"][number]> {
  const shape = SHAPES[name];
  const model = await load(randomModel(shape, SEED), { contextLength: shape.n_positions, maxSequences: 1 });
  const roofs = await openRooflines(roofline, decodeBytes(shape, shape.n_positions));
  const ids = randomIds(shape.n_positions, shape.vocab_size);
  const sequence = model.sequence();
  sequence.prefill(ids.slice(0, 64)); // not counted
  const inverse = ({ median, min, max, repetitions }: Spread, factor: number): Spread =>
    ({ median: factor / median, min: factor / max, max: factor / min, repetitions });

  const peaks: Spread[] = [], reads: Spread[] = [];
  const prefill: { rows: number; rate: Spread; peak: number; othersCores: number | null }[] = [];
  for (const rows of list(values.rows)) {
    const prompt = ids.slice(0, rows);
    const call = (): number => {
      sequence.truncate(0);
      return rows / seconds(() => sequence.prefill(prompt));
    };
    call();
    const { reference, rates: [rate], disturbance } = await interleave(rows > 128 ? Math.ceil(repetitions / 2) : repetitions, others, () => roofs.peak(), call);
    peaks.push(reference);
    prefill.push({ rows, rate: rate!, peak: reference.median, othersCores: disturbance.othersCores });
    console.log(`${name}, prefill of ${rows}: ${rate!.median.toFixed(1)} tokens/s`);
  }

  const decode: { context: number; rate: Spread; read: number; othersCores: number | null }[] = [];
  sequence.truncate(0);
  for (const context of list(values.contexts)) {
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
    const { reference, rates: [rate], disturbance } = await interleave(2 * repetitions, others, () => roofs.read(decodeBytes(shape, context)), call);
    sequence.truncate(context);
    reads.push(reference);
    decode.push({ context, rate: rate!, read: reference.median, othersCores: disturbance.othersCores });
    console.log(`${name}, decode at ${context}: ${rate!.median.toFixed(1)} tokens/s`);
  }
  model.dispose();

  const middle = (spreads: readonly Spread[]): Spread => [...spreads].sort((a, b) => a.median - b.median)[spreads.length >> 1]!;
  const readRate = middle(reads), peakRate = middle(peaks);
  return {
    name, shape, parameters: parameters(shape), readBytesPerSecond: readRate, peakFlopsPerSecond: peakRate,
    decode: decode.map(({ context, rate, read, othersCores }) => ({
      tokens: context, milliseconds: inverse(rate, 1000), othersCores,
      limit: 1000 * decodeBytes(shape, context + (DECODE_TOKENS + 1) / 2) / read,
    })),
    prefill: prefill.map(({ rows, rate, peak, othersCores }) => ({
      tokens: rows, milliseconds: inverse(rate, 1000), othersCores,
      limit: 1000 / rows * Math.max(decodeBytes(shape, rows) / readRate.median, prefillOperations(shape, rows) / peak),
    })),
  };
}

const sizes: Scaling["sizes"][number][] = [];
for (const name of values.shapes.split(",") as ShapeName[]) sizes.push(await measure(name));
const result: Scaling = { system: await describeSystem(), inputs: { repetitions, decodeTokens: DECODE_TOKENS, seed: SEED }, sizes };
await writeFile(values.out, JSON.stringify(result, null, 1) + "\n");
console.log(`written: ${values.out}. Now: node bench/scaling/draw.mjs`);
