/**
 * u in [0, 1): the upper 24 bits of the first word of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011) with key (seedLow, seedHigh) and counter (position, stream, 0, 0). No state: a draw is a function of
 * these four.
 */
export function uniform(seedLow: u32, seedHigh: u32, position: u32, stream: u32): f64 {
  return <f64>(philoxFirstWord(seedLow, seedHigh, position, stream, 0, 0) >>> 8) * 5.9604644775390625e-8; // 2⁻²⁴
}

/** The first of the four words of the block at counter (c0, c1, c2, c3). */
export function philoxFirstWord(k0: u32, k1: u32, c0: u32, c1: u32, c2: u32, c3: u32): u32 {
  for (let round = 0; round < 10; round++) {
    const a = <u64>c0 * 0xd2511f53;
    const b = <u64>c2 * 0xcd9e8d57;
    c0 = <u32>(b >>> 32) ^ c1 ^ k0;
    c1 = <u32>b;
    c2 = <u32>(a >>> 32) ^ c3 ^ k1;
    c3 = <u32>a;
    k0 += 0x9e3779b9; // golden ratio
    k1 += 0xbb67ae85; // √3 − 1
  }
  return c0;
}
