// Byte offsets of the options, SAMPLER_* in bindings/wasm/exports.ts. f64 unless said otherwise; validated by the bindings.

export const TEMPERATURE: usize = 0;
export const TOP_P: usize = 8;
export const MIN_P: usize = 16;
export const TYPICAL_P: usize = 24;
export const REPETITION: usize = 32;
export const PRESENCE: usize = 40;
export const FREQUENCY: usize = 48;
export const TOP_K: usize = 56; // u32, 0 = off
export const BIAS_COUNT: usize = 60; // u32
export const SEED_LOW: usize = 64; // u32
export const SEED_HIGH: usize = 68; // u32
export const STREAM: usize = 72; // u32
export const POSITION: usize = 76; // u32

/** Whether a penalty looks at how often each token occurred; if not, counts are not read. */
export function usesHistory(options: usize): bool {
  return load<f64>(options, REPETITION) != 1 || load<f64>(options, PRESENCE) != 0 || load<f64>(options, FREQUENCY) != 0;
}
