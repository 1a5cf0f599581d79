import { assert } from "./assert.ts";

/** The checksum of saved sequences, written again from docs/FORMATS.md in plain scalar arithmetic. */
const PRIME = 0x9e3779b1;
const MIXER = 0x9e3779b97f4a7c15n;
const MASK = (1n << 64n) - 1n;

function mix(state: bigint, word: bigint): bigint {
  const x = ((state ^ word) * MIXER) & MASK;
  return x ^ (x >> 32n);
}

/** `state` after one piece. */
export function addPiece(state: bigint, piece: Uint8Array): bigint {
  const filled = new Uint8Array(Math.ceil(piece.length / 128) * 128);
  filled.set(piece);
  const words = new DataView(filled.buffer);
  const lanes = new Uint32Array(32).fill(PRIME);
  for (let at = 0; at < filled.length; at += 128) {
    for (let lane = 0; lane < 32; lane++) {
      const x = (lanes[lane] ^ words.getUint32(at + 4 * lane, true)) >>> 0;
      lanes[lane] = Math.imul((x << 13) | (x >>> 19), PRIME);
    }
  }
  state = mix(state, BigInt(piece.length));
  for (let lane = 0; lane < 32; lane += 2) state = mix(state, BigInt(lanes[lane]) | (BigInt(lanes[lane + 1]) << 32n));
  return state;
}

/** Of header, or ids and row: pieces of 65536 bytes. */
export function headChecksum(bytes: Uint8Array): bigint {
  let state = 0n;
  for (let at = 0; at < bytes.length; at += 65536) state = addPiece(state, bytes.subarray(at, at + 65536));
  return state;
}

/** A saved sequence with its checksums computed again: for files that are wrong on purpose. */
export function resealed(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = file.slice() as Uint8Array<ArrayBuffer>;
  const view = new DataView(bytes.buffer);
  const [layers, width] = [view.getUint32(36, true), view.getUint32(40, true)];
  const [pageTokens, keys, values, tokens] = [76, 80, 84, 88].map((at) => view.getUint32(at, true));
  const pages = Math.ceil(tokens / pageTokens);
  const headEnd = 128 + Math.ceil(tokens / 16) * 64 + Math.ceil(width / 16) * 64;
  view.setBigUint64(112, headChecksum(bytes.subarray(128, headEnd)), true);
  view.setBigUint64(120, headChecksum(bytes.subarray(0, 112)), true);
  let at = headEnd;
  let sum = 0n;
  for (let layer = 0; layer < layers; layer++) {
    for (const size of [keys, values]) {
      for (let page = 0; page < pages; page++) sum = addPiece(sum, bytes.subarray(at, at += size));
    }
  }
  view.setBigUint64(at, sum, true);
  return bytes;
}

/** The seed, which may be random, and the header's checksum. */
const isSeed = (at: number): boolean => (at >= 104 && at < 112) || (at >= 120 && at < 128);

/** Fails unless two saved sequences are the same but for their seeds. */
export function sameFile(a: Uint8Array, b: Uint8Array, what = "saved"): void {
  assert.equal(a.length, b.length, what);
  const at = a.findIndex((byte, i) => byte !== b[i] && !isSeed(i));
  if (at >= 0) assert.fail(`${what}: the files differ at ${at}`);
}
