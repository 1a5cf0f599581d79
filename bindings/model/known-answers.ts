/**
 * Whether the engine computes what docs/NUMERICS.md says. `verify`'s ways are compared with each other, so an engine that computes
 * all of them wrongly alike would pass; here a small model is computed whose bits are known from elsewhere.
 */
import { KvasmError } from "../errors.ts";
import { Dtype } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import { activationIndex, configOf } from "../weights/config.ts";
import { safetensorsPlaces } from "../weights/places.ts";
import type { Arena } from "./arena.ts";
import { KNOWN } from "./known-answers-table.ts";
import { Lifetime } from "./lifetime.ts";
import { PackingSink } from "./packing.ts";
import { openArena, placeWeights } from "./placing.ts";
import { Slot } from "./slot.ts";
import { Recorder } from "./trace.ts";
import type { Trace } from "./trace.ts";

/**
 * Every kernel has its even and its odd part: 3, 5, 7 and 15 panels, heads of 40 (three panels of values), a last group of 16,
 * three pages.
 */
export const KNOWN_SHAPE = { n_layer: 2, n_embd: 80, n_head: 2, n_inner: 112, vocab_size: 37, n_positions: 48 };
export const KNOWN_IDS: readonly number[] = Array.from({ length: 45 }, (_, i) => (i * i * 7 + i * 3 + 5) % KNOWN_SHAPE.vocab_size);
/** Two ways of dividing the tokens over steps: rows alone, in pairs, an odd one, few and many. */
const STEPS = [[33, 1, 1, 8, 2], [3, 10, 5, 1, 13, 9, 1, 3]];

/** Numbers for one tensor: multiples of 2⁻¹³ up to 1/4, around 1 for a gain. The same for everyone: no rounding is in it. */
export function knownTensor(name: string, count: number): Float32Array {
  let state = [...name].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16777619), 0x811c9dc5);
  const isGain = /ln_\w+\.weight$/.test(name);
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >> 20) / 8192 + (isGain ? 1 : 0);
  });
}

/** One number for all bits of hidden states and logits. */
export function fingerprint({ hiddenStates, logits }: Pick<Trace, "hiddenStates" | "logits">): number {
  let hash = 0;
  for (const values of [...hiddenStates!, logits]) {
    for (const bits of new Uint32Array(values.buffer, values.byteOffset, values.length)) {
      hash = Math.imul(hash ^ bits, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
  }
  return hash >>> 0;
}

/**
 * Runs before the bits count. Code is optimised while it runs and counts as hot; V8's kernels all are after some 30 runs, within 60 ms
 * (docs/performance.md).
 */
const RUNS = 40;

/** Pages of 64 KiB that a model of KNOWN_SHAPE takes at most, one sequence, in any types. */
const KNOWN_PAGES = 128;

/** What was found right after RUNS: optimised code stays, so once more is enough. */
const checked = new WeakMap<WebAssembly.Module, Set<string>>();

/**
 * True if the code of `arena`'s module, as the engine has optimised it by now, has the known bits: in the types and with the activation
 * of its model, by another instance.
 */
export function hasKnownAnswers({ module, weights, cache, config }: Arena): boolean {
  const types = `${weights} ${cache}`;
  const activation = activationIndex(config);
  const seen = checked.get(module) ?? new Set();
  const known = new Run(knownModel(module, weights, cache, config.activation_function));
  const runs = seen.has(`${types} ${activation}`) ? 1 : RUNS;
  for (let run = 0; run < runs; run++) if (!known.hasOnly(KNOWN[types][activation])) return false;
  checked.set(module, seen.add(`${types} ${activation}`));
  return true;
}

function knownModel(module: WebAssembly.Module, weights: Weights, cache: Cache, activation_function: string): Lifetime<Arena> {
  const config = configOf({ ...KNOWN_SHAPE, activation_function });
  const exports = instanceOf(module);
  const { memory, header } = placeWeights(exports, config, 0, weights);
  const sink = new PackingSink(exports, memory, header, weights, "f32", () => {});
  for (const place of safetensorsPlaces(config, false)) {
    const values = knownTensor(place.name, place.shape.reduce((a, b) => a * b));
    sink.write(place, Dtype.F32, 0, new Uint8Array(values.buffer));
  }
  exports.finishWeights(header);
  return new Lifetime("model", openArena({ module, exports, memory, header, type: weights }, config, { maxSequences: 1 }, cache));
}

function instanceOf(module: WebAssembly.Module): KvasmExports {
  try {
    // An artifact for threads imports its memory: room for the known model, which one thread computes.
    const memory = WebAssembly.Module.imports(module).length === 0 ? undefined : new WebAssembly.Memory({ initial: KNOWN_PAGES, maximum: KNOWN_PAGES, shared: true });
    return new WebAssembly.Instance(module, memory && { env: { memory } }).exports as unknown as KvasmExports;
  } catch (cause) {
    throw new KvasmError("memory", `verify: the host gives no second instance of the module (${String(cause)}). Dispose models that are no longer used.`, { argument: "verify", cause });
  }
}

class Run {
  readonly #model: Lifetime<Arena>;
  readonly #recorder: Recorder;

  constructor(model: Lifetime<Arena>) {
    this.#model = model;
    this.#recorder = new Recorder(model.value, KNOWN_IDS.length, { logits: true, hiddenStates: true, attentions: false });
  }

  /** Every way of dividing the tokens over steps has these bits. */
  hasOnly(expected: number): boolean {
    return STEPS.every((steps) => this.#compute(steps) && fingerprint(this.#recorder.result) === expected);
  }

  /** False if numbers came that are not finite. */
  #compute(steps: readonly number[]): boolean {
    const slot = new Slot(this.#model);
    try {
      let from = 0;
      for (const rows of steps) slot.observe(KNOWN_IDS, from, from += rows, this.#recorder);
      return true;
    } catch (error) {
      if (KvasmError.is(error) && error.code === "non-finite") return false;
      throw error;
    } finally {
      slot.close();
    }
  }
}
