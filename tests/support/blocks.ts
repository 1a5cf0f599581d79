/** GGUF's block formats by their definition: to numbers, and from numbers as llama.cpp's quantize_row_*_ref has it. */

const f = Math.fround;

export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

export interface Format {
  elements: number;
  bytes: number;
  /** Where the block's binary16 scales are. */
  scales: number[];
  /** Element i of the block. */
  value(block: DataView, i: number): number;
}

const half = (block: DataView, at: number): number => halfValue(block.getUint16(at, true));
/** Nibble of element i of a block of 32: the first sixteen are the low ones. */
const nibble = (block: DataView, at: number, i: number): number => (block.getUint8(at + (i % 16)) >> (i < 16 ? 0 : 4)) & 15;
const fifth = (block: DataView, at: number, i: number): number => ((block.getUint32(at, true) >>> i) & 1) << 4;

/** Scale and minimum of group g of the K formats, six bits each. */
function sixBits(block: DataView, g: number): [scale: number, minimum: number] {
  const byte = (i: number): number => block.getUint8(4 + i);
  if (g < 4) return [byte(g) & 63, byte(g + 4) & 63];
  return [(byte(g + 4) & 15) + ((byte(g - 4) >> 6) << 4), (byte(g + 4) >> 4) + ((byte(g) >> 6) << 4)];
}

function groupValue(block: DataView, g: number, q: number): number {
  const [scale, minimum] = sixBits(block, g);
  return f(f(f(half(block, 0) * scale) * q) - f(half(block, 2) * minimum));
}

export const FORMATS = {
  Q4_0: { elements: 32, bytes: 18, scales: [0], value: (b, i) => f((nibble(b, 2, i) - 8) * half(b, 0)) },
  Q4_1: { elements: 32, bytes: 20, scales: [0, 2], value: (b, i) => f(f(nibble(b, 4, i) * half(b, 0)) + half(b, 2)) },
  Q5_0: { elements: 32, bytes: 22, scales: [0], value: (b, i) => f((nibble(b, 6, i) + fifth(b, 2, i) - 16) * half(b, 0)) },
  Q5_1: { elements: 32, bytes: 24, scales: [0, 2], value: (b, i) => f(f((nibble(b, 8, i) + fifth(b, 4, i)) * half(b, 0)) + half(b, 2)) },
  Q8_0: { elements: 32, bytes: 34, scales: [0], value: (b, i) => f(b.getInt8(2 + i) * half(b, 0)) },
  Q4_K: {
    elements: 256, bytes: 144, scales: [0, 2],
    value(b, i) {
      const g = i >> 5;
      return groupValue(b, g, (b.getUint8(16 + (g >> 1) * 32 + (i % 32)) >> (g % 2 ? 4 : 0)) & 15);
    },
  },
  Q5_K: {
    elements: 256, bytes: 176, scales: [0, 2],
    value(b, i) {
      const g = i >> 5;
      const high = (b.getUint8(16 + (i % 32)) >> g) & 1;
      return groupValue(b, g, ((b.getUint8(48 + (g >> 1) * 32 + (i % 32)) >> (g % 2 ? 4 : 0)) & 15) + 16 * high);
    },
  },
  Q6_K: {
    elements: 256, bytes: 210, scales: [208],
    value(b, i) {
      const h = i >> 7, g = (i >> 5) & 3, j = i % 32;
      const low = (b.getUint8(h * 64 + (g % 2) * 32 + j) >> (g < 2 ? 0 : 4)) & 15;
      const high = (b.getUint8(128 + h * 32 + j) >> (2 * g)) & 3;
      const scale = b.getInt8(192 + h * 8 + g * 2 + (j >> 4));
      return f(f(half(b, 208) * scale) * (low + 16 * high - 32));
    },
  },
} satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;

/** All elements of a run of blocks. */
export function dequantized(name: FormatName, blocks: Uint8Array): Float32Array<ArrayBuffer> {
  const format: Format = FORMATS[name];
  const values = new Float32Array((blocks.length / format.bytes) * format.elements);
  for (let i = 0; i < values.length; i++) {
    const at = Math.floor(i / format.elements) * format.bytes;
    values[i] = format.value(new DataView(blocks.buffer, blocks.byteOffset + at, format.bytes), i % format.elements);
  }
  return values;
}

/** Blocks of any bits, with scales that keep values near `size` and are finite. */
export function randomBlocks(name: FormatName, elements: number, seed: number, size = 0.05): Uint8Array<ArrayBuffer> {
  const format: Format = FORMATS[name];
  let state = (seed * 2654435761 + 1) >>> 0;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  const blocks = Uint8Array.from({ length: (elements / format.elements) * format.bytes }, () => next() & 255);
  const view = new DataView(blocks.buffer);
  const exponent = Math.round(Math.log2(size)) + (name.endsWith("K") ? -10 : -4); // of the scale
  for (let at = 0; at < blocks.length; at += format.bytes) {
    for (const scale of format.scales) view.setUint16(at + scale, (next() & 0x83ff) | ((15 + exponent + (next() % 2)) << 10), true);
  }
  return blocks;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** To the nearest binary16, ties to even, by trying. */
export function toHalf(value: number): number {
  float[0] = value;
  const sign = floatBits[0] >>> 31 ? 0x8000 : 0;
  const size = Math.abs(value);
  let low = 0, high = 0x7c00; // halves as integers have the order of their values
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (halfValue(middle) <= size) low = middle;
    else high = middle;
  }
  const next = low + 1 === 0x7c00 ? 65536 : halfValue(low + 1);
  const down = size - halfValue(low), up = next - size;
  return sign | (up < down || (up === down && low % 2 === 1) ? low + 1 : low);
}

/** Half away from zero, as C's roundf. */
const roundAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

/** quantize_row_q8_0_ref. */
export function quantizedQ8_0(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array((values.length / 32) * 34);
  const view = new DataView(blocks.buffer);
  for (let b = 0; b * 32 < values.length; b++) {
    let largest = 0;
    for (let j = 0; j < 32; j++) largest = Math.max(largest, Math.abs(values[b * 32 + j]));
    const d = f(largest / 127);
    const inverse = d === 0 ? 0 : f(1 / d);
    view.setUint16(b * 34, toHalf(d), true);
    for (let j = 0; j < 32; j++) view.setInt8(b * 34 + 2 + j, roundAway(f(values[b * 32 + j] * inverse)));
  }
  return blocks;
}

/** quantize_row_q4_0_ref. */
export function quantizedQ4_0(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array((values.length / 32) * 18);
  const view = new DataView(blocks.buffer);
  for (let b = 0; b * 32 < values.length; b++) {
    let extreme = 0;
    for (let j = 0; j < 32; j++) if (Math.abs(values[b * 32 + j]) > Math.abs(extreme)) extreme = values[b * 32 + j];
    const d = f(extreme / -8);
    const inverse = d === 0 ? 0 : f(1 / d);
    view.setUint16(b * 18, toHalf(d), true);
    const q = (j: number): number => Math.min(15, Math.trunc(f(f(values[b * 32 + j] * inverse) + 8.5)));
    for (let j = 0; j < 16; j++) view.setUint8(b * 18 + 2 + j, q(j) | (q(j + 16) << 4));
  }
  return blocks;
}
