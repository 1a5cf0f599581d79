import { attendOneRow, attendTwoRows } from "../kernels/attention";
import { Attention } from "../kernels/attention-record";
import { divideRow, softmaxRow } from "../kernels/softmax";
import { storeKeys, storeValues } from "../kernels/store-key-value";
import { recordGuarded, recordOf } from "./attention-record";
import { attendReference, softmaxReference } from "./reference/attention";
import { below, buffer, copy, difference, guarded, randoms, seed, untouched, zeros } from "./support";

const COUNTS: StaticArray<i32> = [1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 100];
const HEADS: StaticArray<i32> = [1, 2, 3, 12];
const SIZES: StaticArray<i32> = [1, 4, 10, 16, 20, 64];

/** Most tokens here, in pages of 16. */
const PAGES: usize = 7;

// A cache and the same keys and values as plain arrays: filled by `fill`.
let pages: usize = 0; // u32[PAGES], in no order
let keys: usize = 0; // of page 0
let values: usize = 0;
let pageBytes: usize = 0;
let plainKeys: usize = 0; // f32[PAGES · 16][width]
let plainValues: usize = 0;
let width: usize = 0;

/** Every token of every page, by the layout of docs/ARCHITECTURE.md. */
function fill(heads: usize, size: usize): void {
  width = heads * size;
  const panels = (size + 15) >> 4;
  const keyBytes = width * 64, valueBytes = heads * panels * 1024;
  pageBytes = keyBytes + valueBytes + 128;
  keys = zeros(pageBytes * PAGES);
  values = keys + keyBytes + 64;
  pages = buffer(PAGES * 4);
  for (let i: u32 = 0; i < <u32>PAGES; i++) store<u32>(pages + (i << 2), (i * 3 + 2) % <u32>PAGES);
  plainKeys = randoms(PAGES * 16 * width, 1);
  plainValues = randoms(PAGES * 16 * width, 1);
  for (let t: usize = 0; t < PAGES * 16; t++) {
    const page = <usize>load<u32>(pages + ((t >> 4) << 2)) * pageBytes;
    for (let h: usize = 0; h < heads; h++) {
      for (let d: usize = 0; d < size; d++) {
        const plain = (t * width + h * size + d) << 2;
        store<f32>(keys + page + ((h * size + d) * 16 + (t & 15)) * 4, load<f32>(plainKeys + plain));
        store<f32>(values + page + (((h * panels + (d >> 4)) * 16 + (t & 15)) * 16 + (d & 15)) * 4, load<f32>(plainValues + plain));
      }
    }
  }
}

/** What a row of this cache is attended to with. */
function record(heads: usize, size: usize, scale: f32): Attention {
  const a = recordOf(heads, size, PAGES, pageBytes, pageBytes, size * 64, ((size + 15) >> 4) * 1024);
  a.pages = pages; a.keys = keys; a.values = values; a.scale = scale;
  return a;
}

function scaleOf(size: usize): f32 {
  return <f32>(1 / Math.sqrt(<f64>size));
}

/** All heads of the row at position count − 1, into a fresh buffer. */
function wantedRow(q: usize, count: i32, heads: usize, size: usize, scale: f32): usize {
  const out = buffer(width * 4), scores = buffer(PAGES * 64);
  for (let h: usize = 0; h < heads; h++) {
    const column = h * size * 4;
    attendReference(out + column, q + column, plainKeys + column, plainValues + column, width, count, size, scale, scores);
  }
  return out;
}

