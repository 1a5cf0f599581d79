import {
  SAMPLER_BIAS_COUNT, SAMPLER_FREQUENCY, SAMPLER_MIN_P, SAMPLER_POSITION, SAMPLER_PRESENCE, SAMPLER_REPETITION, SAMPLER_SEED_HIGH,
  SAMPLER_SEED_LOW, SAMPLER_STREAM, SAMPLER_TEMPERATURE, SAMPLER_TOP_K, SAMPLER_TOP_P, SAMPLER_TYPICAL_P,
} from "../contract";
import { argmaxOf, maxOf } from "./argmax";
import { drawIndex } from "./draw";
import { keepMinP, keepTopK, keepTopP, keepTypical } from "./filters";
import { usesHistory } from "./options";
import { addBias, clampValues, firstEqual, maxOfValues, penalize, widenLogits } from "./penalties";
import { uniform } from "./philox";
import { distancesOf, idAt, idsOf, weightsOf } from "./scratch";
import { distancesFromLogits, distancesFromValues, gridOf, sumWeights, weigh } from "./weights";

// "Choosing a token" of docs/NUMERICS.md, from top to bottom. Everything is reached by address, nothing is remembered.
//
//   logits      f32[P]      finite, 16-byte aligned, P = vocab rounded up to a multiple of 16, +0 beyond vocab
//   options     options.ts
//   biasIds     u32[]       logit bias, options' BIAS_COUNT of them
//   biasValues  f64[]
//   counts      u32[P]      n_v, 0 beyond vocab; read only if usesHistory(options)
//   scratch     samplerScratchBytes(vocab), 16-byte aligned; scratch.ts

/** Draws an id. */
export function sampleFrom(
  logits: usize, vocab: i32, options: usize, biasIds: usize, biasValues: usize, counts: usize, scratch: usize,
): i32 {
  const n = keep(logits, vocab, options, biasIds, biasValues, counts, scratch);
  const w = weightsOf(scratch, vocab);
  if (n == 1) return idAt(scratch, vocab, n, 0);
  const u = uniform(
    load<u32>(options, SAMPLER_SEED_LOW), load<u32>(options, SAMPLER_SEED_HIGH), load<u32>(options, SAMPLER_POSITION), load<u32>(options, SAMPLER_STREAM),
  );
  return idAt(scratch, vocab, n, drawIndex(w, n, u * sumWeights(w, n)));
}

/** out[vocab] = the probabilities that sampleFrom draws from; `out` may be `logits`. Returns how many tokens are kept. */
export function distributionOf(
  out: usize, logits: usize, vocab: i32, options: usize, biasIds: usize, biasValues: usize, counts: usize, scratch: usize,
): i32 {
  const n = keep(logits, vocab, options, biasIds, biasValues, counts, scratch);
  const w = weightsOf(scratch, vocab);
  const total = sumWeights(w, n);
  memory.fill(out, 0, <usize>vocab << 2);
  for (let i = 0; i < n; i++) {
    const p = <f32>(<f64>load<f32>(w + (<usize>i << 2)) / total);
    store<f32>(out + (<usize>idAt(scratch, vocab, n, i) << 2), p);
  }
  return n;
}

/** Steps 1 to 10: the kept tokens and their weights, in scratch. Returns how many. */
function keep(
  logits: usize, vocab: i32, options: usize, biasIds: usize, biasValues: usize, counts: usize, scratch: usize,
): i32 {
  const temperature = load<f64>(options, SAMPLER_TEMPERATURE);
  const y = distancesOf(scratch), w = weightsOf(scratch, vocab);

  // x: the logits themselves, if neither bias nor penalty changes any.
  if (load<u32>(options, SAMPLER_BIAS_COUNT) == 0 && !usesHistory(options)) {
    if (temperature == 0) return only(scratch, vocab, argmaxOf(logits, vocab));
    distancesFromLogits(y, logits, vocab, <f64>maxOf(logits, vocab) + 0, temperature);
  } else {
    widenLogits(y, logits, vocab);
    addBias(y, biasIds, biasValues, load<u32>(options, SAMPLER_BIAS_COUNT));
    if (usesHistory(options)) {
      penalize(y, counts, vocab, load<f64>(options, SAMPLER_REPETITION), load<f64>(options, SAMPLER_PRESENCE), load<f64>(options, SAMPLER_FREQUENCY));
    }
    clampValues(y, vocab);
    const largest = maxOfValues(y, vocab);
    if (temperature == 0) return only(scratch, vocab, firstEqual(y, vocab, largest));
    distancesFromValues(y, vocab, largest + 0, temperature);
  }

  let n = vocab;
  const k = load<u32>(options, SAMPLER_TOP_K);
  if (k > 0 && k < <u32>n) n = keepTopK(scratch, vocab, n, k);
  const total = weigh(w, y, n, gridOf(vocab));
  const p = load<f64>(options, SAMPLER_TOP_P);
  if (p < 1) n = keepTopP(scratch, vocab, n, p, total);
  const minP = load<f64>(options, SAMPLER_MIN_P);
  if (minP > 0) n = keepMinP(scratch, vocab, n, minP);
  const mass = load<f64>(options, SAMPLER_TYPICAL_P);
  if (mass < 1) n = keepTypical(scratch, vocab, n, mass);
  return n;
}

/** The list of one token. */
function only(scratch: usize, vocab: i32, id: i32): i32 {
  store<i32>(idsOf(scratch, vocab), id);
  memory.fill(weightsOf(scratch, vocab), 0, 64);
  store<f32>(weightsOf(scratch, vocab), 1);
  return 1;
}
