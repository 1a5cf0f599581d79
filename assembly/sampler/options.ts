import { SAMPLER_FREQUENCY, SAMPLER_PRESENCE, SAMPLER_REPETITION } from "../contract";

/** Whether a penalty looks at how often each token occurred; if not, counts are not read. */
export function usesHistory(options: usize): bool {
  return load<f64>(options, SAMPLER_REPETITION) != 1 || load<f64>(options, SAMPLER_PRESENCE) != 0 || load<f64>(options, SAMPLER_FREQUENCY) != 0;
}
