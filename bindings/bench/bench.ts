import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import { load, type Cache, type Model, type ModelBytes, type Weights } from "../index.ts";
import { CacheType, WeightType } from "../wasm/exports.ts";
import { checkTypeName } from "../wasm/types.ts";
import { interleave, type Disturbance, type Others, type Spread } from "./measure.ts";
import { randomIds, randomModel } from "./random-model.ts";
import { openRooflines, type Rooflines } from "./roofline.ts";
import { SHAPES, decodeBytes, decodeWeights, parameters, prefillOperations, type Shape, type ShapeName } from "./shapes.ts";
import { Subject } from "./subject.ts";
import { describeSystem, watchOthers, type System } from "./system.ts";

export interface BenchOptions {
  /** Size of the model of random weights. Default "124M". */
  readonly shape?: ShapeName;
  /** A model to measure instead, as `load` takes it. */
  readonly model?: string | URL | ModelBytes;
  /** What the matrices are held in. Default "f32", of a `model` what its file has. */
  readonly weights?: Weights;
  /** What keys and values are held in. Default "f32". */
  readonly cache?: Cache;
  /** Measures the model with these weights and the same cache too, in the same turns. */
  readonly beside?: Weights;
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

const OPTIONS = ["shape", "model", "weights", "cache", "beside", "seed", "contexts", "prompts", "repetitions", "wasm", "rooflineWasm", "onProgress", "signal"];

/** Decode steps of one repetition. */
export const DECODE_TOKENS = 4;
/** Tokens of the check that comes before the clock starts. */
const CHECK_TOKENS = 20;

/** The same measure of the other model, and tokens per second of the first over the other's, repetition by repetition. */
export interface Compared {
  readonly tokensPerSecond: Spread;
  readonly ratio: Spread;
}

export interface DecodeResult {
  /** Tokens in the cache before the first step of a repetition. */
  readonly context: number;
  readonly tokensPerSecond: Spread;
  /** Weights and cache that a step reads at least; mean over the steps of a repetition. */
  readonly bytesPerToken: number;
  readonly bytesPerSecond: Spread;
  /** Weights of the matrices that pass by in a second, whatever they are held in. */
  readonly weightsPerSecond: Spread;
  /** Bytes per second of only reading as many bytes, between the repetitions. */
  readonly roofline: Spread;
  /** bytesPerSecond as a share of the roofline around it. */
  readonly share: Spread;
  readonly beside?: Compared;
  readonly disturbance: Disturbance;
}

export interface PrefillResult {
  readonly rows: number;
  readonly tokensPerSecond: Spread;
  /** Useful operations: see prefillOperations. */
  readonly operations: number;
  readonly operationsPerSecond: Spread;
  /** Which loop the limit is: multiply and add in f32, or for integer weights the 16-bit dot product. */
  readonly limit: "f32" | "int16 dot";
  /** Operations per second of that loop in registers, between the repetitions. */
  readonly roofline: Spread;
  readonly share: Spread;
  readonly beside?: Compared;
  readonly disturbance: Disturbance;
}

export interface BenchResult {
  readonly system: System;
  readonly inputs: {
    readonly model: string;
    readonly shape: Shape;
    readonly parameters: number;
    readonly weights: Weights;
    readonly cache: Cache;
    readonly relaxedSimd: boolean;
    readonly beside: Weights | null;
    readonly threads: 1;
    readonly seed: number | null;
    readonly repetitions: number;
    readonly decodeTokens: number;
  };
  /** Making the random weights and rounding them to integers is part of it. */
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
 * Measures decode and prefill of one model on one thread beside the limits of this machine. Runs in Node, Deno and Bun.
 * Throws KvasmError for options that cannot be, and if the ways of computing a token disagree.
 */
export async function runBench(options: BenchOptions = {}): Promise<BenchResult> {
  const { model: source, seed, shape: shapeName, weights, cache, beside, contexts, prompts, repetitions, onProgress, signal } = checkedOptions(options);
  const say = (doing: string): void => { signal?.throwIfAborted(); onProgress?.(doing); };

  const named = SHAPES[shapeName];
  const longest = Math.max(...prompts, ...contexts.map((context) => context + DECODE_TOKENS));
  const open = (weights: Weights | undefined): Promise<Model> => {
    say(source === undefined ? `making and loading random weights of shape ${shapeName}` : "loading the model");
    return load(source ?? randomModel(named, seed), { weights, cache, contextLength: longest, maxSequences: 2, wasm: options.wasm, signal });
  };
  const start = performance.now();
  const model = await open(weights);
  let other: Model | undefined;
  try {
    const loadSeconds = (performance.now() - start) / 1000;
    if (beside) other = await open(beside);
    const shape = source === undefined ? named : shapeOf(model);

    say(`checking that every way of computing ${CHECK_TOKENS} tokens gives the same bits`);
    const tokens = Math.min(CHECK_TOKENS, longest);
    if (!model.verify(randomIds(tokens, shape.vocab_size)).identical) {
      throw new KvasmError("state", "bench: the ways of computing a token disagree, so their speeds mean nothing. Run `kvasm verify` to see where.");
    }

    say("measuring the limits of this machine");
    const roofs = await openRooflines(options.rooflineWasm ?? await bytesBeside("./roofline.wasm"), decodeBytes(shape, longest, model.weights, model.cache));
    const run = new Run(new Subject(model, shape), other && new Subject(other, shape), shape, roofs, repetitions, await watchOthers(), say);
    const excluded = run.warmUp(prompts[0] ?? Math.min(128, longest));
    const prefill: PrefillResult[] = [];
    for (const rows of prompts) prefill.push(await run.prefill(rows));
    const decode: DecodeResult[] = [];
    for (const context of contexts) decode.push(await run.decode(context));

    return {
      system: await describeSystem(),
      inputs: {
        model: source === undefined ? `random weights, ${shapeName}` : typeof source === "string" || source instanceof URL ? String(source) : "bytes",
        shape, parameters: parameters(shape), weights: model.weights, cache: model.cache, relaxedSimd: model.relaxedSimd, beside: beside ?? null, threads: 1, seed: source === undefined ? seed : null,
        repetitions, decodeTokens: DECODE_TOKENS,
      },
      loadSeconds, memory: model.memory, check: { tokens, identical: true }, excluded,
      readStreams: { used: roofs.streams, bytesPerSecond: roofs.candidates },
      decode, prefill,
    };
  } finally {
    model.dispose();
    other?.dispose();
  }
}

/** The measures taken of a model, and of another one in the same turns if there is one. */
class Run {
  private readonly subject: Subject;
  private readonly beside: Subject | undefined;
  private readonly shape: Shape;
  private readonly roofs: Rooflines;
  private readonly repetitions: number;
  private readonly others: Others;
  private readonly say: (doing: string) => void;

