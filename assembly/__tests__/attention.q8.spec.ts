import { Attention } from "../kernels/attention-record";
import { attendOneRowQ8, attendTwoRowsQ8, q8ValueBytes } from "../kernels/q8/attention";
import { q8PanelBytes } from "../kernels/q8/matmul";
import { storeKeysQ8, storeValuesQ8 } from "../kernels/q8/store-key-value";
import { recordGuarded, recordOf } from "./attention-record";
import { softmaxReference } from "./reference/attention";
import { decodeQ8, integersOf, scaleOf, vectorAt } from "./reference/integers";
import { below, buffer, difference, guarded, randomize, randoms, seed, untouched, zeros } from "./support";

// "Cache types" of docs/NUMERICS.md, int8.

const COUNTS: StaticArray<i32> = [1, 2, 15, 16, 17, 32, 33, 47, 49, 100];
const PAGES: usize = 7;

let pages: usize = 0;
let keys: usize = 0;
let values: usize = 0;
let keyPageBytes: usize = 0;
let valuePageBytes: usize = 0;
let width: usize = 0;
/** Keys and values with their bias, f32[PAGES · 16][width]. */
let plainKeys: usize = 0;
let plainValues: usize = 0;

/** What a row of this cache is attended to with. */
function record(heads: usize, size: usize): Attention {
  const a = recordOf(heads, size, PAGES, keyPageBytes, valuePageBytes, q8PanelBytes(size), q8ValueBytes(size));
  a.pages = pages; a.keys = keys; a.values = values; a.scale = 0.3;
  return a;
}

/** PAGES · 16 tokens through storeKeysQ8 and storeValuesQ8: of all sizes, some zero. */
function fill(heads: usize, size: usize): void {
  width = heads * size;
  keyPageBytes = heads * q8PanelBytes(size);
  valuePageBytes = heads * q8ValueBytes(size) + 64;
  keys = zeros(keyPageBytes * PAGES);
  values = zeros(valuePageBytes * PAGES);
  pages = buffer(PAGES * 4);
  for (let i: u32 = 0; i < <u32>PAGES; i++) store<u32>(pages + (i << 2), (i * 3 + 2) % <u32>PAGES);
  plainKeys = buffer(PAGES * 64 * width);
  plainValues = buffer(PAGES * 64 * width);
  for (let t: usize = 0; t < PAGES * 16; t++) {
    const scale: f32 = below(8) == 0 ? 0 : below(8) == 0 ? 10 : 1;
    const x = randoms(2 * width, 1), bias = zeros(8 * width);
    randomize(x, width * 2, scale);
    randomize(bias, width * 2, scale / 2);
    const page = <usize>load<u32>(pages + ((t >> 4) << 2));
    storeKeysQ8(keys + page * keyPageBytes, t & 15, x, bias, heads, size);
    storeValuesQ8(values + page * valuePageBytes, t & 15, x + width * 4, bias + width * 4, heads, size);
    for (let c: usize = 0; c < width; c++) {
      const v = (c + width) << 2;
      store<f32>(plainKeys + ((t * width + c) << 2), load<f32>(x + (c << 2)) + load<f32>(bias + (c << 2)));
      store<f32>(plainValues + ((t * width + c) << 2), load<f32>(x + v) + load<f32>(bias + v));
    }
  }
  expect(guarded(keys, keyPageBytes * PAGES) && guarded(values, valuePageBytes * PAGES)).toBe(true);
}

/** One head of the row at position count − 1. */
function attend(out: usize, q: usize, column: usize, count: i32, size: usize, scale: f32): void {
  const query = vectorAt(q + column, size);
  const Q = integersOf(query, 2047), r = scaleOf(query, 2047);
  const e = zeros(PAGES * 64), p = new StaticArray<f32>(count);
  for (let i: usize = 0; i < <usize>count; i++) {
    const key = vectorAt(plainKeys + i * width * 4 + column, size);
    const K = integersOf(key, 127);
    let sum = 0;
    for (let d = 0; d < K.length; d++) sum += Q[d] * K[d];
    store<f32>(e + (i << 2), ((<f32>sum * scaleOf(key, 127)) * r) * scale);
  }
  const S = softmaxReference(e, count);
  for (let i: usize = 0; i < <usize>count; i++) {
    const weight = load<f32>(e + (i << 2));
    p[<i32>i] = weight == 0 ? 0 : weight * scaleOf(vectorAt(plainValues + i * width * 4 + column, size), 127);
  }
  const P = integersOf(p, 2047), rp = scaleOf(p, 2047);
  const sums = new StaticArray<i32>(<i32>size), y = new StaticArray<f32>(<i32>size);
  for (let i = 0; i < count; i++) {
    const V = integersOf(vectorAt(plainValues + <usize>i * width * 4 + column, size), 127);
    for (let d = 0; d < V.length; d++) sums[d] += P[i] * V[d];
    if ((i & 15) != 15 && i != count - 1) continue;
    for (let d = 0; d < V.length; d++) {
      y[d] = i < 16 ? <f32>sums[d] : y[d] + <f32>sums[d];
      sums[d] = 0;
    }
  }
  for (let d: usize = 0; d < size; d++) store<f32>(out + column + (d << 2), (y[<i32>d] * rp) / S);
}

