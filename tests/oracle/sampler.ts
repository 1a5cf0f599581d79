/** "Choosing a token" of docs/NUMERICS.md. Step numbers are those of that page; arithmetic is binary64. */
import { exp, log } from "./elementary.ts";
import { uniform } from "./random.ts";

const { fround } = Math;

export interface Settings {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  typicalP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  /** id → what is added */
  logitBias: Readonly<Record<number, number>>;
}

export const NEUTRAL: Settings = {
  temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, logitBias: {},
};

/** The largest, the lowest id among equals. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let v = 1; v < logits.length; v++) if (logits[v] > logits[best]) best = v;
  return best;
}

/** The multiple of q nearest to w ≥ 0, ties to the even one. */
function onGrid(w: number, q: number): number {
  const n = w / q; // exact: q is a power of two
  const below = Math.floor(n);
  const up = n - below > 0.5 || (n - below === 0.5 && below % 2 === 1);
  return (up ? below + 1 : below) * q;
}

const sumOver = (kept: readonly number[], w: Float64Array): number => kept.reduce((sum, v) => sum + w[v], 0);

/** Steps 1 to 10: the kept ids, ascending, and the weight of each id. */
function filter(logits: Float32Array, settings: Settings, history: ArrayLike<number>): { kept: number[]; w: Float64Array } {
  const V = logits.length;
  const count = new Map<number, number>();
  for (const id of Array.from(history)) count.set(id, (count.get(id) ?? 0) + 1);

  const x = Float64Array.from(logits); // 1
  for (const [id, bias] of Object.entries(settings.logitBias)) x[Number(id)] += bias; // 2
  if (settings.repetitionPenalty !== 1) { // 3
    for (const v of count.keys()) x[v] = x[v] < 0 ? x[v] * settings.repetitionPenalty : x[v] / settings.repetitionPenalty;
  }
  if (settings.presencePenalty !== 0 || settings.frequencyPenalty !== 0) { // 4
    for (const [v, n] of count) x[v] = x[v] - (n * settings.frequencyPenalty + settings.presencePenalty);
  }
  x.forEach((value, v) => (x[v] = Number.isNaN(value) ? -1e300 : Math.min(Math.max(value, -1e300), 1e300)));
  const best = argmax(x); // 5
  if (settings.temperature === 0) return { kept: [best], w: x.map((_, v) => (v === best ? 1 : 0)) };
  const z = x.map((value) => (value - x[best]) / settings.temperature); // 6
  const q = 2 ** (Math.max(17, Math.ceil(Math.log2(V))) - 53);
  const w = z.map((value) => onGrid(exp(fround(value)), q));

  let kept = Array.from(logits, (_, v) => v);
  if (settings.topK > 0 && settings.topK < V) { // 7: z_v is at least the k-th largest
    const kth = Float64Array.from(z).sort()[V - settings.topK];
    kept = kept.filter((v) => z[v] >= kth);
  }
  if (settings.topP < 1) { // 8
    const limit = (1 - settings.topP) * sumOver(kept, w);
    const order = [...kept].sort((i, j) => (z[i] === z[j] ? j - i : z[i] - z[j]));
    const removed = new Set<number>();
    let c = 0;
    for (const v of order.slice(0, -1)) {
      c = c + w[v];
      if (c > limit) break;
      removed.add(v);
    }
    kept = kept.filter((v) => !removed.has(v));
  }
  if (settings.minP > 0) { // 9
    const limit = settings.minP * kept.reduce((largest, v) => Math.max(largest, w[v]), 0);
    kept = kept.filter((v) => w[v] >= limit);
  }
  if (settings.typicalP < 1) { // 10
    kept = kept.filter((v) => w[v] > 0);
    const W = sumOver(kept, w);
    const a = kept.reduce((sum, v) => sum + w[v] * z[v], 0) / W;
    const distance = z.map((value) => Math.abs(value - a));
    const order = [...kept].sort((i, j) => distance[i] - distance[j]);
    let c = 0;
    let reached = 0;
    while (c < settings.typicalP * W) c = c + w[order[reached++]];
    const B = distance[order[Math.max(0, reached - 1)]];
    kept = kept.filter((v) => distance[v] <= B);
  }
  return { kept, w };
}

/** Step 11. */
export function distribution(logits: Float32Array, settings: Settings, history: ArrayLike<number> = []): Float32Array {
  const { kept, w } = filter(logits, settings, history);
  const W = sumOver(kept, w);
  const p = new Float32Array(logits.length);
  for (const v of kept) p[v] = w[v] / W;
  return p;
}

/** Step 12. `position` is the index that the drawn token will have. */
export function draw(
  logits: Float32Array, settings: Settings, history: ArrayLike<number>, seed: number, position: number, stream = 0,
): number {
  const { kept, w } = filter(logits, settings, history);
  const limit = uniform(seed, position, stream) * sumOver(kept, w);
  let c = 0;
  for (const v of kept) {
    c = c + w[v];
    if (c > limit) return v;
  }
  throw new Error("c ends at W, which is more than u · W");
}

/** log p of a token under the model itself. */
export function logProbability(logits: Float32Array, id: number): number {
  const M = logits[argmax(logits)];
  let W = 0;
  for (const l of logits) W = W + exp(fround(l - M));
  return logits[id] - M - log(W);
}
