import { uniform } from "../sampler/philox";
import { distributionOf, sampleFrom } from "../sampler/sample";
import { samplerScratchBytes } from "../sampler/scratch";
import { distributionReference, drawReference, keepReference } from "./reference/sampler";
import { below, bits, buffer, difference, guarded, random, seed, zeros } from "./support";

/** Padded to 16 and not; one token; more than two blocks of 16 beyond a multiple of 64. */
const VOCABS: StaticArray<i32> = [1, 2, 3, 15, 16, 17, 33, 100, 331];

const options = zeros(80);
let vocab: i32 = 0;
let logits: usize = 0;
let biasIds: usize = 0;
let biasValues: usize = 0;
let counts: usize = 0;
let scratch: usize = 0;
let out: usize = 0;
let wanted: usize = 0;
let weights: usize = 0;

function prepare(size: i32): void {
  vocab = size;
  const padded = (<usize>size + 15) & ~15;
  logits = zeros(padded * 4);
  counts = zeros(padded * 4);
  biasIds = buffer(64);
  biasValues = buffer(128);
  scratch = buffer(<usize>samplerScratchBytes(size));
  out = buffer(size * 4);
  wanted = buffer(size * 4);
  weights = buffer(size * 8);
  neutral();
}

function neutral(): void {
  memory.fill(options, 0, 80);
  set(0, 1); // temperature
  set(8, 1); // top-p
  set(24, 1); // typical-p
  set(32, 1); // repetition
}

function set(offset: usize, value: f64): void {
  store<f64>(options + offset, value);
}

function pick(a: f64, b: f64, c: f64, d: f64): f64 {
  const i = below(4);
  return i == 0 ? a : i == 1 ? b : i == 2 ? c : d;
}

/** Logits of a random kind: spread, equal, few different values, with zeros of both signs. */
function randomLogits(): void {
  const scale = <f32>pick(0.01, 3, 10, 60), grain = below(3), offset = <f32>pick(0, 0, -90, 40);
  for (let v: usize = 0; v < <usize>vocab; v++) {
    let x = random(scale);
    if (grain == 0) x = nearest<f32>(x);
    if (below(20) == 0) x = below(2) ? -0.0 : 0;
    store<f32>(logits + (v << 2), x + offset);
  }
}

function randomOptions(): void {
  neutral();
  set(0, pick(1, 0.7, 1.6, pick(0, 0.01, 100, 1)));
  store<u32>(options + 56, <u32>pick(0, 0, 5, <f64>below(vocab + 2)));
  set(8, pick(1, 1, 0.9, pick(0, 0.1, 0.999999, 0.5)));
  set(16, pick(0, 0, 0.05, pick(1, 1e-6, 0.3, 1e-12)));
  set(24, pick(1, 1, 0.9, pick(0.1, 0.5, 0, 0.99999)));
  memory.fill(counts, 0, vocab * 4);
  if (below(2)) {
    set(32, pick(1, 1.2, 0.8, 2));
    set(40, pick(0, 0.6, -1, 0));
    set(48, pick(0, 0.35, -0.2, 0));
    for (let i = 0; i < 20; i++) {
      const at = counts + (<usize>below(vocab) << 2);
      store<u32>(at, load<u32>(at) + 1);
    }
  }
  if (below(3) == 0) {
    store<u32>(options + 60, 2);
    for (let i: usize = 0; i < 2; i++) {
      store<u32>(biasIds + (i << 2), below(vocab));
      store<f64>(biasValues + (i << 3), pick(-100, 5, -0.5, 100));
    }
  }
  store<u32>(options + 64, bits());
  store<u32>(options + 68, below(1 << 21));
  store<u32>(options + 72, below(3));
  store<u32>(options + 76, below(1024));
}

function distribute(): i32 {
  return distributionOf(out, logits, vocab, options, biasIds, biasValues, counts, scratch);
}

function draw(): i32 {
  return sampleFrom(logits, vocab, options, biasIds, biasValues, counts, scratch);
}

/** Kept tokens, distribution and draw against the reference. */
function agrees(name: string): void {
  const kept = keepReference(weights, logits, vocab, options, biasIds, biasValues, counts);
  distributionReference(wanted, weights, vocab);
  expect(distribute()).toBe(kept, name + ": kept");
  expect(difference(out, wanted, vocab)).toBe(-1, name + ": distribution");
  const u = uniform(load<u32>(options + 64), load<u32>(options + 68), load<u32>(options + 76), load<u32>(options + 72));
  expect(draw()).toBe(drawReference(weights, vocab, u), name + ": draw");
}