describe("softmaxRow", () => {
  it("any count: the exponentials, their sum, +0 in the lanes beyond, nothing behind them", () => {
    seed(1);
    for (let count = 1; count <= 50; count++) {
      const padded = (<usize>count + 15) & ~15;
      const x = buffer(padded * 4), wanted = zeros(padded * 4);
      for (let j: usize = 0; j < padded; j++) {
        const stale: f32 = below(2) ? 1e30 : f32.NaN;
        store<f32>(x + (j << 2), j < <usize>count ? <f32>(<i32>below(2001) - 1000) / 7 : stale);
      }
      const scale = <f32>0.37;
      for (let j: usize = 0; j < <usize>count; j++) store<f32>(wanted + (j << 2), load<f32>(x + (j << 2)) * scale);
      const sum = softmaxRow(x, count, scale);
      expect(reinterpret<u32>(sum)).toBe(reinterpret<u32>(softmaxReference(wanted, count)), "sum of " + count.toString());
      expect(difference(x, wanted, padded)).toBe(-1, count.toString() + " scores");
      expect(guarded(x, padded * 4)).toBe(true);
    }
  });

  it("below −64 it is +0, at −64 not yet; large stale lanes do not count", () => {
    const x = buffer(64);
    for (let i: usize = 0; i < 16; i++) store<f32>(x + (i << 2), 1e30);
    store<f32>(x, 0);
    store<f32>(x + 4, -64);
    store<f32>(x + 8, -64.00001);
    store<f32>(x + 12, -3e38);
    const sum = softmaxRow(x, 4, 1);
    expect(load<f32>(x)).toBe(1);
    expect(load<f32>(x + 4)).toBeGreaterThan(0);
    expect(load<u32>(x + 8)).toBe(0);
    expect(load<u32>(x + 12)).toBe(0);
    expect(load<u32>(x + 16)).toBe(0);
    expect(sum).toBe(1);
  });

  it("equal scores have equal weights, however large", () => {
    const x = buffer(128);
    for (let i: usize = 0; i < 32; i++) store<f32>(x + (i << 2), -2e38);
    expect(softmaxRow(x, 20, 1)).toBe(20);
  });
});

describe("divideRow", () => {
  it("any count, nothing behind it", () => {
    seed(2);
    for (let count: usize = 1; count <= 20; count++) {
      const x = randoms(count, 1), out = buffer(128), wanted = buffer(128);
      divideRow(out, x, count, 3);
      for (let i: usize = 0; i < count; i++) store<f32>(wanted + (i << 2), load<f32>(x + (i << 2)) / 3);
      expect(difference(out, wanted, 32)).toBe(-1);
    }
  });
});

describe("attention", () => {
  it("attendOneRow: any number of tokens, heads, head size; pages in any order; later tokens do not show", () => {
    seed(3);
    for (let i = 0; i < SIZES.length; i++) {
      for (let j = 0; j < HEADS.length; j++) {
        const size = <usize>SIZES[i], heads = <usize>HEADS[j];
        fill(heads, size);
        const q = randoms(width, 4);
        for (let c = 0; c < COUNTS.length; c++) {
          const out = buffer(width * 4), a = record(heads, size, scaleOf(size));
          attendOneRow<f32>(a, out, q, COUNTS[c], 0, heads);
          const wanted = wantedRow(q, COUNTS[c], heads, size, scaleOf(size));
          expect(difference(out, wanted, width)).toBe(-1, `${COUNTS[c]} tokens, ${heads} heads of ${size}`);
          expect(guarded(out, width * 4) && recordGuarded(a)).toBe(true);
        }
      }
    }
  });

  it("attendOneRow: any heads alone have the same bits, and no other head's result is written", () => {
    seed(9);
    const heads: usize = 5, size: usize = 20, count = 100;
    fill(heads, size);
    const q = randoms(width, 4), wanted = wantedRow(q, count, heads, size, scaleOf(size));
    for (let first: usize = 0; first < heads; first++) {
      for (let last = first; last <= heads; last++) {
        const out = buffer(width * 4), a = record(heads, size, scaleOf(size));
        attendOneRow<f32>(a, out, q, count, first, last);
        const from = first * size * 4, to = last * size * 4;
        expect(difference(out + from, wanted + from, (to - from) >> 2)).toBe(-1);
        expect(untouched(out, from) && untouched(out + to, width * 4 - to)).toBe(true);
      }
    }
  });

  it("attendTwoRows: the bits of two single rows", () => {
    seed(4);
    for (let i = 0; i < SIZES.length; i++) {
      const size = <usize>SIZES[i], heads: usize = 3;
      fill(heads, size);
      const qStride = width * 4 + 64, outStride = width * 4 + 64;
      const q = randoms(qStride / 4 * 2, 4);
      for (let c = 1; c < COUNTS.length; c++) {
        const count = COUNTS[c];
        const out = buffer(outStride * 2), a = record(heads, size, scaleOf(size));
        a.queryStride = qStride; a.outStride = outStride;
        for (let h: usize = 0; h < heads; h++) attendTwoRows<f32, f32>(a, out + h * size * 4, q + h * size * 4, count, h);
        expect(difference(out, wantedRow(q, count - 1, heads, size, scaleOf(size)), width)).toBe(-1, `first of ${count}, ${size}`);
        expect(difference(out + outStride, wantedRow(q + qStride, count, heads, size, scaleOf(size)), width)).toBe(-1, `second of ${count}, ${size}`);
        expect(guarded(out, outStride * 2) && untouched(out + width * 4, 64) && recordGuarded(a)).toBe(true);
      }
    }
  });

  it("leaves exponentials and divisors from which the probabilities follow", () => {
    seed(5);
    fill(1, 16);
    const q = randoms(32, 4), out = buffer(128), a = record(1, 16, 0.25);
    attendTwoRows<f32, f32>(a, out, q, 33, 0);
    for (let r: usize = 0; r < 2; r++) {
      const wanted = zeros(PAGES * 64), ignored = buffer(64);
      const sum = attendReference(ignored, q + r * 64, plainKeys, plainValues, 16, 32 + <i32>r, 16, 0.25, wanted);
      expect(load<f32>(a.divisors + r * 4)).toBe(sum);
      expect(difference(a.scores + r * PAGES * 64, wanted, 48)).toBe(-1);
    }
  });

  it("keys and values that are no numbers, of tokens that are not there, do not show", () => {
    seed(8);
    fill(1, 16);
    const q = randoms(32, 4), out = buffer(128), a = record(1, 16, 0.25);
    const last = <usize>load<u32>(pages + 4) * pageBytes;
    for (let lane: usize = 5; lane < 16; lane++) {
      for (let d: usize = 0; d < 16; d++) {
        store<f32>(keys + last + (d * 16 + lane) * 4, f32.NaN);
        store<f32>(values + last + (lane * 16 + d) * 4, f32.NaN);
      }
    }
    attendOneRow<f32>(a, out, q, 21, 0, 1);
    expect(difference(out, wantedRow(q, 21, 1, 16, 0.25), 16)).toBe(-1);
    attendTwoRows<f32, f32>(a, out, q, 21, 0);
    expect(difference(out, wantedRow(q, 20, 1, 16, 0.25), 16)).toBe(-1);
    expect(difference(out + 64, wantedRow(q + 64, 21, 1, 16, 0.25), 16)).toBe(-1);
  });

  it("negative control: tokens in another order, or one key's low bits, give other bits", () => {
    seed(6);
    fill(1, 16);
    const q = randoms(16, 4), out = buffer(64), other = buffer(64), a = record(1, 16, 0.25);
    attendOneRow<f32>(a, out, q, 48, 0, 1);
    const swapped = copy(pages, PAGES * 4);
    store<u32>(swapped, load<u32>(pages + 4));
    store<u32>(swapped + 4, load<u32>(pages));
    a.pages = swapped;
    attendOneRow<f32>(a, other, q, 48, 0, 1);
    expect(difference(out, other, 16)).not.toBe(-1);
    a.pages = pages;
    const key = keys + <usize>load<u32>(pages) * pageBytes;
    store<u32>(key, load<u32>(key) ^ 0x400);
    attendOneRow<f32>(a, other, q, 48, 0, 1);
    expect(difference(out, other, 16)).not.toBe(-1);
  });
});

