import { expReference } from "./elementary";

// "Choosing a token" of docs/NUMERICS.md step by step, with sorts by insertion and sums one after another in the stated order.

/** Options as plain arguments would be too many: addresses of the layout in bindings/wasm/exports.ts. */
function option(options: usize, offset: usize): f64 {
  return load<f64>(options + offset);
}

/** x_v after steps 1 to 4, f64[vocab]. */
function values(logits: usize, vocab: i32, options: usize, biasIds: usize, biasValues: usize, counts: usize): StaticArray<f64> {
  const x = new StaticArray<f64>(vocab);
  for (let v = 0; v < vocab; v++) x[v] = load<f32>(logits + (<usize>v << 2));
  for (let i: usize = 0; i < load<u32>(options + 60); i++) {
    const id = load<i32>(biasIds + (i << 2));
    x[id] = x[id] + load<f64>(biasValues + (i << 3));
  }
  const repetition = option(options, 32), presence = option(options, 40), frequency = option(options, 48);
  for (let v = 0; v < vocab; v++) {
    const n = load<u32>(counts + (<usize>v << 2));
    if (n > 0 && repetition != 1) x[v] = x[v] < 0 ? x[v] * repetition : x[v] / repetition;
    if (n > 0 && (presence != 0 || frequency != 0)) x[v] = x[v] - (<f64>n * frequency + presence);
    if (isNaN(x[v])) x[v] = -1e300;
    x[v] = Math.min(Math.max(x[v], -1e300), 1e300);
  }
  return x;
}

/** The kept ids sorted by key; among equals ascending by id, or descending. */
function sorted(kept: StaticArray<bool>, keys: StaticArray<f64>, descendingIds: bool): StaticArray<i32> {
  let n = 0;
  for (let v = 0; v < kept.length; v++) n += i32(kept[v]);
  const order = new StaticArray<i32>(n);
  let filled = 0;
  for (let i = 0; i < kept.length; i++) {
    const v = descendingIds ? kept.length - 1 - i : i;
    if (!kept[v]) continue;
    let at = filled++;
    for (; at > 0 && keys[order[at - 1]] > keys[v]; at--) order[at] = order[at - 1];
    order[at] = v;
  }
  return order;
}

function total(kept: StaticArray<bool>, w: StaticArray<f64>): f64 {
  let sum: f64 = 0;
  for (let v = 0; v < w.length; v++) if (kept[v]) sum += w[v];
  return sum;
}

/** Steps 1 to 10. weights f64[vocab]: w_v of the kept, −1 of the removed. Returns how many are kept. */
export function keepReference(
  weights: usize, logits: usize, vocab: i32, options: usize, biasIds: usize, biasValues: usize, counts: usize,
): i32 {
  const x = values(logits, vocab, options, biasIds, biasValues, counts);
  let best = 0;
  for (let v = 1; v < vocab; v++) if (x[v] > x[best]) best = v;
  const kept = new StaticArray<bool>(vocab), w = new StaticArray<f64>(vocab), z = new StaticArray<f64>(vocab);
  const temperature = option(options, 0);
  if (temperature == 0) {
    kept[best] = true;
    w[best] = 1;
    return finish(weights, kept, w);
  }
  for (let v = 0; v < vocab; v++) {
    z[v] = (x[v] - x[best]) / temperature;
    w[v] = nearest<f64>(<f64>expReference(<f32>z[v]) * 68719476736) / 68719476736; // 2³⁶
    kept[v] = true;
  }

  const k = load<u32>(options + 56);
  if (k > 0 && k < <u32>vocab) {
    for (let v = 0; v < vocab; v++) {
      let larger: u32 = 0;
      for (let u = 0; u < vocab; u++) larger += u32(z[u] > z[v]);
      kept[v] = larger < k;
    }
  }

  const p = option(options, 8);
  if (p < 1) {
    const order = sorted(kept, z, true);
    const limit = (1 - p) * total(kept, w);
    let c: f64 = 0;
    for (let i = 0; i < order.length - 1; i++) {
      c += w[order[i]];
      if (c > limit) break;
      kept[order[i]] = false;
    }
  }

  const minP = option(options, 16);
  if (minP > 0) {
    let largest: f64 = 0;
    for (let v = 0; v < vocab; v++) if (kept[v]) largest = Math.max(largest, w[v]);
    for (let v = 0; v < vocab; v++) if (w[v] < minP * largest) kept[v] = false;
  }

  const mass = option(options, 24);
  if (mass < 1) {
    for (let v = 0; v < vocab; v++) if (w[v] == 0) kept[v] = false;
    const all = total(kept, w);
    let a: f64 = 0;
    for (let v = 0; v < vocab; v++) if (kept[v]) a += w[v] * z[v];
    a = a / all;
    const distance = new StaticArray<f64>(vocab);
    for (let v = 0; v < vocab; v++) distance[v] = Math.abs(z[v] - a);
    const order = sorted(kept, distance, false);
    let c: f64 = 0, bound: f64 = 0;
    for (let i = 0; i < order.length; i++) {
      c += w[order[i]];
      bound = distance[order[i]];
      if (c >= mass * all) break;
    }
    for (let v = 0; v < vocab; v++) if (distance[v] > bound) kept[v] = false;
  }
  return finish(weights, kept, w);
}

function finish(weights: usize, kept: StaticArray<bool>, w: StaticArray<f64>): i32 {
  let n = 0;
  for (let v = 0; v < kept.length; v++) {
    store<f64>(weights + (<usize>v << 3), kept[v] ? w[v] : -1);
    n += i32(kept[v]);
  }
  return n;
}

/** Steps 11 and 12 from keepReference's weights. */
export function distributionReference(out: usize, weights: usize, vocab: i32): void {
  let sum: f64 = 0;
  for (let v: usize = 0; v < <usize>vocab; v++) sum += Math.max(0, load<f64>(weights + (v << 3)));
  for (let v: usize = 0; v < <usize>vocab; v++) {
    const w = load<f64>(weights + (v << 3));
    store<f32>(out + (v << 2), w < 0 ? 0 : <f32>(w / sum));
  }
}

export function drawReference(weights: usize, vocab: i32, u: f64): i32 {
  let sum: f64 = 0, c: f64 = 0;
  for (let v: usize = 0; v < <usize>vocab; v++) sum += Math.max(0, load<f64>(weights + (v << 3)));
  for (let v = 0; v < vocab; v++) {
    const w = load<f64>(weights + (<usize>v << 3));
    if (w < 0) continue;
    c += w;
    if (c > u * sum) return v;
  }
  return -1;
}
