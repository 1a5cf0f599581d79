import { argmaxOf, maxOf } from "../sampler/argmax";
import { findCrossing } from "../sampler/crossing";
import { drawIndex } from "../sampler/draw";
import { log } from "../sampler/log";
import { logProbabilityOf } from "../sampler/log-probability";
import { clearIds, countIds } from "../sampler/penalties";
import { philoxFirstWord, uniform } from "../sampler/philox";
import { BUCKETS } from "../sampler/scratch";
import { gridOf, sumWeights, weigh } from "../sampler/weights";
import { expReference } from "./reference/elementary";
import { below, bits, buffer, guarded, random, seed, zeros } from "./support";

describe("argmax", () => {
  it("any vocabulary, the largest anywhere, all others below 0: padding is no token", () => {
    for (let vocab = 1; vocab <= 50; vocab++) {
      const row = zeros(((<usize>vocab + 15) & ~15) * 4);
      for (let best = 0; best < vocab; best++) {
        for (let v = 0; v < vocab; v++) store<f32>(row + (<usize>v << 2), v == best ? -1 : -2 - <f32>v);
        expect(argmaxOf(row, vocab)).toBe(best);
        expect(maxOf(row, vocab)).toBe(-1);
      }
    }
  });

  it("the lowest id among equals; −0 equals +0", () => {
    const row = zeros(192);
    for (let first = 0; first < 40; first++) {
      for (let v = 0; v < 40; v++) store<f32>(row + (<usize>v << 2), v < first ? -1 : (v ^ first) & 1 ? 0 : -0.0);
      expect(argmaxOf(row, 40)).toBe(first);
    }
  });
});

describe("Philox4x32-10", () => {
  it("gives the words of the authors' known-answer file (Random123, kat_vectors)", () => {
    expect(philoxFirstWord(0, 0, 0, 0, 0, 0)).toBe(0x6627e8d5);
    expect(philoxFirstWord(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)).toBe(0x408f276d);
    expect(philoxFirstWord(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)).toBe(0xd16cfe09);
  });

  it("is below 1, a multiple of 2⁻²⁴, and spread evenly", () => {
    let sum: f64 = 0, largest: f64 = 0;
    for (let i = 0; i < 100000; i++) {
      const u = uniform(7, 0, i, 0);
      if (u * 16777216 != nearest<f64>(u * 16777216)) sum = NaN;
      largest = Math.max(largest, u);
      sum += u;
    }
    expect(largest).toBeLessThan(1);
    // The mean of 100000 has a standard deviation of 1 / √(12 · 100000) = 0.0009.
    expect(Math.abs(sum / 100000 - 0.5)).toBeLessThan(0.005);
  });
});

describe("log", () => {
  it("is within 4 ulp of the truth for normal numbers, and 0 at 1", () => {
    seed(1);
    expect(log(1)).toBe(0);
    let worst: f64 = 0;
    for (let i = 0; i < 100000; i++) {
      const v = reinterpret<f64>(((<u64>bits() << 32) | bits()) & 0x7fffffffffffffff);
      if (!(v >= 2.2250738585072014e-308 && v < Infinity)) continue;
      worst = Math.max(worst, error(v));
    }
    for (let i = 0; i < 100000; i++) worst = Math.max(worst, error(0.5 + <f64>i / 40000.0)); // where the logarithm is near 0
    // Near ½ · √2 an error of 1½ ulp of the series meets ln 2, whose last place is twice as large: its own rounding counts 1 ulp
    // of the result, the last addition ½; and Math.log is within 1 ulp itself.
    expect(worst).toBeLessThan(4);
    expect(worst).toBeGreaterThan(0);
  });
});

/** |log v − Math.log v| in units in the last place. */
function error(v: f64): f64 {
  const truth = Math.log(v);
  if (truth == 0) return Math.abs(log(v));
  const ulp = reinterpret<f64>(reinterpret<u64>(Math.abs(truth)) + 1) - Math.abs(truth);
  return Math.abs(log(v) - truth) / ulp;
}

