/** The checksum of saved sequences, docs/FORMATS.md: the module computes it. */
import { Region } from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Arena } from "../model/arena.ts";

/** Bytes of JavaScript's are taken in pieces of this many. */
const PIECE = 65536;

/** The checksum of some bytes outside the module, a multiple of 16 of them. */
export function checksumOf({ exports, header, memory }: Arena, bytes: Uint8Array): bigint {
  const staging = unsigned(exports.stagingAddress(header));
  let sum = 0n;
  for (let from = 0; from < bytes.length; from += PIECE) {
    const piece = bytes.subarray(from, from + PIECE);
    memory.u8.set(piece, staging);
    sum = exports.addChecksum(sum, staging, piece.length);
  }
  return sum;
}

const known = new WeakMap<Arena, bigint>();

/** The checksum of all weights as they lie in memory. Computed once a model, when first asked for: one pass over them. */
export function weightsChecksum(arena: Arena): bigint {
  let sum = known.get(arena);
  if (sum === undefined) {
    const { exports, header } = arena;
    sum = 0n;
    for (const region of [Region.weights, Region.storedHead]) {
      sum = exports.addChecksum(sum, exports.regionAddress(header, region), exports.regionBytes(header, region));
    }
    known.set(arena, sum);
  }
  return sum;
}
