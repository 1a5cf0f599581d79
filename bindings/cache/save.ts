import { KvasmError } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { Slot } from "../model/slot.ts";
import { unsigned } from "../wasm/memory.ts";
import { checksumOf, weightsChecksum } from "./checksum.ts";
import { TRAILER_BYTES, encodeHeader, sizesOf } from "./format.ts";
import { modelFields } from "./model-fields.ts";

/** Bytes of a part at most. */
const PART = 1 << 20;

/** The file of a sequence. @throws KvasmError `memory` */
export function save(slot: Slot, seed: number | undefined): Uint8Array<ArrayBuffer> {
  const { total } = sizesOf(modelFields(slot.arena), slot.length);
  const bytes = bytesFor(total);
  let at = 0;
  for (const part of savedParts(slot, seed)) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function bytesFor(count: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(count);
  } catch (cause) {
    throw new KvasmError("memory", `save: the saved sequence has ${count} bytes, and the host does not give them. Use saveTo.`, { argument: "save", value: count, cause });
  }
}

/**
 * The same part by part, at most PART bytes each. A part is a view of the module's memory: to be copied before anything else is computed.
 * The slot must not change meanwhile.
 */
export function* savedParts(slot: Slot, seed: number | undefined): Generator<Uint8Array, void, void> {
  const { arena, index } = slot.place;
  const { exports, header, memory, pageTokens } = arena;
  const model = modelFields(arena);
  const tokens = slot.length;
  const hasLast = exports.hasLogits(header, index) === 1;
  const head = idsAndRow(arena, index, hasLast);
  yield encodeHeader({ model, tokens, hasLast, weightsSum: weightsChecksum(arena), seed, headSum: checksumOf(arena, head) }, (bytes) => checksumOf(arena, bytes));
  yield* cut(head);

  const full = Math.floor(tokens / pageTokens);
  const bytes = [unsigned(exports.keyPageBytes(header)), unsigned(exports.valuePageBytes(header))] as const;
  let sum = 0n;
  for (let layer = 0; layer < model.n_layer; layer++) {
    sum = exports.addPagesChecksum(slot.arena.header, sum, index, layer, 1);
    for (const values of [0, 1] as const) {
      for (const [start, end] of runsOf(arena, index, layer, full, values, bytes[values])) {
        for (let at = start; at < end; at += PART) yield memory.u8.subarray(at, Math.min(at + PART, end));
      }
      // The copy is made again for each part: what is computed meanwhile takes its place.
      for (let at = 0; full * pageTokens < tokens && at < bytes[values]; at += PART) {
        const start = unsigned(exports.lastPageCopy(slot.arena.header, index, layer)) + values * bytes[0] + at;
        yield memory.u8.subarray(start, start + Math.min(PART, bytes[values] - at));
      }
    }
  }
  const trailer = new Uint8Array(TRAILER_BYTES);
  new DataView(trailer.buffer).setBigInt64(0, sum, true);
  yield trailer;
}

/** The part between the header and the pages. */
function idsAndRow({ exports, header, memory, config }: Arena, index: number, hasLast: boolean): Uint8Array<ArrayBuffer> {
  const tokens = exports.sequenceLength(header, index);
  const row = exports.rowStride(header) * 4;
  const idBytes = Math.ceil(tokens / 16) * 64;
  const bytes = bytesFor(idBytes + row);
  const copy = (to: number, address: number, count: number): void => bytes.set(memory.u8.subarray(address, address + count), to);
  copy(0, unsigned(exports.sequenceIds(header, index)), tokens * 4);
  if (hasLast) copy(idBytes, unsigned(exports.sequenceLast(header, index)), config.n_embd * 4);
  return bytes;
}

function* cut(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += PART) yield bytes.subarray(at, at + PART);
}

/** First byte and the one behind the last of each run of `pages` pages' keys, or values, in memory: pages handed out in a row are one. */
export function* runsOf({ exports, header }: Arena, index: number, layer: number, pages: number, values: 0 | 1, bytes: number): Generator<[start: number, end: number], void, void> {
  let start = 0, end = 0;
  for (let page = 0; page < pages; page++) {
    const at = unsigned(exports.pageAddress(header, index, layer, page, values));
    if (at !== end) {
      if (end > start) yield [start, end];
      start = at;
    }
    end = at + bytes;
  }
  if (end > start) yield [start, end];
}
