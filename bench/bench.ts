import { KvasmError, checkInteger, checkOptions, shown } from "../bindings/errors.ts";
import { load, type ModelBytes, type Model, type Sequence } from "../bindings/index.ts";
import { interleave, seconds, type Contestant, type Disturbance, type Others, type Spread } from "./measure.ts";
import { randomIds, randomModel } from "./random-model.ts";
import { openRooflines } from "./roofline.ts";
import { SHAPES, decodeBytes, parameters, prefillFlops, type Shape, type ShapeName } from "./shapes.ts";
import { describeSystem, watchOthers, type System } from "./system.ts";

export interface BenchOptions {
  /** Size of the model of random weights. Default "124M". */
  readonly shape?: ShapeName;
  /** A model to measure instead, as `load` takes it. */
  readonly model?: string | URL | ModelBytes;
  /** Seed of the random weights. Default 1. */
  readonly seed?: number;
  /** Contexts, in tokens, at which decoding is measured. Default 128 and 900. */
  readonly contexts?: readonly number[];
  /** Prompts, in tokens, whose prefill is measured. Default 128 and 512. */
  readonly prompts?: readonly number[];
  /** Repetitions of a prefill; of DECODE_TOKENS decode steps four times as many. Default 7. */
  readonly repetitions?: number;
  /** kvasm.wasm as `load` takes it, if it does not lie beside this file's bundle. */
  readonly wasm?: BufferSource | WebAssembly.Module;
  /** The bytes of roofline.wasm, if it does not lie beside this file's bundle. */
  readonly rooflineWasm?: BufferSource;
  /** Told what is being done, for a person who waits. */
  readonly onProgress?: (doing: string) => void;
  /** Stops at the next repetition, throwing the signal's reason. */
  readonly signal?: AbortSignal;
}

const OPTIONS = ["shape", "model", "seed", "contexts", "prompts", "repetitions", "wasm", "rooflineWasm", "onProgress", "signal"];

/** Decode steps of one repetition. */
export const DECODE_TOKENS = 4;
/** Tokens of the check that comes before the clock starts. */
const CHECK_TOKENS = 20;

export interface DecodeResult {
  /** Tokens in the cache before the first step of a repetition. */
  readonly context: number;
  readonly tokensPerSecond: Spread;
  /** Weights and cache that a step reads at least; mean over the steps of a repetition. */
  readonly bytesPerToken: number;
  readonly bytesPerSecond: Spread;
  /** Bytes per second of only reading as many bytes, between the repetitions. */
  readonly roofline: Spread;
  /** bytesPerSecond as a share of the roofline around it. */
  readonly share: Spread;
  readonly disturbance: Disturbance;
}

export interface PrefillResult {
  readonly rows: number;
  readonly tokensPerSecond: Spread;
  /** Useful operations: see prefillFlops. */
  readonly flops: number;
  readonly flopsPerSecond: Spread;
  /** Operations per second of multiply and add in registers, between the repetitions. */
  readonly roofline: Spread;
  readonly share: Spread;
  readonly disturbance: Disturbance;
}

export interface BenchResult {
  readonly system: System;
  readonly inputs: {
    readonly model: string;
    readonly shape: Shape;
    readonly parameters: number;
    readonly weights: "f32";
    readonly threads: 1;
    readonly seed: number | null;
    readonly repetitions: number;
    readonly decodeTokens: number;
  };
  readonly loadSeconds: number;
  /** Bytes by region, as Model.memory. */
  readonly memory: Model["memory"];
  /** Every way of computing a few tokens gave the same bits, or there would be no result. */
  readonly check: { readonly tokens: number; readonly identical: true };
  readonly excluded: {
    readonly what: string;
    readonly prefill: { readonly rows: number; readonly seconds: number };
    readonly decode: { readonly tokens: number; readonly seconds: number };
  };
  readonly readStreams: { readonly used: 2 | 4; readonly bytesPerSecond: Readonly<Record<"2" | "4", number>> };
  readonly decode: readonly DecodeResult[];
  readonly prefill: readonly PrefillResult[];
}

