import { KvasmError, checkInteger, checkNumber, shown } from "../errors.ts";
import {
  SAMPLER_BIAS_COUNT, SAMPLER_FREQUENCY, SAMPLER_MIN_P, SAMPLER_POSITION, SAMPLER_PRESENCE, SAMPLER_REPETITION, SAMPLER_SEED_HIGH,
  SAMPLER_SEED_LOW, SAMPLER_STREAM, SAMPLER_TEMPERATURE, SAMPLER_TOP_K, SAMPLER_TOP_P, SAMPLER_TYPICAL_P,
} from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Arena } from "./arena.ts";
import { checkId } from "./ids.ts";

/**
 * How the next token is chosen from the logits, in this order: logit bias, repetition penalty, presence and frequency penalty,
 * temperature, top-k, top-p, min-p, typical-p, each on what the one before left. Filters and the repetition penalty are those
 * of Hugging Face transformers' logits processors, presence and frequency those of OpenAI's API; docs/NUMERICS.md has the
 * definitions to the last bit. Penalties count the sequence's tokens: prompt and generated ones alike.
 */
export interface SamplerOptions {
  /** 0 takes the largest logit (the lowest id among equals); else the logits are divided by it, 1e-30 … 1e6. Default 1. */
  temperature?: number | undefined;
  /** Keep the k largest; whatever ties with the k-th stays. 0 keeps all, which is the default. */
  topK?: number | undefined;
  /** Keep the likeliest tokens whose probabilities add up to p, 0 … 1. Default 1: all. */
  topP?: number | undefined;
  /** Drop tokens less likely than this share of the likeliest one, 0 … 1. Default 0: none. */
  minP?: number | undefined;
  /** Keep the tokens whose information is nearest to the entropy, up to this mass, 0 … 1. Default 1: all. */
  typicalP?: number | undefined;
  /** Divides positive and multiplies negative logits of tokens that occurred, 1e-6 … 1e6. Default 1: no effect. */
  repetitionPenalty?: number | undefined;
  /** Subtracted from the logits of tokens that occurred, −1e6 … 1e6. Default 0. */
  presencePenalty?: number | undefined;
  /** Subtracted once for each time a token occurred, −1e6 … 1e6. Default 0. */
  frequencyPenalty?: number | undefined;
  /** Added to the logits of these ids, −1e30 … 1e30; the keys are token ids. */
  logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number> | undefined;
  /** An integer from 0 to 2⁵³ − 1: the same seed draws the same tokens in every runtime. Default: random, see `seed` of the result. */
  seed?: number | undefined;
  /** Which of the 2³² independent series of random numbers of a seed to draw from. Default 0. */
  stream?: number | undefined;
}

export const SAMPLER_KEYS = [
  "temperature", "topK", "topP", "minP", "typicalP", "repetitionPenalty", "presencePenalty", "frequencyPenalty", "logitBias", "seed", "stream",
] as const;

/** A seed as `generate` takes one when the caller gives none. */
export function randomSeed(): number {
  const [low, high] = crypto.getRandomValues(new Uint32Array(2));
  return (high >>> 11) * 2 ** 32 + low;
}

/** Checked options, ready to be written into the arena. */
export class Sampler {
  /** 0 … 2⁵³ − 1 */
  readonly seed: number;
  readonly #f64: readonly [offset: number, value: number][];
  readonly #u32: readonly [offset: number, value: number][];
  readonly #biasIds: number[];
  readonly #biasValues: number[];

  /** Keys have been checked; `seed()` is called if the options have none. */
  constructor(options: SamplerOptions, vocabSize: number, seed: () => number) {
    const number = (name: keyof SamplerOptions, otherwise: number, low: number, high: number, cure?: string): number => {
      const value = options[name];
      return value === undefined ? otherwise : checkNumber(name, value, low, high, cure);
    };
    const integer = (name: keyof SamplerOptions, otherwise: () => number, high: number): number => {
      const value = options[name];
      return value === undefined ? otherwise() : checkInteger(name, value, 0, high);
    };
    const temperature = number("temperature", 1, 0, 1e6, "0 takes the likeliest token.");
    if (temperature > 0) checkNumber("temperature", temperature, 1e-30, 1e6, "For the likeliest token pass 0.");
    this.#f64 = [
      [SAMPLER_TEMPERATURE, temperature],
      [SAMPLER_TOP_P, number("topP", 1, 0, 1)],
      [SAMPLER_MIN_P, number("minP", 0, 0, 1)],
      [SAMPLER_TYPICAL_P, number("typicalP", 1, 0, 1)],
      [SAMPLER_REPETITION, number("repetitionPenalty", 1, 1e-6, 1e6, "1 has no effect.")],
      [SAMPLER_PRESENCE, number("presencePenalty", 0, -1e6, 1e6)],
      [SAMPLER_FREQUENCY, number("frequencyPenalty", 0, -1e6, 1e6)],
    ];
    const topK = integer("topK", () => 0, 2 ** 32 - 1);
    const stream = integer("stream", () => 0, 2 ** 32 - 1);
    this.seed = integer("seed", seed, Number.MAX_SAFE_INTEGER);
    [this.#biasIds, this.#biasValues] = checkBias(options.logitBias, vocabSize);
    this.#u32 = [
      [SAMPLER_TOP_K, topK],
      [SAMPLER_BIAS_COUNT, this.#biasIds.length],
      [SAMPLER_SEED_LOW, this.seed % 2 ** 32],
      [SAMPLER_SEED_HIGH, Math.floor(this.seed / 2 ** 32)],
      [SAMPLER_STREAM, stream],
    ];
  }

  /** Writes the options where the module reads them; `position` is the index that the drawn token will have. */
  apply(arena: Arena, position: number): void {
    const { exports, header, memory } = arena;
    const base = unsigned(exports.samplerOptions(header));
    if (arena.samplerOptions !== this) {
      const { u32, f64 } = memory;
      for (const [offset, value] of this.#f64) f64[(base + offset) / 8] = value;
      for (const [offset, value] of this.#u32) u32[(base + offset) / 4] = value;
      u32.set(this.#biasIds, unsigned(exports.samplerBiasIds(header)) / 4);
      f64.set(this.#biasValues, unsigned(exports.samplerBiasValues(header)) / 8);
      arena.samplerOptions = this;
    }
    memory.u32[(base + SAMPLER_POSITION) / 4] = position;
  }
}

function checkBias(bias: unknown, vocabSize: number): [ids: number[], values: number[]] {
  if (bias === undefined) return [[], []];
  if (typeof bias !== "object" || bias === null || Array.isArray(bias) || ArrayBuffer.isView(bias)) {
    throw new KvasmError("type", `logitBias: expected an object or a Map from token ids to numbers, got ${shown(bias)}.`, { argument: "logitBias", value: bias });
  }
  const isMap = Object.prototype.toString.call(bias) === "[object Map]";
  const entries: [unknown, unknown][] = isMap ? [...(bias as Map<unknown, unknown>)] : Object.entries(bias).map(([key, value]) => [idOfKey(key), value]);
  const ids: number[] = [];
  const values: number[] = [];
  for (const [id, value] of entries) {
    ids.push(checkId("logitBias", id, vocabSize));
    values.push(checkNumber(`logitBias[${shown(id)}]`, value, -1e30, 1e30));
  }
  return [ids, values];
}

/** Keys of objects are strings. Only the one way in which JavaScript itself writes an integer is an id. */
function idOfKey(key: string): unknown {
  return /^(0|[1-9]\d*)$/.test(key) ? Number(key) : key;
}