describe("log probability", () => {
  it("any vocabulary: the sum in f64, ascending, of the reference's exponentials", () => {
    seed(2);
    for (let vocab = 1; vocab <= 40; vocab++) {
      const row = zeros(((<usize>vocab + 15) & ~15) * 4);
      for (let v = 0; v < vocab; v++) store<f32>(row + (<usize>v << 2), random(60) - 90);
      let m = load<f32>(row);
      for (let v = 1; v < vocab; v++) m = max(m, load<f32>(row + (<usize>v << 2)));
      let sum: f64 = 0;
      for (let v = 0; v < vocab; v++) {
        sum += expReference(<f32>(<f64>load<f32>(row + (<usize>v << 2)) - <f64>m));
      }
      for (let v = 0; v < vocab; v++) {
        const wanted = (<f64>load<f32>(row + (<usize>v << 2)) - <f64>m) - log(sum);
        expect(reinterpret<u64>(logProbabilityOf(row, vocab, v))).toBe(reinterpret<u64>(wanted));
      }
    }
  });

  it("two equal logits have log ½ each", () => {
    const row = zeros(64);
    expect(Math.abs(logProbabilityOf(row, 2, 1) - Math.log(0.5))).toBeLessThan(1e-15);
    expect(logProbabilityOf(row, 1, 0)).toBe(0);
  });
});

describe("weights", () => {
  it("lie on the grid, nearest, ties to even; their sum is exact", () => {
    seed(3);
    for (let n = 1; n <= 70; n++) {
      const padded = (<usize>n + 15) & ~15;
      const y = buffer(padded * 8), w = buffer(padded * 4);
      for (let i: usize = 0; i < padded; i++) store<f64>(y + (i << 3), i < <usize>n ? Math.abs(<f64>random(30)) : 1e9);
      const total = weigh(w, y, n, gridOf(n));
      let sum: f64 = 0;
      for (let i: usize = 0; i < <usize>n; i++) {
        const wanted = nearest<f64>(<f64>expReference(<f32>-load<f64>(y + (i << 3))) * 68719476736) / 68719476736;
        expect<f64>(load<f32>(w + (i << 2))).toBe(wanted);
        sum += wanted;
      }
      for (let i = <usize>n; i < padded; i++) expect(load<u32>(w + (i << 2))).toBe(0);
      expect(total).toBe(sum);
      expect(sumWeights(w, n)).toBe(sum);
      expect(guarded(w, padded * 4)).toBe(true);
    }
  });

  it("the grid is 2⁻³⁶ up to a vocabulary of 2¹⁷, and twice as coarse with each doubling beyond", () => {
    expect<f64>(gridOf(1)).toBe(2 ** -13);
    expect<f64>(gridOf(50257)).toBe(2 ** -13);
    expect<f64>(gridOf(1 << 17)).toBe(2 ** -13);
    expect<f64>(gridOf((1 << 17) + 1)).toBe(2 ** -12);
    expect<f64>(gridOf(1 << 18)).toBe(2 ** -12);
    expect<f64>(gridOf(1 << 30)).toBe(1);
  });
});