describe("sampler", () => {
  it("random logits under random options, to the bit; nothing outside scratch and output is written", () => {
    seed(1);
    for (let i = 0; i < VOCABS.length; i++) {
      prepare(VOCABS[i]);
      const rounds = VOCABS[i] > 100 ? 150 : 400;
      for (let round = 0; round < rounds; round++) {
        randomLogits();
        randomOptions();
        agrees(`vocabulary ${vocab}, round ${round}`);
      }
      expect(guarded(out, vocab * 4) && guarded(scratch, <usize>samplerScratchBytes(vocab))).toBe(true);
      expect(guarded(logits, ((<usize>vocab + 15) & ~15) * 4) && guarded(counts, ((<usize>vocab + 15) & ~15) * 4)).toBe(true);
      expect(guarded(biasIds, 64) && guarded(biasValues, 128)).toBe(true);
    }
  });

  it("the distribution may take the logits' own place", () => {
    seed(2);
    prepare(100);
    randomLogits();
    set(8, 0.9);
    const kept = distribute();
    expect(distributionOf(logits, logits, vocab, options, biasIds, biasValues, counts, scratch)).toBe(kept);
    expect(difference(logits, out, 100)).toBe(-1);
    for (let v: usize = 100; v < 112; v++) expect(load<u32>(logits + (v << 2))).toBe(0, "padding");
  });

  it("padding is no token: all logits below 0, temperature 0 and not", () => {
    prepare(17);
    for (let v: usize = 0; v < 17; v++) store<f32>(logits + (v << 2), -5 - <f32>v);
    for (let t = 0; t < 3; t++) {
      set(0, t);
      agrees("temperature " + t.toString());
      store<u32>(options + 60, 1);
      store<u32>(biasIds, 0);
      store<f64>(biasValues, -1000);
      agrees("and the best one banned");
      store<u32>(options + 60, 0);
    }
  });

  it("equal logits: top-k keeps every tie, top-p the lowest ids", () => {
    prepare(100);
    store<u32>(options + 56, 3);
    expect(distribute()).toBe(100);
    neutral();
    set(8, 0.25);
    expect(distribute()).toBe(25);
    for (let v: usize = 0; v < 100; v++) expect(load<f32>(out + (v << 2))).toBe(v < 25 ? <f32>0.04 : 0);
    set(8, 0);
    expect(distribute()).toBe(1);
    expect(load<f32>(out)).toBe(1);
    neutral();
    set(24, 0.25);
    expect(distribute()).toBe(100);
  });

  it("zeros of both signs are equal", () => {
    for (let i = 0; i < 2; i++) {
      prepare(32);
      if (i) set(48, 0.5); // the other way to x, with an empty history
      for (let v: usize = 0; v < 32; v++) store<f32>(logits + (v << 2), v % 3 == 0 ? -0.0 : 0);
      set(8, 0.25);
      expect(distribute()).toBe(8);
      for (let v: usize = 0; v < 32; v++) expect(load<f32>(out + (v << 2))).toBe(v < 8 ? <f32>0.125 : 0);
      store<u32>(options + 56, 1);
      agrees("top-k");
      set(0, 0);
      agrees("temperature 0");
    }
  });

  it("top-p keeps the token that crosses p, and the best one whatever p", () => {
    prepare(4);
    const w: StaticArray<f64> = [0.5, 0.25, 0.125, 0.125];
    for (let v: usize = 0; v < 4; v++) store<f32>(logits + (v << 2), <f32>Math.log(w[<i32>v]));
    set(8, 0.5001);
    expect(distribute()).toBe(2);
    set(8, 0.4999);
    expect(distribute()).toBe(1);
    set(8, 1e-300);
    expect(distribute()).toBe(1);
    set(8, 0.9);
    expect(distribute()).toBe(4);
    set(8, 0.87);
    expect(distribute()).toBe(3);
  });

  it("min-p keeps a tie with the threshold", () => {
    prepare(3);
    store<f32>(logits + 4, 1);
    store<f32>(logits + 8, 0.5);
    distribute();
    const ratio = <f64>load<f32>(out + 8) / <f64>load<f32>(out + 4); // about; the exact weight is the reference's
    keepReference(weights, logits, vocab, options, biasIds, biasValues, counts);
    const w = load<f64>(weights + 16);
    expect(Math.abs(ratio - w)).toBeLessThan(1e-6);
    set(16, w);
    expect(distribute()).toBe(2);
    set(16, reinterpret<f64>(reinterpret<u64>(w) + 1));
    expect(distribute()).toBe(1);
  });

  it("extreme options end in a token and in probabilities that are numbers", () => {
    seed(3);
    prepare(33);
    const extremes: StaticArray<f64> = [5e-324, 1e-300, 1e300, 1.7e308];
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        for (let sign = -1; sign < 2; sign += 2) {
          randomLogits();
          randomOptions();
          set(0, extremes[i]);
          set(32, extremes[j]);
          set(40, sign * extremes[3 - i]);
          set(48, sign * extremes[3 - j]);
          store<u32>(options + 60, 1);
          store<u32>(biasIds, 5);
          store<f64>(biasValues, sign * 1.7e308);
          store<f32>(logits + 28, <f32>sign * f32.MAX_VALUE);
          agrees("extreme");
          const id = draw();
          expect(id >= 0 && id < 33).toBe(true);
          expect(load<f32>(out + (<usize>id << 2))).toBeGreaterThan(0);
        }
      }
    }
  });

  it("frequencies of many draws follow the distribution", () => {
    // 20000 draws: the standard deviation of a frequency is at most 0.5 / √20000 = 0.0035; five of them.
    seed(4);
    prepare(20);
    randomLogits();
    set(0, 5);
    distribute();
    const seen = new StaticArray<i32>(20);
    for (let i = 0; i < 20000; i++) {
      store<u32>(options + 76, i);
      seen[draw()]++;
    }
    for (let v = 0; v < 20; v++) {
      expect(Math.abs(<f64>seen[v] / 20000 - load<f32>(out + (<usize>v << 2)))).toBeLessThan(0.018);
    }
  });

  it("negative control: another seed, position or stream draws otherwise; one more token in the history shows", () => {
    seed(5);
    prepare(331);
    for (let v: usize = 0; v < 331; v++) store<f32>(logits + (v << 2), random(1));
    for (let offset: usize = 64; offset < 80; offset += 4) {
      let same = 0;
      for (let i = 0; i < 20; i++) {
        store<u32>(options + offset, 0);
        const a = draw();
        store<u32>(options + offset, 1 + i);
        same += i32(draw() == a);
      }
      store<u32>(options + offset, 0);
      expect(same).toBeLessThan(5);
    }
    set(48, 0.01);
    store<u32>(counts + 40, 1);
    distribute();
    memory.copy(wanted, out, 331 * 4);
    store<u32>(counts + 40, 2);
    distribute();
    expect(difference(out, wanted, 331)).not.toBe(-1);
  });
});