describe("storeKeys, storeValues", () => {
  it("one token's key and value plus bias into their lanes; every other lane stays", () => {
    seed(7);
    for (let i = 0; i < SIZES.length; i++) {
      for (let j = 0; j < HEADS.length; j++) {
        const size = <usize>SIZES[i], heads = <usize>HEADS[j], panels = (size + 15) >> 4, n = heads * size;
        const keyBytes = n * 64, valueBytes = heads * panels * 1024;
        const x = randoms(2 * n, 1), bias = randoms(2 * n, 1);
        for (let lane: usize = 0; lane < 16; lane += 5) {
          const k = buffer(keyBytes), v = buffer(valueBytes), wantedKeys = buffer(keyBytes), wantedValues = buffer(valueBytes);
          storeKeys<f32>(k, lane, x, bias, heads, size);
          storeValues<f32>(v, lane, x + n * 4, bias + n * 4, heads, size);
          for (let h: usize = 0; h < heads; h++) {
            for (let d: usize = 0; d < size; d++) {
              const c = (h * size + d) << 2;
              store<f32>(wantedKeys + ((h * size + d) * 16 + lane) * 4, load<f32>(x + c) + load<f32>(bias + c));
              store<f32>(
                wantedValues + (((h * panels + (d >> 4)) * 16 + lane) * 16 + (d & 15)) * 4,
                load<f32>(x + n * 4 + c) + load<f32>(bias + n * 4 + c),
              );
            }
          }
          expect(difference(k, wantedKeys, keyBytes >> 2)).toBe(-1);
          expect(difference(v, wantedValues, valueBytes >> 2)).toBe(-1);
          expect(guarded(k, keyBytes) && guarded(v, valueBytes)).toBe(true);
        }
      }
    }
  });
});
