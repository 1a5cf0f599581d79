/** Median and extremes of several repetitions. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly repetitions: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), repetitions: values.length };
}

/** One repetition of something; returns its rate, in whatever unit, 0 < rate. */
export type Contestant = () => number | Promise<number>;

/** What an interleaved run saw: rates of the reference and of the others, and each other's share of the reference. */
export interface Interleaved {
  readonly reference: Spread;
  readonly rates: readonly Spread[];
  readonly shares: readonly Spread[];
}

/**
 * Runs reference, contestants, reference, contestants, …, reference. A machine's speed drifts by tens of per cent within
 * seconds (clock, neighbours), so each repetition is compared with the mean of the two references around it, and the
 * share is the median of those quotients, never the quotient of two medians from different times.
 */
export async function interleave(repetitions: number, reference: Contestant, ...contestants: Contestant[]): Promise<Interleaved> {
  const references = [await reference()];
  const rates: number[][] = contestants.map(() => []);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [index, contestant] of contestants.entries()) rates[index]!.push(await contestant());
    references.push(await reference());
  }
  const around = (repetition: number): number => (references[repetition]! + references[repetition + 1]!) / 2;
  return {
    reference: spread(references),
    rates: rates.map(spread),
    shares: rates.map((list) => spread(list.map((rate, repetition) => rate / around(repetition)))),
  };
}

/** Seconds that a synchronous call takes. */
export function seconds(call: () => unknown): number {
  const start = performance.now();
  call();
  return (performance.now() - start) / 1000;
}
