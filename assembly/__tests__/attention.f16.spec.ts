import { attendOneRow, attendTwoRows } from "../kernels/attention";
import { Attention } from "../kernels/attention-record";
import { halfPlace } from "../kernels/f16/matmul";
import { halfOf } from "./reference/integers";
import { attendReference } from "./reference/attention";
import { storeKeys, storeValues } from "../kernels/store-key-value";
import { recordGuarded, recordOf } from "./attention-record";
import { widenPages } from "../kernels/f16/widen-pages";
import { buffer, copy, difference, guarded, randoms, seed, untouched, zeros } from "./support";

// The cache in binary16: keys and values are rounded once, as they are stored; from there on attention is that of f32.

const COUNTS: StaticArray<i32> = [1, 2, 15, 16, 17, 32, 33, 47, 49, 100];
const PAGES: usize = 7;

let pages: usize = 0;
let keys: usize = 0;
let values: usize = 0;
let keyPageBytes: usize = 0;
let valuePageBytes: usize = 0;
let width: usize = 0;
/** What attention should see, f32[PAGES · 16][width]: rounded. */
let plainKeys: usize = 0;
let plainValues: usize = 0;

/** What a row of this cache is attended to with. */
function record(heads: usize, size: usize): Attention {
  const a = recordOf(heads, size, PAGES, keyPageBytes, valuePageBytes, size * 32, ((size + 15) >> 4) * 512);
  a.pages = pages; a.keys = keys; a.values = values; a.scale = 0.3;
  return a;
}

/** PAGES · 16 tokens through storeKeys and storeValues. */
function fill(heads: usize, size: usize): void {
  width = heads * size;
  const panels = (size + 15) >> 4;
  keyPageBytes = width * 32;
  valuePageBytes = heads * panels * 512;
  keys = zeros(keyPageBytes * PAGES);
  values = zeros(valuePageBytes * PAGES);
  pages = buffer(PAGES * 4);
  for (let i: u32 = 0; i < <u32>PAGES; i++) store<u32>(pages + (i << 2), (i * 3 + 2) % <u32>PAGES);
  plainKeys = buffer(PAGES * 64 * width);
  plainValues = buffer(PAGES * 64 * width);
  const bias = randoms(2 * width, 1);
  for (let t: usize = 0; t < PAGES * 16; t++) {
    const x = randoms(2 * width, 1);
    const page = <usize>load<u32>(pages + ((t >> 4) << 2));
    storeKeys<u16>(keys + page * keyPageBytes, t & 15, x, bias, heads, size);
    storeValues<u16>(values + page * valuePageBytes, t & 15, x + width * 4, bias + width * 4, heads, size);
    for (let c: usize = 0; c < width; c++) {
      const v = (c + width) << 2;
      store<f32>(plainKeys + ((t * width + c) << 2), halfOf(load<f32>(x + (c << 2)) + load<f32>(bias + (c << 2))));
      store<f32>(plainValues + ((t * width + c) << 2), halfOf(load<f32>(x + v) + load<f32>(bias + v)));
    }
  }
  expect(guarded(keys, keyPageBytes * PAGES) && guarded(values, valuePageBytes * PAGES)).toBe(true);
}

function wantedRow(q: usize, count: i32, heads: usize, size: usize): usize {
  const out = buffer(width * 4), scores = buffer(PAGES * 64);
  for (let h: usize = 0; h < heads; h++) {
    const column = h * size * 4;
    attendReference(out + column, q + column, plainKeys + column, plainValues + column, width, count, size, 0.3, scores);
  }
  return out;
}

const SIZES: StaticArray<i32> = [1, 10, 16, 20, 64];

describe("attention on a binary16 cache", () => {
  it("one row and two rows have the bits of f32 attention on the rounded keys and values", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const size = <usize>SIZES[i], heads: usize = 3;
      fill(heads, size);
      const stride = width * 4 + 64;
      const q = randoms(stride / 2, 4);
      for (let c = 0; c < COUNTS.length; c++) {
        const count = COUNTS[c];
        const out = buffer(stride * 2), a = record(heads, size);
        a.queryStride = stride; a.outStride = stride;
        // Queries are multiplied in place: each call gets its own.
        let scaled = buffer(stride * 2);
        memory.copy(scaled, q, stride * 2);
        attendOneRow<u16>(a, out, scaled, count, 0, heads);
        expect(difference(out, wantedRow(q, count, heads, size), width)).toBe(-1, `one row of ${count}, size ${size}`);
        if (count == 1) continue;
        scaled = buffer(stride * 2);
        memory.copy(scaled, q, stride * 2);
        for (let h: usize = 0; h < heads; h++) attendTwoRows<u16, u16>(a, out + h * size * 4, scaled + h * size * 4, count, h);
        expect(difference(out, wantedRow(q, count - 1, heads, size), width)).toBe(-1, `first of ${count}, size ${size}`);
        expect(difference(out + stride, wantedRow(q + stride, count, heads, size), width)).toBe(-1, `second of ${count}, size ${size}`);
        expect(guarded(out, stride * 2) && untouched(out + width * 4, 64) && recordGuarded(a)).toBe(true);
      }
    }
  });

  it("two rows on widened pages have the bits of two rows on halves, also of queries that 2¹¹² makes infinite", () => {
    seed(2);
    for (let i = 0; i < SIZES.length; i++) {
      const size = <usize>SIZES[i], panels = (size + 15) >> 4, count = 100;
      fill(1, size);
      const pageCount: usize = (count + 15) >> 4, keyBytes = pageCount * size * 64, valueBytes = pageCount * panels * 1024;
      const floatKeys = buffer(keyBytes), floatValues = buffer(valueBytes), inOrder = buffer(PAGES * 4);
      for (let p: u32 = 0; p < <u32>PAGES; p++) store<u32>(inOrder + (p << 2), p);
      widenPages(floatKeys, pages, pageCount, keys, keyPageBytes, size * 16);
      widenPages(floatValues, pages, pageCount, values, valuePageBytes, panels * 256);
      expect(guarded(floatKeys, keyBytes) && guarded(floatValues, valueBytes)).toBe(true);
      const stride = size * 4;
      const w = recordOf(1, size, PAGES, size * 64, panels * 1024, 0, 0);
      w.pages = inOrder; w.keys = floatKeys; w.values = floatValues; w.scale = 0.3;
      for (let turn = 0; turn < 2; turn++) {
        const q = randoms(size * 2, 4);
        if (turn) store<f32>(q, 65536);
        const scaled = copy(q, stride * 2), out = buffer(stride * 2), wanted = buffer(stride * 2);
        attendTwoRows<u16, u16>(record(1, size), wanted, scaled, count, 0);
        attendTwoRows<u16, f32>(w, out, q, count, 0);
        expect(difference(out, wanted, size * 2)).toBe(-1, `size ${size}`);
        expect(isFinite(load<f32>(out))).toBe(turn == 0);
      }
    }
  });

  it("keys beyond ±65504 are stored as that", () => {
    const x = buffer(8), bias = zeros(8), k = zeros(32), v = zeros(512);
    store<f32>(x, 70000);
    store<f32>(x + 4, -1e30);
    storeKeys<u16>(k, 3, x, bias, 1, 1);
    storeValues<u16>(v, 3, x + 4, bias + 4, 1, 1);
    expect(load<u16>(k + halfPlace(3) * 2)).toBe(0x7bff);
    expect(load<u16>(v + 96 + halfPlace(0) * 2)).toBe(0xfbff);
  });
});
