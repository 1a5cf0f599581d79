import { KvasmError } from "../errors.ts";
import { ENTRY_WORDS, HEAD_ROWS, MAX_ROWS, MODE_ALL, MODE_LAST, MODE_ROWS, MODE_NONE, PAGE_TOKENS, Status } from "../wasm/exports.ts";
import type { KvasmExports, Region } from "../wasm/exports.ts";
import type { Instance } from "../wasm/instantiate.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Memory } from "../wasm/memory.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import type { Team } from "../threads/team.ts";
import { Prefixes } from "../cache/prefixes.ts";
import type { ModelConfig } from "../weights/config.ts";
import { regionsOf } from "./layout.ts";
import type { CacheLayout } from "./layout.ts";

/** What a step computes beyond keys and values: nothing, or the logits of its last row. */
export type StepMode = typeof MODE_NONE | typeof MODE_LAST;

/** Sees the logits of an entry of MODE_ALL: f32[rows][stride] from element `start` on, the first of token number `first` of its sequence. */
export type LogitsObserver = (entry: StepEntry, memory: Memory, start: number, stride: number, rows: number, first: number) => void;

/** What one sequence appends in a step: ids[from … to − 1]. */
export interface StepEntry {
  readonly slot: number;
  readonly ids: ArrayLike<number>;
  readonly from: number;
  readonly to: number;
  readonly mode: StepMode | typeof MODE_ALL;
}

/** Sees a step while it runs. `rows` tokens, of which the first is token number `first` of its sequence. */
export interface StepObserver {
  /** Attention probabilities are kept and shown; a step then has at most ATTENTION_ROWS rows. */
  readonly keepAttention: boolean;
  /** Hidden states, f32[rows][stride] from element `start` on: layer 0 is the embedding, layer n_layer is after the final norm. */
  hidden(layer: number, memory: Memory, start: number, stride: number, rows: number, first: number): void;
  /** Probabilities, f32[n_head][rows][stride]. */
  attention(layer: number, memory: Memory, start: number, stride: number, rows: number, first: number): void;
  /** Logits, f32[rows][stride], some rows of the step at a time. */
  logits(memory: Memory, start: number, stride: number, rows: number, first: number): void;
}

/** One loaded model in one instance of the module. Arguments have been checked; statuses become errors here. */
export class Arena {
  /** What `exports` are an instance of. */
  readonly module: WebAssembly.Module;
  readonly exports: KvasmExports;
  readonly memory: Memory;
  /** Address of the model header. */
  readonly header: number;
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly cache: Cache;
  readonly contextLength: number;
  readonly pages: number;
  readonly slots: number;
  readonly maxRows: number;
  readonly pageTokens: number;
  /** Pages that sequences may share by themselves. */
  readonly prefixes = new Prefixes(this);
  /** What the sampler's options in memory were written from, so that they are not written again for each token. */
  samplerOptions: object | null = null;
  /** The threads that compute beside this one. */
  readonly team: Team | undefined;
  /** Tokens of a chunk of a prompt (chunks.ts); 0: none was computed yet. */
  chunkTokens = 0;

  /** Addresses in elements of 4 bytes. */
  readonly #stepEntries: number;
  readonly #stepIds: number;
  readonly #hidden: number;
  readonly #normed: number;
  readonly #attention: number;
  readonly #logits: number;
  readonly #rowStride: number;
  readonly #attentionStride: number;
  readonly #logitsStride: number;

  constructor(
    { module, exports }: Instance, memory: Memory, header: number, config: ModelConfig, layout: CacheLayout, types: { weights: Weights; cache: Cache }, team?: Team,
  ) {
    this.team = team;
    this.module = module;
    this.exports = exports;
    this.memory = memory;
    this.header = header;
    this.config = config;
    this.weights = types.weights;
    this.cache = types.cache;
    this.contextLength = layout.contextLength;
    this.pages = layout.pages;
    this.slots = layout.slots;
    this.maxRows = MAX_ROWS;
    this.pageTokens = PAGE_TOKENS;
    this.#stepEntries = unsigned(exports.stepEntries(header)) / 4;
    this.#stepIds = unsigned(exports.stepIds(header)) / 4;
    this.#hidden = unsigned(exports.hiddenRows(header)) / 4;
    this.#normed = unsigned(exports.normedRows(header)) / 4;
    this.#attention = unsigned(exports.attentionRows(header)) / 4;
    this.#logits = unsigned(exports.logitsRows(header)) / 4;
    this.#rowStride = exports.rowStride(header);
    this.#attentionStride = exports.attentionStride(header);
    this.#logitsStride = exports.logitsStride(header);
  }

