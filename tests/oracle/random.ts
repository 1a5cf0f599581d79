/**
 * Philox4x32-10: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * In BigInt, where a product of two 32-bit words needs no care.
 */
const M0 = 0xd2511f53n;
const M1 = 0xcd9e8d57n;
const W0 = 0x9e3779b9n; // the golden ratio
const W1 = 0xbb67ae85n; // √3 − 1
const WORD = 0xffffffffn;

export function philox4x32(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt);
  let [k0, k1] = key.map(BigInt);
  for (let round = 0; round < 10; round++) {
    const p0 = M0 * c0;
    const p1 = M1 * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & WORD, (p0 >> 32n) ^ c3 ^ k1, p0 & WORD];
    k0 = (k0 + W0) & WORD;
    k1 = (k1 + W1) & WORD;
  }
  return [c0, c1, c2, c3].map(Number);
}

/** u in [0, 1): a function of seed (an integer below 2⁵³), position and stream alone. */
export function uniform(seed: number, position: number, stream: number): number {
  const [x0] = philox4x32([position, stream, 0, 0], [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
  return (x0 >>> 8) * 2 ** -24;
}
