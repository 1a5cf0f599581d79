import { KvasmError } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { Slot } from "../model/slot.ts";
import { unsigned } from "../wasm/memory.ts";
import { checksumOf, weightsChecksum } from "./checksum.ts";
import { HEADER_BYTES, TRAILER_BYTES, checkFits, damaged, decodeHeader, refusal, sizesOf } from "./format.ts";
import type { Header } from "./format.ts";
import { modelFields } from "./model-fields.ts";
import { pagePartBytes } from "./save.ts";

export interface Restored {
  readonly slot: Slot;
  readonly seed: number | undefined;
  /** Tokens that the slot, which is empty, still has to be given; null: it has them. */
  readonly missing: Uint32Array | null;
}

/** Bytes that are wanted next, and where they go; null: nowhere. */
interface Wanted {
  readonly bytes: number;
  readonly to: Uint8Array | null;
}

/**
 * Takes the file of a saved sequence in pieces of any size, each number straight to its place. Nothing is left of it unless `end` returns.
 */
export class Restoring {
  readonly #steps: Generator<Wanted, Restored, void>;
  #wanted: Wanted | null = null;
  #restored: Restored | null = null;
  /** Bytes of #wanted that have come, and of the file. */
  #filled = 0;
  #received = 0;

  constructor(model: Lifetime<Arena>, recompute: boolean) {
    this.#steps = steps(model, recompute);
    this.#next();
  }

  /** @throws KvasmError `saved`, `context`, `pages`, `sequences`, `disposed` */
  write(bytes: Uint8Array): void {
    try {
      for (let from = 0; from < bytes.length; ) {
        if (this.#wanted === null) throw refusal("length", `${bytes.length - from} more bytes follow after its end. Pass the saved bytes alone`, bytes.length - from);
        const to = Math.min(bytes.length, from + this.#wanted.bytes - this.#filled);
        this.#wanted.to?.set(bytes.subarray(from, to), this.#filled);
        this.#filled += to - from;
        this.#received += to - from;
        from = to;
        if (this.#filled === this.#wanted.bytes) this.#next();
      }
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** @throws KvasmError `saved` (cut short) */
  end(): Restored {
    const restored = this.#restored;
    if (restored === null) {
      this.abort();
      throw refusal("length", `it is cut short: it ends after ${this.#received} bytes. Use another copy, or save it again`, this.#received);
    }
    this.#restored = null;
    return restored;
  }

  /** Gives back what was taken. */
  abort(): void {
    this.#steps.return(undefined as never);
    this.#restored?.slot.close();
    this.#restored = null;
    this.#wanted = null;
  }

  #next(): void {
    this.#filled = 0;
    const { done, value } = this.#steps.next();
    this.#wanted = done === true ? null : value;
    this.#restored = done === true ? value : null;
    if (this.#wanted?.bytes === 0) this.#next();
  }
}

function* steps(model: Lifetime<Arena>, recompute: boolean): Generator<Wanted, Restored, void> {
  const into = (to: Uint8Array): Wanted => ({ bytes: to.length, to });
  const start = new Uint8Array(HEADER_BYTES);
  yield into(start);
  const arena = model.value;
  const { config, contextLength } = arena;
  const saved = decodeHeader(start, (bytes) => checksumOf(arena, bytes));
  const here = modelFields(arena);
  const isRecomputed = checkFits(saved, here, () => weightsChecksum(arena), recompute);
  if (saved.tokens > contextLength) {
    throw new KvasmError("context", `saved sequence: its ${saved.tokens} tokens exceed the context length of ${contextLength}. Load the model with a larger contextLength.`, { argument: "saved sequence", value: saved.tokens });
  }
  const pages = Math.ceil(saved.tokens / arena.pageTokens);
  arena.checkPages(pages, saved.tokens, "saved sequence");

  const sizes = sizesOf(saved.model, saved.tokens);
  const head = new Uint8Array(sizes.ids + sizes.row);
  yield into(head);
  if (checksumOf(model.value, head) !== saved.headSum) throw damaged("list of tokens");
  const ids = idsOf(head, saved.tokens, config.vocab_size);
  const row = new Float32Array(head.buffer, sizes.ids, sizes.row / 4);
  if (!row.every(Number.isFinite)) throw notFinite();

  if (isRecomputed) {
    yield { bytes: sizes.pages + TRAILER_BYTES, to: null };
    return { slot: new Slot(model), seed: saved.seed, missing: ids };
  }
  arena.checkPages(pages, saved.tokens, "saved sequence"); // others may have taken some meanwhile
  const index = arena.openRestored(saved.tokens);
  const slot = new Slot(model, index);
  let isWhole = false;
  try {
    yield* fillPages(slot, saved, pages);
    const { exports, header, memory } = slot.arena;
    memory.u32.set(ids, unsigned(exports.sequenceIds(header, index)) / 4);
    if (saved.hasLast) {
      memory.f32.set(row, unsigned(exports.sequenceLast(header, index)) / 4);
      exports.keepLast(header, index);
    }
    isWhole = true;
    return { slot, seed: saved.seed, missing: null };
  } finally {
    if (!isWhole) slot.close();
  }
}

function* fillPages(slot: Slot, { model }: Header, pages: number): Generator<Wanted, void, void> {
  const { arena, index } = slot.place;
  const bytes = pagePartBytes(arena);
  let sum = 0n;
  let isFinite = true;
  for (let layer = 0; layer < model.n_layer; layer++) {
    for (const values of [0, 1] as const) {
      for (let page = 0; page < pages; page++) {
        const { exports, header, memory } = arena;
        const start = unsigned(exports.pageAddress(header, index, layer, page, values));
        yield { bytes: bytes[values], to: memory.u8.subarray(start, start + bytes[values]) };
        void slot.arena; // an error if the model has ended meanwhile
        sum = exports.addChecksum(sum, start, bytes[values]);
        if (exports.pageIsFinite(header, index, layer, page, values) === 0) isFinite = false;
      }
    }
  }
  const trailer = new Uint8Array(TRAILER_BYTES);
  yield { bytes: TRAILER_BYTES, to: trailer };
  if (new DataView(trailer.buffer).getBigInt64(0, true) !== sum) throw damaged("cache");
  // A checksum may have been computed over numbers that no cache holds, and attention relies on what it holds.
  if (!isFinite) throw notFinite();
}

function idsOf(head: Uint8Array<ArrayBuffer>, tokens: number, vocabSize: number): Uint32Array {
  const ids = new Uint32Array(head.buffer, 0, tokens);
  const at = ids.findIndex((id) => id >= vocabSize);
  if (at >= 0) throw refusal(`ids[${at}]`, `it is ${ids[at]}, and the vocabulary has ${vocabSize} tokens. Save it again`, ids[at]);
  return ids;
}

function notFinite(): KvasmError {
  return refusal("numbers", "a NaN or an infinity is among them, which no cache holds. Save it again");
}