/**
 * Measures decode and prefill of one model on one thread beside the two limits of this machine. Runs in Node, Deno and Bun.
 * Throws KvasmError for options that cannot be, and if the ways of computing a token disagree.
 */
export async function runBench(options: BenchOptions = {}): Promise<BenchResult> {
  const { model: source, seed, shape: shapeName, contexts, prompts, repetitions, onProgress, signal } = checkedOptions(options);
  const say = (doing: string): void => { signal?.throwIfAborted(); onProgress?.(doing); };

  const named = SHAPES[shapeName];
  say(source === undefined ? `making and loading random weights of shape ${shapeName}` : "loading the model");
  const longest = Math.max(...prompts, ...contexts.map((context) => context + DECODE_TOKENS));
  const start = performance.now();
  const model = await load(source ?? randomModel(named, seed), {
    contextLength: longest, maxSequences: 2, ...(options.wasm && { wasm: options.wasm }), ...(signal && { signal }),
  });
  try {
    const loadSeconds = (performance.now() - start) / 1000;
    const shape = source === undefined ? named : shapeOf(model);

    say(`checking that every way of computing ${CHECK_TOKENS} tokens gives the same bits`);
    const tokens = Math.min(CHECK_TOKENS, longest);
    if (!model.verify(randomIds(tokens, shape.vocab_size)).identical) {
      throw new KvasmError("state", "bench: the ways of computing a token disagree, so their speeds mean nothing. Run `kvasm verify` to see where.");
    }

    say("measuring the limits of this machine");
    const roofs = await openRooflines(options.rooflineWasm ?? await bytesBeside("./roofline.wasm"), decodeBytes(shape, longest));
    const run = new Run(model, shape, roofs, repetitions, await watchOthers(), say);
    const excluded = run.warmUp(prompts[0] ?? Math.min(128, longest));
    const prefill: PrefillResult[] = [];
    for (const rows of prompts) prefill.push(await run.prefill(rows));
    const decode: DecodeResult[] = [];
    for (const context of contexts) decode.push(await run.decode(context));

    return {
      system: await describeSystem(),
      inputs: {
        model: source === undefined ? `random weights, ${shapeName}` : typeof source === "string" || source instanceof URL ? String(source) : "bytes",
        shape, parameters: parameters(shape), weights: "f32", threads: 1, seed: source === undefined ? seed : null,
        repetitions, decodeTokens: DECODE_TOKENS,
      },
      loadSeconds, memory: model.memory, check: { tokens, identical: true }, excluded,
      readStreams: { used: roofs.streams, bytesPerSecond: roofs.candidates },
      decode, prefill,
    };
  } finally {
    model.dispose();
  }
}

/** One sequence of the model, and the measures taken of it. */
class Run {
  private readonly sequence: Sequence;
  private readonly ids: number[];
  private readonly shape: Shape;
  private readonly roofs: Awaited<ReturnType<typeof openRooflines>>;
  private readonly repetitions: number;
  private readonly others: Others;
  private readonly say: (doing: string) => void;

  constructor(
    model: Model, shape: Shape, roofs: Awaited<ReturnType<typeof openRooflines>>, repetitions: number,
    others: Others, say: (doing: string) => void,
  ) {
    this.sequence = model.sequence();
    this.ids = randomIds(shape.n_positions, shape.vocab_size);
    this.shape = shape;
    this.roofs = roofs;
    this.repetitions = repetitions;
    this.others = others;
    this.say = say;
  }

  /** The first calls run code that is not yet optimised; their times are told and not counted. */
  warmUp(rows: number): BenchResult["excluded"] {
    this.say("warming up");
    const first = seconds(() => this.fill(rows));
    this.fill(rows);
    const tokens = 2 * DECODE_TOKENS;
    const room = Math.max(0, rows - tokens);
    this.sequence.truncate(room);
    const steps = seconds(() => this.steps(tokens));
    return {
      what: `loading; two prefills of ${rows} tokens, of which the first took the time given; the first ${tokens} decode steps; the warm-up of the two limits`,
      prefill: { rows, seconds: first }, decode: { tokens, seconds: steps },
    };
  }

