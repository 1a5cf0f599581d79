import { KvasmError } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { Slot } from "../model/slot.ts";
import { unsigned } from "../wasm/memory.ts";
import { checksumOf, weightsChecksum } from "./checksum.ts";
import { TRAILER_BYTES, encodeHeader, sizesOf } from "./format.ts";
import { modelFields } from "./model-fields.ts";

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
    throw new KvasmError("memory", `save: the saved sequence has ${count} bytes, which the host cannot give. Use saveTo.`, { argument: "save", value: count, cause });
  }
}

/**
 * The same part by part. A part is a view of the module's memory: to be copied before anything else is computed.
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
  yield head;

  const full = Math.floor(tokens / pageTokens);
  const bytes = pagePartBytes(arena);
  let sum = 0n;
  for (let layer = 0; layer < model.n_layer; layer++) {
    for (const values of [0, 1] as const) {
      for (let page = 0; page * pageTokens < tokens; page++) {
        const start = unsigned(page < full
          ? exports.pageAddress(slot.arena.header, index, layer, page, values)
          : exports.lastPageCopy(slot.arena.header, index, layer, values));
        // Summed page by page: what was read for the sum is still near when it is copied.
        sum = exports.addChecksum(sum, start, bytes[values]);
        yield memory.u8.subarray(start, start + bytes[values]);
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

/** Bytes of a layer's keys and of its values in a page. */
export function pagePartBytes({ exports, header }: Arena): readonly [keys: number, values: number] {
  return [unsigned(exports.keyPageBytes(header)), unsigned(exports.valuePageBytes(header))];
}
