import { KvasmError, checkBoolean, checkInteger, checkOptions } from "../errors.ts";
import { save } from "../cache/save.ts";
import { saveTo } from "../cache/save-to.ts";
import type { SaveOptions } from "../cache/save-to.ts";
import { PREFIX_KEYS, checkPrefixOptions, openPrefixed } from "../cache/sharing.ts";
import type { PrefixOptions } from "../cache/sharing.ts";
import type { Memory } from "../wasm/memory.ts";
import type { Arena, StepObserver } from "./arena.ts";
import { copyRows, floats } from "./buffers.ts";
import { checkId, checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import { disposeSymbol } from "./lifetime.ts";
import type { Lifetime } from "./lifetime.ts";
import { SAMPLER_KEYS, Sampler, randomSeed } from "./sampler-options.ts";
import type { SamplerOptions } from "./sampler-options.ts";
import { scoreAfter } from "./score.ts";
import { Slot } from "./slot.ts";

export interface SequenceOptions extends PrefixOptions {
  /** Tokens to begin with; those that are in the cache already are not computed again. Default: none. */
  ids?: Ids | undefined;
}

/** As Model.sequence. */
export function sequence(model: Lifetime<Arena>, options?: SequenceOptions): Sequence {
  const given = checkOptions<SequenceOptions>("sequence options", options, ["ids", ...PREFIX_KEYS]);
  const sharing = checkPrefixOptions(given);
  if (given.ids === undefined) return new Sequence(new Slot(model));
  const ids = checkIds("ids", given.ids, model.value.config.vocab_size);
  if (ids.length === 0) return new Sequence(new Slot(model));
  const slot = openPrefixed(model, ids, sharing);
  try {
    slot.checkRoom(ids.length - slot.reused, "ids");
    slot.appendAll(ids.subarray(slot.reused), null);
    slot.share();
    return new Sequence(slot);
  } catch (error) {
    slot.close();
    throw error;
  }
}

/** What is behind a sequence. */
export let slotOf: (sequence: Sequence) => Slot;
/** Whether a value is a Sequence of this copy of the library. */
export let isSequence: (value: unknown) => value is Sequence;

export interface PrefillOptions {
  /** Return the logits of every row and not only of the last. Default false. */
  all?: boolean | undefined;
}

/**
 * A list of tokens and their keys and values in the cache; `model.sequence()` makes one. Calls are synchronous, and one that
 * throws leaves the sequence as it was. However tokens are divided over calls, forks and truncations, the logits are the same
 * bits.
 *
 * Every method throws a `disposed` error after the sequence, or its model, was disposed. A sequence that is dropped without
 * `dispose()` is freed when the collector finds it, where the engine has FinalizationRegistry.
 */
export class Sequence {
  readonly #slot: Slot;
  #seed: number | undefined;

  static {
    slotOf = (sequence) => sequence.#slot;
    isSequence = (value): value is Sequence => typeof value === "object" && value !== null && #slot in value;
  }

  /** @internal */
  constructor(slot: Slot, seed?: number) {
    this.#slot = slot;
    this.#seed = seed;
  }

  /** Tokens. */
  get length(): number {
    return this.#slot.length;
  }

  /** The token ids, a copy. */
  get ids(): Uint32Array {
    return this.#slot.ids;
  }

  /** How many of the tokens that `model.sequence({ ids })` was given were in the cache already, and not computed again. */
  get reusedTokens(): number {
    return this.#slot.reused;
  }

  /** The seed that `sample` takes where its options have none: random, chosen once, the same in forks. */
  get seed(): number {
    return (this.#seed ??= randomSeed());
  }

  /**
   * Appends tokens. Returns the logits of the last one, f32[vocab_size], or with `all` those of each, f32[ids.length · vocab_size],
   * row after row; always a copy.
   * @throws KvasmError `type` or `value` (ids, none at all included), `option`, `context`, `pages`, `non-finite`, `memory` (no room
   * for `all`), `disposed`
   */
  prefill(ids: Ids, options?: PrefillOptions): Float32Array {
    const { all = false } = checkOptions<PrefillOptions>("prefill options", options, ["all"]);
    checkBoolean("all", all);
    const list = this.#checkIds(ids);
    if (!all) {
      this.#slot.appendAll(list, null);
      return this.#slot.logits();
    }
    const rows = new AllLogits(this.#slot.arena.config.vocab_size, list.length, this.#slot.length);
    this.#slot.appendAll(list, rows);
    return rows.out;
  }

  /**
   * Appends one token, to an empty sequence too. Returns its logits, f32[vocab_size], a copy.
   * @throws KvasmError `type` or `value` (id), `context`, `pages`, `non-finite`, `disposed`
   */
  decode(id: number): Float32Array {
    this.#appendOne("id", id);
    return this.#slot.logits();
  }

  /**
   * Appends tokens, or one, as `prefill` and `decode` do, but copies no logits out: `sample` draws from them where they are. For
   * loops that only want ids.
   * @throws KvasmError `type` or `value` (ids, none at all included), `context`, `pages`, `non-finite`, `disposed`
   */
  append(ids: Ids | number): void {
    if (typeof ids === "number") this.#appendOne("ids", ids);
    else this.#slot.appendAll(this.#checkIds(ids), null);
  }

  /**
   * Chooses the token that follows, by the logits of the last one; it is not appended. The draw depends on seed, stream and the
   * index that the token will have, and on nothing else: the same call gives the same id.
   * @throws KvasmError `option`, `type` or `value` (options), `state` (no logits: the sequence is empty, or was truncated since), `disposed`
   */
  sample(options?: SamplerOptions): number {
    const checked = checkOptions<SamplerOptions>("sampler options", options, SAMPLER_KEYS);
    const sampler = new Sampler(checked, this.#slot.arena.config.vocab_size, () => this.seed);
    return this.#slot.draw(sampler, this.#slot.length);
  }

  /**
   * Natural logarithms of the model's probabilities of these tokens, each after the sequence and those before it: f64[ids.length]. The sequence
   * stays as it is. No row of logits is copied out. While it computes, the tokens take pages and a sequence of their own.
   * @throws KvasmError `type` or `value` (ids, none at all included), `state` (the sequence has no logits), `context`, `pages`, `sequences`,
   * `non-finite`, `disposed`
   */
  score(ids: Ids): Float64Array {
    return scoreAfter(this.#slot, this.#checkIds(ids));
  }

  /**
   * A sequence with the same tokens. Both share the cache's pages; only a last page that is partly filled is copied, when one
   * of the two writes to it.
   * @throws KvasmError `sequences` (all are in use), `disposed`
   */
  fork(): Sequence {
    return new Sequence(this.#slot.fork(), this.seed);
  }

  /**
   * Keeps the first `length` tokens, 0 … this.length, and gives the pages of the others back. There are no logits to sample by
   * then, until the next `prefill` or `decode`.
   * @throws KvasmError `type` or `value` (length), `disposed`
   */
  truncate(length: number): void {
    checkInteger("length", length, 0, this.#slot.length, "A sequence can only become shorter.");
    this.#slot.truncate(length);
  }

  /**
   * The sequence as a file (docs/FORMATS.md): its tokens, their keys and values, and the row that the next token is chosen from. `model.restore`
   * makes it a sequence again, in any runtime, whose next tokens have the same bits; `seed` is in the file if it was chosen. It is as large as
   * the sequence's pages of 16 tokens (`model.memory.pages / model.pages` bytes each), and a little more. A model's first call reads all of its weights once, for their checksum.
   * @throws KvasmError `memory` (no room for the bytes), `disposed`
   */
  save(): Uint8Array<ArrayBuffer> {
    return save(this.#slot, this.#seed);
  }

  /**
   * Writes the same to a stream, and closes it; if anything fails the stream is aborted. What is written is the sequence as it is at the
   * call: it may be used meanwhile, and then takes one page more for its last tokens.
   * @throws KvasmError `type` (no stream), `option`, `source` (the stream is in use, or cannot be written), `sequences` (all are in use),
   * `disposed`; and `signal.reason` after an abort
   */
  saveTo(stream: WritableStream<Uint8Array>, options?: SaveOptions): Promise<void> {
    return saveTo(this.#slot, this.#seed, stream, options);
  }

  /** Ids that are there, and that there is room for. */
  #checkIds(ids: Ids): Uint32Array {
    const list = checkIds("ids", ids, this.#slot.arena.config.vocab_size);
    if (list.length === 0) {
      throw new KvasmError("value", "ids: expected at least one token id, got none. Without a token there are no logits.", { argument: "ids", value: ids });
    }
    this.#slot.checkRoom(list.length, "ids");
    return list;
  }

  #appendOne(argument: string, id: number): void {
    checkId(argument, id, this.#slot.arena.config.vocab_size);
    this.#slot.checkRoom(1, argument);
    this.#slot.appendOne(id);
  }

  /** Gives slot and pages back. May be called twice. */
  dispose(): void {
    this.#slot.close();
  }

  [disposeSymbol](): void {
    this.dispose();
  }
}

/** Copies the logits of all rows of a prefill. */
class AllLogits implements StepObserver {
  readonly keepAttention = false;
  readonly out: Float32Array;
  readonly #width: number;
  readonly #start: number;

  constructor(vocabSize: number, rows: number, start: number) {
    this.out = floats(rows * vocabSize, "all");
    this.#width = vocabSize;
    this.#start = start;
  }

  hidden(): void {}
  attention(): void {}

  logits(memory: Memory, start: number, stride: number, rows: number, first: number): void {
    copyRows(this.out, (first - this.#start) * this.#width, memory.f32, start, stride, this.#width, rows);
  }
}