  // ── sequences ──

  open(): number {
    return this.checkSlot(this.exports.openSequence(this.header));
  }

  fork(slot: number): number {
    return this.checkSlot(this.exports.forkSequence(this.header, slot));
  }

  /** A slot of `length` tokens, whose ids and pages are to be filled; there are pages for it. */
  openRestored(length: number): number {
    return this.checkSlot(this.exports.openRestored(this.header, length));
  }

  /** A slot that the module gave, or the error that there is none. */
  checkSlot(slot: number): number {
    if (slot >= 0) return slot;
    throw new KvasmError("sequences", `sequence: all ${this.slots} sequences of this model are in use. Dispose one first.`, { argument: "sequence", value: this.slots });
  }

  close(slot: number): void {
    this.exports.closeSequence(this.header, slot);
  }

  length(slot: number): number {
    return this.exports.sequenceLength(this.header, slot);
  }

  /** A copy. */
  ids(slot: number): Uint32Array {
    const start = unsigned(this.exports.sequenceIds(this.header, slot)) / 4;
    return this.memory.u32.slice(start, start + this.length(slot));
  }

  truncate(slot: number, length: number): void {
    this.exports.truncateSequence(this.header, slot, length);
  }

  /** Pages that can be had: known prefixes that no sequence holds are given up for them. */
  get freePages(): number {
    return this.exports.freePages(this.header);
  }

  /** Throws unless `rows` more tokens fit into the context. */
  checkContext(slot: number, rows: number, argument: string): void {
    const length = this.length(slot);
    if (length + rows > this.contextLength) {
      throw new KvasmError("context", `${argument}: ${rows} more tokens after ${length} exceed the context length of ${this.contextLength}. Truncate the sequence, pass fewer tokens, or load with a larger contextLength.`, { argument, value: rows });
    }
  }

  /** Throws unless `rows` more tokens fit into the context and the pool. */
  checkRoom(slot: number, rows: number, argument: string): void {
    this.checkContext(slot, rows, argument);
    const short = this.exports.pagesShort(this.header, slot, rows);
    if (short > 0) this.#makeFree(short, rows, argument);
  }

  /** Whether `rows` more tokens fit into the pool. */
  hasRoom(slot: number, rows: number): boolean {
    return this.exports.pagesShort(this.header, slot, rows) <= this.exports.idlePages(this.header);
  }

  /** Makes sure that `pages` pages are free, or throws. */
  checkPages(pages: number, rows: number, argument: string): void {
    const free = this.freePages - this.exports.idlePages(this.header);
    if (pages > free) this.#makeFree(pages - free, rows, argument);
  }