  constructor(
    subject: Subject, beside: Subject | undefined, shape: Shape, roofs: Rooflines, repetitions: number, others: Others, say: (doing: string) => void,
  ) {
    this.subject = subject;
    this.beside = beside;
    this.shape = shape;
    this.roofs = roofs;
    this.repetitions = repetitions;
    this.others = others;
    this.say = say;
  }

  /** The first calls run code that is not yet optimised; their times are told and not counted. */
  warmUp(rows: number): BenchResult["excluded"] {
    this.say("warming up");
    const tokens = 2 * DECODE_TOKENS;
    const warm = (subject: Subject): [number, number] => {
      const first = subject.prefillSeconds(rows);
      subject.fill(rows);
      return [first, subject.decodeSeconds(Math.max(0, rows - tokens), tokens)];
    };
    const [first, steps] = warm(this.subject);
    if (this.beside) warm(this.beside);
    return {
      what: `loading; two prefills of ${rows} tokens, of which the first took the time given; the first ${tokens} decode steps; the warm-up of the limits`,
      prefill: { rows, seconds: first }, decode: { tokens, seconds: steps },
    };
  }

  async prefill(rows: number): Promise<PrefillResult> {
    const operations = prefillOperations(this.shape, rows);
    const limit = this.subject.model.weights === "f32" ? "f32" : "int16 dot";
    const seen = await this.turns(
      this.repetitions, () => limit === "f32" ? this.roofs.peak() : this.roofs.dotPeak(),
      (subject) => {
        this.say(`prefill of ${rows} tokens`);
        return rows / subject.prefillSeconds(rows);
      }, operations / rows,
    );
    return {
      rows, tokensPerSecond: seen.tokensPerSecond, operations, operationsPerSecond: seen.rate, limit,
      roofline: seen.roofline, share: seen.share, ...seen.compared, disturbance: seen.disturbance,
    };
  }

