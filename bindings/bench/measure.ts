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

/** What an interleaved run saw: rates of the reference and of the contestants, and each contestant's share of the reference. */
export interface Interleaved {
  readonly reference: Spread;
  readonly rates: readonly Spread[];
  readonly shares: readonly Spread[];
  /** The first contestant's rate over that of each of the others. */
  readonly ratios: readonly Spread[];
  readonly disturbance: Disturbance;
}

/** What other programs did meanwhile, on systems that tell (Linux); else null. */
export interface Disturbance {
  /** Cores that they kept busy during the repetitions that count; median. */
  readonly othersCores: number | null;
  /** Repetitions that do not count because of them. */
  readonly setAside: number;
}

/** Cores kept busy by other programs since the last call, or null. */
export type Others = () => number | null;

/** A machine is quiet below this many cores; the second number allows for the clock's ticks of 10 ms. */
const QUIET_CORES = 0.06;
const TICKS_SECONDS = 0.02;
/** At most this many times the repetitions asked for, in search of quiet ones. */
const PATIENCE = 3;

/**
 * Runs reference, contestants, reference, contestants, …, reference. A machine's speed drifts by tens of per cent within
 * seconds (clock, neighbours), so each repetition is compared with the mean of the two references around it, and the
 * share is the median of those quotients, never the quotient of two medians from different times.
 *
 * Repetitions during which other programs computed are set aside and done again; if too few are quiet, the least disturbed
 * count. Their speed plays no part in that choice.
 */
export async function interleave(repetitions: number, others: Others, reference: Contestant, ...contestants: Contestant[]): Promise<Interleaved> {
  const seen: { rates: number[]; around: number; others: number | null }[] = [];
  let quiet = 0;
  others();
  let before = await reference();
  while (quiet < repetitions && seen.length < PATIENCE * repetitions) {
    const start = performance.now();
    const rates: number[] = [];
    for (const contestant of contestants) rates.push(await contestant());
    const after = await reference();
    const cores = others();
    seen.push({ rates, around: (before + after) / 2, others: cores });
    before = after;
    if (cores === null || cores < QUIET_CORES + TICKS_SECONDS / ((performance.now() - start) / 1000)) quiet++;
  }
  const counted = [...seen].sort((a, b) => (a.others ?? 0) - (b.others ?? 0)).slice(0, repetitions);
  const cores = counted.map((repetition) => repetition.others).filter((value) => value !== null);
  return {
    reference: spread(counted.map(({ around }) => around)),
    rates: contestants.map((_, index) => spread(counted.map(({ rates }) => rates[index]!))),
    shares: contestants.map((_, index) => spread(counted.map(({ rates, around }) => rates[index]! / around))),
    ratios: contestants.slice(1).map((_, index) => spread(counted.map(({ rates }) => rates[0]! / rates[index + 1]!))),
    disturbance: { othersCores: cores.length ? median(cores) : null, setAside: seen.length - counted.length },
  };
}

/** Seconds that a synchronous call takes. */
export function seconds(call: () => unknown): number {
  const start = performance.now();
  call();
  return (performance.now() - start) / 1000;
}