function wantedRow(q: usize, count: i32, heads: usize, size: usize): usize {
  const out = buffer(width * 4);
  for (let h: usize = 0; h < heads; h++) attend(out, q, h * size * 4, count, size, 0.3);
  return out;
}

const SIZES: StaticArray<i32> = [1, 10, 16, 20, 40, 64];

describe("attention on an int8 cache", () => {
  it("storeKeysQ8, storeValuesQ8: integers and scales of the definition, in their places; the other lanes stay", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const size = <usize>SIZES[i], heads: usize = 2;
      fill(heads, size);
      let differing = 0;
      for (let t: usize = 0; t < PAGES * 16; t++) {
        const page = <usize>load<u32>(pages + ((t >> 4) << 2)), lane = t & 15;
        for (let h: usize = 0; h < heads; h++) {
          const panel = keys + page * keyPageBytes + h * q8PanelBytes(size);
          const block = values + page * valuePageBytes + h * q8ValueBytes(size);
          const key = vectorAt(plainKeys + (t * width + h * size) * 4, size), K = integersOf(key, 127);
          const value = vectorAt(plainValues + (t * width + h * size) * 4, size), V = integersOf(value, 127);
          for (let d: usize = 0; d < size; d++) {
            if (decodeQ8(panel, lane, d) != K[<i32>d]) differing++;
            if (decodeQ8(block + (d >> 4) * 256, d & 15, lane) != V[<i32>d]) differing++;
          }
          if (load<f32>(panel + q8PanelBytes(size) - 64 + lane * 4) != scaleOf(key, 127)) differing++;
          if (load<f32>(block + q8ValueBytes(size) - 64 + lane * 4) != scaleOf(value, 127)) differing++;
        }
      }
      expect(differing).toBe(0, "size " + size.toString());
    }
  });

  it("one row and two rows by the definition, to the bit", () => {
    seed(2);
    for (let i = 0; i < SIZES.length; i++) {
      const size = <usize>SIZES[i], heads: usize = 3;
      fill(heads, size);
      const stride = width * 4 + 64;
      const q = randoms(stride / 2, 4);
      for (let c = 0; c < COUNTS.length; c++) {
        const count = COUNTS[c];
        const out = buffer(stride * 2), a = record(heads, size);
        a.queryStride = stride; a.outStride = stride;
        attendOneRowQ8(a, out, q, count, 0, heads);
        expect(difference(out, wantedRow(q, count, heads, size), width)).toBe(-1, `one row of ${count}, size ${size}`);
        expect(recordGuarded(a)).toBe(true);
        if (count == 1) continue;
        for (let h: usize = 0; h < heads; h++) attendTwoRowsQ8(a, out + h * size * 4, q + h * size * 4, count, h);
        expect(difference(out, wantedRow(q, count - 1, heads, size), width)).toBe(-1, `first of ${count}, size ${size}`);
        expect(difference(out + stride, wantedRow(q + stride, count, heads, size), width)).toBe(-1, `second of ${count}, size ${size}`);
        expect(guarded(out, stride * 2) && untouched(out + width * 4, 64) && recordGuarded(a)).toBe(true);
      }
    }
  });

  it("scales that are no numbers, of tokens that are not there, do not show", () => {
    seed(3);
    const size: usize = 16, count = 21;
    fill(1, size);
    const q = randoms(32, 4), a = record(1, size);
    const last = <usize>load<u32>(pages + 4);
    for (let lane: usize = 5; lane < 16; lane++) {
      store<f32>(keys + last * keyPageBytes + q8PanelBytes(size) - 64 + lane * 4, f32.NaN);
      store<f32>(values + last * valuePageBytes + q8ValueBytes(size) - 64 + lane * 4, lane & 1 ? f32.NaN : f32.POSITIVE_INFINITY);
    }
    const out = buffer(128);
    attendOneRowQ8(a, out, q, count, 0, 1);
    expect(difference(out, wantedRow(q, count, 1, size), 16)).toBe(-1);
    attendTwoRowsQ8(a, out, q, count, 0);
    expect(difference(out, wantedRow(q, count - 1, 1, size), 16)).toBe(-1);
    expect(difference(out + 64, wantedRow(q + 64, count, 1, size), 16)).toBe(-1);
  });
});