  async decode(context: number): Promise<DecodeResult> {
    const { weights, cache } = this.subject.model;
    for (const subject of this.subjects()) subject.fill(context);
    let bytes = 0;
    for (let token = 1; token <= DECODE_TOKENS; token++) bytes += decodeBytes(this.shape, context + token, weights, cache);
    const bytesPerToken = bytes / DECODE_TOKENS;
    const step = (subject: Subject): number => {
      this.say(`decode at ${context} tokens`);
      return DECODE_TOKENS / subject.decodeSeconds(context, DECODE_TOKENS);
    };
    for (const subject of this.subjects()) step(subject); // the roofline was never read before it: leave the caches as every later repetition finds them
    const seen = await this.turns(4 * this.repetitions, () => this.roofs.read(bytesPerToken), step, bytesPerToken);
    return {
      context, tokensPerSecond: seen.tokensPerSecond, bytesPerToken, bytesPerSecond: seen.rate,
      weightsPerSecond: scaled(seen.tokensPerSecond, decodeWeights(this.shape)),
      roofline: seen.roofline, share: seen.share, ...seen.compared, disturbance: seen.disturbance,
    };
  }

  private subjects(): Subject[] {
    return this.beside ? [this.subject, this.beside] : [this.subject];
  }

  /** `measure` gives tokens per second; times `perToken` they are compared with the reference. */
  private async turns(repetitions: number, reference: () => number, measure: (subject: Subject) => number, perToken: number) {
    const contestants = this.subjects().map((subject) => () => measure(subject) * perToken);
    const { reference: roofline, rates, shares, ratios, disturbance } = await interleave(repetitions, this.others, reference, ...contestants);
    const compared = ratios[0] === undefined ? {} : { beside: { tokensPerSecond: scaled(rates[1]!, 1 / perToken), ratio: ratios[0] } };
    return { tokensPerSecond: scaled(rates[0]!, 1 / perToken), rate: rates[0]!, roofline, share: shares[0]!, compared, disturbance };
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
  const weights = checkTypeName<Weights>("weights", options.weights, WeightType);
  const cache = checkTypeName<Cache>("cache", options.cache, CacheType) ?? "f32";
  const beside = checkTypeName<Weights>("beside", options.beside, WeightType);
  checkInteger("seed", seed, 0, 2 ** 32 - 1);
  checkInteger("repetitions", repetitions, 1, 1000);
  const most = model === undefined ? SHAPES[shape].n_positions : 2 ** 20;
  for (const context of contexts) checkInteger("contexts", context, 1, most - DECODE_TOKENS, "A decode needs room behind its context.");
  for (const rows of prompts) checkInteger("prompts", rows, 1, most);
  if (!contexts.length && !prompts.length) throw new KvasmError("value", "contexts, prompts: both are empty; name at least one.", { argument: "contexts", value: contexts });
  return { shape, model, weights, cache, beside, seed, contexts, prompts, repetitions, onProgress, signal };
}

/** A file that lies beside the bundle this code is in. */
async function bytesBeside(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(new URL(name, import.meta.url)));
}
