import { KvasmError, checkBoolean, checkInteger, checkOptions, shown } from "../errors.ts";
import { ATTENTION_ROWS } from "../wasm/exports.ts";
import type { Memory } from "../wasm/memory.ts";
import type { Arena, StepObserver } from "./arena.ts";
import { copyRows, floats } from "./buffers.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import type { Lifetime } from "./lifetime.ts";
import { Slot } from "./slot.ts";

export interface TraceOptions {
  /** Return the hidden states. Default false. */
  hiddenStates?: boolean | undefined;
  /** Return the attention probabilities. Default false. */
  attentions?: boolean | undefined;
  /**
   * How many tokens each step takes, for instance [1] for the first token alone and the rest through the cache. Where the list ends,
   * and by default, steps are as large as they can be: 64 tokens. The result is the same bits whatever is given here.
   */
  steps?: readonly number[] | undefined;
}

/** T = tokens. Row-major copies. */
export interface Trace {
  /** f32[T, vocab_size] */
  logits: Float32Array;
  /** n_layer + 1 of f32[T, n_embd]: the embedding, the output of each block but the last, and the last after the final norm. */
  hiddenStates?: Float32Array[];
  /** n_layer of f32[n_head, T, T]: rows are queries, zero above the diagonal. */
  attentions?: Float32Array[];
}

/** What the model computes on its way, by the kernels and the cache that prefill uses, copied out at most 64 rows at a time. */
export function trace(model: Lifetime<Arena>, ids: Ids, options?: TraceOptions): Trace {
  const { hiddenStates = false, attentions = false, steps } = checkOptions<TraceOptions>("trace options", options, ["hiddenStates", "attentions", "steps"]);
  checkBoolean("hiddenStates", hiddenStates);
  checkBoolean("attentions", attentions);
  const list = checkIds("ids", ids, model.value.config.vocab_size);
  if (list.length === 0) {
    throw new KvasmError("value", "ids: expected at least one token id, got none. There is nothing to trace.", { argument: "ids", value: ids });
  }
  const sizes = checkSteps(steps);
  const slot = new Slot(model);
  try {
    slot.checkRoom(list.length, "ids");
    const recorder = new Recorder(model.value, list.length, { logits: true, hiddenStates, attentions });
    let from = 0;
    for (let step = 0; from < list.length; step++) {
      const to = Math.min(from + (sizes[step] ?? ATTENTION_ROWS), list.length);
      slot.observe(list, from, to, recorder);
      from = to;
    }
    return recorder.result;
  } finally {
    slot.close();
  }
}

function checkSteps(steps: unknown): number[] {
  if (steps === undefined) return [];
  if (!Array.isArray(steps)) {
    throw new KvasmError("type", `steps: expected an array of integers, got ${shown(steps)}.`, { argument: "steps", value: steps });
  }
  return Array.from(steps, (size, i) => checkInteger(`steps[${i}]`, size, 1, ATTENTION_ROWS));
}

/** Copies what it sees to arrays [T, …], wherever in the sequence a step lies. */
export class Recorder implements StepObserver {
  readonly result: Trace;
  readonly keepAttention: boolean;
  readonly #tokens: number;
  readonly #width: number;
  readonly #heads: number;
  readonly #vocab: number;

  constructor(arena: Arena, tokens: number, want: { logits: boolean; hiddenStates: boolean; attentions: boolean }) {
    const { n_layer, n_embd, n_head, vocab_size } = arena.config;
    this.#tokens = tokens;
    this.#width = n_embd;
    this.#heads = n_head;
    this.#vocab = vocab_size;
    this.keepAttention = want.attentions;
    const each = (count: number, size: number, what: string) => Array.from({ length: count }, () => floats(size, what));
    this.result = { logits: floats(tokens * vocab_size, "logits") };
    if (want.hiddenStates) this.result.hiddenStates = each(n_layer + 1, tokens * n_embd, "hiddenStates");
    if (want.attentions) this.result.attentions = each(n_layer, n_head * tokens * tokens, "attentions");
  }

  hidden(layer: number, memory: Memory, start: number, stride: number, rows: number, first: number): void {
    const to = this.result.hiddenStates?.[layer];
    if (to !== undefined) copyRows(to, first * this.#width, memory.f32, start, stride, this.#width, rows);
  }

  attention(layer: number, memory: Memory, start: number, stride: number, rows: number, first: number): void {
    const to = this.result.attentions![layer];
    const { f32 } = memory;
    const seen = first + rows; // beyond, the rows have +0, as `to` has already
    for (let head = 0; head < this.#heads; head++) {
      for (let row = 0; row < rows; row++) {
        const from = start + (head * rows + row) * stride;
        to.set(f32.subarray(from, from + seen), (head * this.#tokens + first + row) * this.#tokens);
      }
    }
  }

  logits(memory: Memory, start: number, stride: number, rows: number, first: number): void {
    copyRows(this.result.logits, first * this.#vocab, memory.f32, start, stride, this.#vocab, rows);
  }
}