  /** Gives up known prefixes for so many pages, or throws. */
  #makeFree(short: number, rows: number, argument: string): void {
    const idle = this.exports.idlePages(this.header);
    if (short > idle) this.#pagesShort(short - idle, rows, argument);
    this.prefixes.giveUp(short);
  }

  #pagesShort(short: number, rows: number, argument: string): never {
    throw new KvasmError("pages", `${argument}: the cache is ${short} page${short === 1 ? "" : "s"} of ${this.pageTokens} tokens short for ${rows} more tokens (${this.freePages} of ${this.pages} are free). Dispose or truncate sequences, or load with more maxSequences or cacheBytes.`, { argument, value: short });
  }

  // ── steps ──

  /**
   * Appends to several sequences, each at most once, at most MAX_ROWS tokens in all. The logits of entries of MODE_ALL are shown to
   * `observer`. If it throws, nothing of any of them has changed.
   */
  stepMany(entries: readonly StepEntry[], observer?: LogitsObserver): void {
    const { exports, header } = this;
    let row = 0;
    entries.forEach(({ slot, ids, from, to, mode }, i) => {
      this.#writeEntry(i, slot, to - from, mode);
      this.#writeIds(row, ids, from, to);
      row += to - from;
    });
    const check = (status: number): void => {
      if (status === Status.ok) return;
      const failed = exports.failedEntry(header);
      const { slot, from, to } = entries[failed];
      this.#check(status, slot, to - from, `entries[${failed}]`);
    };
    const all = entries.some(({ mode }) => mode === MODE_ALL);
    const begin = all ? () => exports.beginStep(header, entries.length) : () => exports.step(header, entries.length);
    check(this.#withRoom(begin(), begin));
    if (!all) return;
    try {
      for (let layer = 0; layer < this.config.n_layer; layer++) exports.runLayer(header, layer, 0);
      check(exports.finishStep(header));
      let first = 0; // of an entry's rows, in the step
      for (const entry of entries) {
        if (entry.mode === MODE_ALL) this.#showLogits(entry, first, observer!);
        first += entry.to - entry.from;
      }
      exports.commitStep(header);
    } catch (error) {
      exports.abortStep(header);
      throw error;
    }
  }

  #showLogits(entry: StepEntry, first: number, observer: LogitsObserver): void {
    const rows = entry.to - entry.from;
    const length = this.length(entry.slot);
    for (let row = 0; row < rows; row += HEAD_ROWS) {
      const count = Math.min(HEAD_ROWS, rows - row);
      this.#check(this.exports.headRows(this.header, first + row, count), entry.slot, rows);
      observer(entry, this.memory, this.#logits, this.#logitsStride, count, length + row);
    }
  }

  /** Appends ids[from … to − 1], at most MAX_ROWS, to one sequence. */
  step(slot: number, ids: ArrayLike<number>, from: number, to: number, mode: StepMode): void {
    this.#writeEntry(0, slot, to - from, mode);
    this.#writeIds(0, ids, from, to);
    this.#check(this.#withRoom(this.exports.step(this.header, 1), () => this.exports.step(this.header, 1)), slot, to - from);
  }

  /** Appends one token and computes its logits. */
  stepOne(slot: number, id: number): void {
    this.#writeEntry(0, slot, 1, MODE_LAST);
    this.memory.u32[this.#stepIds] = id;
    const status = this.exports.step(this.header, 1);
    if (status !== Status.ok) this.#check(this.#withRoom(status, () => this.exports.step(this.header, 1)), slot, 1);
  }

  /**
   * Appends at most HEAD_ROWS tokens to one sequence and computes the logits of all their rows. Returns the address of those of row 0, and the bytes to those
   * of the next one. If it throws, nothing of the sequence has changed.
   */
  stepRows(slot: number, ids: ArrayLike<number>): { readonly address: number; readonly stride: number } {
    const { exports, header } = this;
    const before = this.length(slot);
    this.#writeEntry(0, slot, ids.length, MODE_ROWS);
    this.#writeIds(0, ids, 0, ids.length);
    this.#check(this.#withRoom(exports.step(header, 1), () => exports.step(header, 1)), slot, ids.length);
    const status = exports.headRows(header, 0, ids.length);
    if (status !== Status.ok) {
      this.truncate(slot, before);
      this.#check(status, slot, ids.length);
    }
    return { address: this.#logits * 4, stride: this.#logitsStride * 4 };
  }

  /** After stepRows of tokens from `before` on: keeps the first `rows` of them, as if they alone had been appended. */
  keepRows(slot: number, before: number, rows: number): void {
    const { exports, header, memory } = this;
    this.truncate(slot, before + rows);
    const row = this.#normed + (rows - 1) * this.#rowStride;
    memory.f32.copyWithin(unsigned(exports.sequenceLast(header, slot)) / 4, row, row + this.#rowStride);
    exports.keepLast(header, slot);
  }

  /**
   * The same step layer by layer, with the logits of all rows, shown to `observer`. `before`: what other sequences append in the same step,
   * without attention probabilities. If anything throws, nothing has changed.
   */
  observedStep(slot: number, ids: ArrayLike<number>, from: number, to: number, observer: StepObserver, before: readonly StepEntry[] = []): void {
    const { exports, header, memory } = this;
    const rows = to - from;
    const first = this.length(slot);
    const layers = this.config.n_layer;
    let offset = 0; // of its first row in the step
    [...before, { slot, ids, from, to, mode: MODE_ALL }].forEach((entry, i) => {
      this.#writeEntry(i, entry.slot, entry.to - entry.from, entry.mode);
      this.#writeIds(offset, entry.ids, entry.from, entry.to);
      if (i < before.length) offset += entry.to - entry.from;
    });
    const at = offset * this.#rowStride;
    const begin = (): number => exports.beginStep(header, before.length + 1);
    this.#check(this.#withRoom(begin(), begin), slot, rows);
    try {
      observer.hidden(0, memory, this.#hidden + at, this.#rowStride, rows, first);
      for (let layer = 0; layer < layers; layer++) {
        exports.runLayer(header, layer, observer.keepAttention ? 1 : 0);
        if (observer.keepAttention) observer.attention(layer, memory, this.#attention, this.#attentionStride, rows, first);
        if (layer + 1 < layers) observer.hidden(layer + 1, memory, this.#hidden + at, this.#rowStride, rows, first);
      }
      this.#check(exports.finishStep(header), slot, rows);
      observer.hidden(layers, memory, this.#normed + at, this.#rowStride, rows, first);
      for (let row = 0; row < rows; row += HEAD_ROWS) {
        const count = Math.min(HEAD_ROWS, rows - row);
        this.#check(exports.headRows(header, offset + row, count), slot, rows);
        observer.logits(memory, this.#logits, this.#logitsStride, count, first + row);
      }
      exports.commitStep(header);
    } catch (error) {
      exports.abortStep(header);
      throw error;
    }
  }

  /** The status of a step that is tried again as long as pages are short and known prefixes can be given up for it. */
  #withRoom(status: number, again: () => number): number {
    while (status === Status.pages && this.prefixes.giveUp(1) > 0) status = again();
    return status;
  }

  #writeEntry(index: number, slot: number, rows: number, mode: number): void {
    const { u32 } = this.memory;
    const at = this.#stepEntries + index * ENTRY_WORDS;
    u32[at] = slot;
    u32[at + 1] = rows;
    u32[at + 2] = mode;
  }

  /** ids[from … to − 1] are those of the rows from `row` on. */
  #writeIds(row: number, ids: ArrayLike<number>, from: number, to: number): void {
    const { u32 } = this.memory;
    for (let i = from; i < to; i++) u32[this.#stepIds + row + i - from] = ids[i];
  }

  #check(status: number, slot: number, rows: number, argument = "ids"): void {
    switch (status) {
      case Status.ok:
        return;
      case Status.notFinite:
        throw new KvasmError("non-finite", `${argument === "ids" ? "logits" : argument}: the model computed a NaN or an infinity for these tokens; the sequence is as it was. The weights are too large for 32-bit floats: check the checkpoint.`, { argument: argument === "ids" ? "logits" : argument });
      case Status.pages:
        return this.#pagesShort(Math.max(1, this.exports.pagesShort(this.header, slot, rows)), rows, argument);
      default:
        // Ids and room were checked before: this would be a mistake of ours.
        throw new KvasmError("state", `step: the module refused ${rows} tokens with status ${status}. Please report this.`, { argument: "step", value: status });
    }
  }

  // ── logits and sampler ──

  /** Whether `logits` is an address. */
  hasLogits(slot: number): boolean {
    return this.exports.hasLogits(this.header, slot) === 1;
  }

  /** Address of the logits of the sequence's last token, until the next step; 0 if they are not known. */
  logits(slot: number): number {
    return unsigned(this.exports.sequenceLogits(this.header, slot));
  }

  /** A copy of the logits at an address, f32[vocab_size]. */
  copyLogits(address: number): Float32Array {
    return this.memory.f32.slice(address / 4, address / 4 + this.config.vocab_size);
  }

  /** Draws from the logits at an address; the first `length` ids of the sequence are the history of the penalties. */
  sample(slot: number, logits: number, length: number): number {
    return this.exports.sample(this.header, slot, logits, length);
  }

  /** log p of an id under the logits at an address, no options applied. */
  logProbability(logits: number, id: number): number {
    return this.exports.logProbability(this.header, logits, id);
  }

  /** The `count` likeliest ids under the logits at an address, no options applied, likeliest first; of equal logits the lower id. */
  likeliest(logits: number, count: number): { readonly id: number; readonly logprob: number }[] {
    const at = unsigned(this.exports.likeliest(this.header, logits, count)) / 8;
    const { f64, u32 } = this.memory;
    return Array.from(f64.slice(at, at + count), (logprob, i) => ({ id: u32[2 * (at + count) + i]!, logprob }));
  }

  /** Bytes of each region, in the order of their addresses. */
  regions(): Record<keyof typeof Region, number> {
    return regionsOf(this.exports, this.header);
  }
}