  async prefill(rows: number): Promise<PrefillResult> {
    const flops = prefillFlops(this.shape, rows);
    const contestant: Contestant = () => {
      this.say(`prefill of ${rows} tokens`);
      this.sequence.truncate(0);
      const ids = this.ids.slice(0, rows);
      return flops / seconds(() => this.sequence.prefill(ids));
    };
    const { reference, rates: [flopsPerSecond], shares: [share], disturbance } = await interleave(this.repetitions, this.others, () => this.roofs.peak(), contestant);
    return {
      rows, tokensPerSecond: scaled(flopsPerSecond!, rows / flops), flops, flopsPerSecond: flopsPerSecond!,
      roofline: reference, share: share!, disturbance,
    };
  }

  async decode(context: number): Promise<DecodeResult> {
    this.fill(context);
    let bytes = 0;
    for (let token = 1; token <= DECODE_TOKENS; token++) bytes += decodeBytes(this.shape, context + token);
    const bytesPerToken = bytes / DECODE_TOKENS;
    const contestant: Contestant = () => {
      this.say(`decode at ${context} tokens`);
      this.sequence.truncate(context);
      return bytes / seconds(() => this.steps(DECODE_TOKENS));
    };
    await contestant(); // the roofline was never read before it: leave the caches as every later repetition finds them
    const { reference, rates: [bytesPerSecond], shares: [share], disturbance } =
      await interleave(4 * this.repetitions, this.others, () => this.roofs.read(bytesPerToken), contestant);
    return {
      context, tokensPerSecond: scaled(bytesPerSecond!, 1 / bytesPerToken), bytesPerToken, bytesPerSecond: bytesPerSecond!,
      roofline: reference, share: share!, disturbance,
    };
  }

  /** Leaves the sequence with the first `length` ids. */
  private fill(length: number): void {
    this.sequence.truncate(0);
    if (length > 0) this.sequence.prefill(this.ids.slice(0, length));
  }

  /** Greedy steps as a caller takes them: logits out, the best token in. */
  private steps(count: number): void {
    let id = this.ids[0]!;
    for (let step = 0; step < count; step++) {
      this.sequence.decode(id);
      id = this.sequence.sample({ temperature: 0 });
    }
  }
}

function scaled({ median, min, max, repetitions }: Spread, factor: number): Spread {
  return { median: median * factor, min: min * factor, max: max * factor, repetitions };
}

function shapeOf({ config }: Model): Shape {
  const { n_layer, n_head, n_embd, n_inner, n_positions, vocab_size } = config;
  return { n_layer, n_head, n_embd, n_inner: n_inner ?? 4 * n_embd, n_positions, vocab_size };
}

function checkedOptions(options: BenchOptions) {
  const { shape = "124M", model, seed = 1, contexts = [128, 900], prompts = [128, 512], repetitions = 7, onProgress, signal } =
    checkOptions("bench options", options, OPTIONS);
  if (!Object.hasOwn(SHAPES, shape)) {
    throw new KvasmError("value", `shape: expected one of ${Object.keys(SHAPES).join(", ")}, got ${shown(shape)}.`, { argument: "shape", value: shape });
  }
  checkInteger("seed", seed, 0, 2 ** 32 - 1);
  checkInteger("repetitions", repetitions, 1, 1000);
  const most = model === undefined ? SHAPES[shape].n_positions : 2 ** 20;
  for (const context of contexts) checkInteger("contexts", context, 1, most - DECODE_TOKENS, "A decode needs room behind its context.");
  for (const rows of prompts) checkInteger("prompts", rows, 1, most);
  if (!contexts.length && !prompts.length) throw new KvasmError("value", "contexts, prompts: both are empty; name at least one.", { argument: "contexts", value: contexts });
  return { shape, model, seed, contexts, prompts, repetitions, onProgress, signal };
}

/** A file that lies beside the bundle this code is in. */
async function bytesBeside(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(new URL(name, import.meta.url)));
}