describe("findCrossing", () => {
  it("finds the entry that a sort would find: spread keys, equal ones, neighbours in the last place, huge ones", () => {
    seed(4);
    const histogram = buffer(BUCKETS << 3), positions = buffer(4 * 112);
    for (let round = 0; round < 600; round++) {
      const n = 1 + <i32>below(100), kind = below(5);
      const keys = buffer(112 * 8), weights = zeros(112 * 4);
      for (let i: usize = 0; i < 112; i++) {
        let key: f64 = 1e9;
        if (i < <usize>n) {
          if (kind == 0) key = Math.abs(<f64>random(40));
          else if (kind == 1) key = <f64>below(3);
          else if (kind == 2) key = reinterpret<f64>(0x4008000000000000 + <u64>below(20));
          else if (kind == 3) key = Math.abs(<f64>random(1e30)) * 1e200;
          else key = below(2) ? 0 : Infinity;
          store<f32>(weights + (i << 2), <f32>max(below(16), <u32>(round & 1)) / 8); // of even rounds some are 0
        }
        store<f64>(keys + (i << 3), key);
      }
      const total = sumWeights(weights, n);
      const slack = total * <f64>below(100 + (round & 1)) / 100; // of odd rounds it may be all
      if (total == 0) continue;
      // By selection: next the smallest key, the lowest index among equals.
      const used = new StaticArray<bool>(n);
      let c: f64 = 0;
      let wanted = -1;
      for (let i = 0; i < n; i++) {
        let next = -1;
        for (let j = 0; j < n; j++) {
          if (!used[j] && (next < 0 || load<f64>(keys + (<usize>j << 3)) < load<f64>(keys + (<usize>next << 3)))) next = j;
        }
        used[next] = true;
        c += load<f32>(weights + (<usize>next << 2));
        if (total - c <= slack) { wanted = next; break; }
      }
      expect(findCrossing(keys, weights, n, total, slack, histogram, positions)).toBe(wanted);
      // The k-th by count.
      const k = 1 + <i32>below(n);
      const at = findCrossing(keys, 0, n, k, 0, histogram, positions);
      let nearer = 0, equal = 0;
      for (let j = 0; j < n; j++) {
        nearer += i32(load<f64>(keys + (<usize>j << 3)) < load<f64>(keys + (<usize>at << 3)));
        equal += i32(load<f64>(keys + (<usize>j << 3)) == load<f64>(keys + (<usize>at << 3)));
      }
      expect(nearer < k && nearer + equal >= k).toBe(true);
      expect(guarded(histogram, BUCKETS << 3) && guarded(positions, 4 * 112)).toBe(true);
    }
  });
});

describe("findCrossing, where nothing has to be reached", () => {
  it("finds the nearest entry, though the first buckets are empty", () => {
    const histogram = buffer(BUCKETS << 3), positions = buffer(64), keys = buffer(128), weights = zeros(64);
    for (let i: usize = 0; i < 16; i++) {
      store<f64>(keys + (i << 3), i < 5 ? 3 + Math.abs(<f64>i - 2) : 1e9);
      store<f32>(weights + (i << 2), i < 5 ? 1 : 0);
    }
    expect(findCrossing(keys, weights, 5, 5, 5, histogram, positions)).toBe(2);
    expect(findCrossing(keys, weights, 5, 0, 0, histogram, positions)).toBe(2);
  });
});

describe("drawIndex", () => {
  it("the first whose running sum exceeds the target, at every boundary", () => {
    for (let n = 1; n <= 70; n++) {
      const w = zeros(((<usize>n + 15) & ~15) * 4);
      for (let i = 0; i < n; i++) store<f32>(w + (<usize>i << 2), i % 3 == 1 && i < n - 1 ? 0 : 1);
      let c: f64 = 0;
      for (let i = 0; i < n; i++) {
        const weight = load<f32>(w + (<usize>i << 2));
        if (weight == 0) continue; // never drawn
        expect(drawIndex(w, n, c)).toBe(i);
        expect(drawIndex(w, n, c + 0.999)).toBe(i);
        c += weight;
      }
    }
  });
});

describe("history", () => {
  it("counts ids and forgets the same", () => {
    seed(5);
    const counts = zeros(64 * 4), ids = buffer(100 * 4);
    const wanted = new StaticArray<u32>(64);
    for (let i: usize = 0; i < 100; i++) {
      const id = below(64);
      store<u32>(ids + (i << 2), id);
      wanted[id]++;
    }
    countIds(counts, ids, 100);
    for (let v = 0; v < 64; v++) expect(load<u32>(counts + (<usize>v << 2))).toBe(wanted[v]);
    clearIds(counts, ids, 100);
    for (let v = 0; v < 64; v++) expect(load<u32>(counts + (<usize>v << 2))).toBe(0);
    expect(guarded(counts, 256)).toBe(true);
  });
});
