import { exp4 } from "../kernels/exp";
import { headerOf } from "../memory/header";
import { idsOf } from "../cache/sequences";
import { usesHistory } from "./options";
import { likeliestOf, logProbabilityOf } from "./log-probability";
import { clearIds, countIds } from "./penalties";
import { distributionOf, sampleFrom } from "./sample";

// From a sequence's logits, where sequenceLogits has them, to an id. `counts` is all zeros between calls, except for the history of a distribution.

/** Draws from these logits, f32[vocab]; the first `length` ids of the sequence are the history of the penalties. */
export function sample(model: usize, slot: u32, logits: usize, length: u32): i32 {
  const h = headerOf(model);
  const options = h.samplerOptions;
  const penalties = usesHistory(options);
  if (penalties) countIds(h.counts, idsOf(h, slot), length);
  const id = sampleFrom(logits, h.vocab, options, h.biasIds, h.biasValues, h.counts, h.samplerScratch);
  if (penalties) clearIds(h.counts, idsOf(h, slot), length);
  return id;
}

export function clearHistory(model: usize): void {
  const h = headerOf(model);
  memory.fill(h.counts, 0, <usize>h.vocab << 2);
}

export function addHistory(model: usize, address: usize, count: u32): void {
  countIds(headerOf(model).counts, address, count);
}

/** samplerLogits becomes the distribution; the history is forgotten. Returns how many tokens are kept. */
export function distribution(model: usize): i32 {
  const h = headerOf(model);
  const kept = distributionOf(h.samplerLogits, h.samplerLogits, h.vocab, h.samplerOptions, h.biasIds, h.biasValues, h.counts, h.samplerScratch);
  clearHistory(model);
  return kept;
}

/** log p of an id under these logits, f32[vocab]. */
export function logProbability(model: usize, logits: usize, id: u32): f64 {
  return logProbabilityOf(logits, headerOf(model).vocab, id);
}

/** Address of the `count` likeliest tokens' log p, f64[count], and ids behind them, u32[count], until the next draw. */
export function likeliest(model: usize, logits: usize, count: u32): usize {
  const h = headerOf(model);
  likeliestOf(logits, h.vocab, count, h.samplerScratch);
  return h.samplerScratch;
}

/** exp(x) as everything here has it. */
export function exponential(x: f32): f32 { return f32x4.extract_lane(exp4(f32x4.splat(x)), 0); }
