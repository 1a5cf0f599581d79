import { median, seconds } from "./measure.ts";

interface RooflineExports {
  readonly memory: WebAssembly.Memory;
  readonly READ_STEP: WebAssembly.Global;
  readonly PEAK_STEP: WebAssembly.Global;
  readonly DOT_PEAK_STEP: WebAssembly.Global;
  read2(base: number, bytes: number): number;
  read4(base: number, bytes: number): number;
  peak(values: number, turns: number): number;
  dotPeak(values: number, turns: number): number;
}

/** Where peak's start values lie, and where the region to read begins. */
const VALUES = 1024;
const REGION = 65536;
/** A larger region reads no slower, and would only take the place of the model under test. */
const LARGEST_REGION = 2 ** 30;
/** Turns of a peak in one repetition: 50 to 100 ms. */
const PEAK_TURNS = 4e7;

export interface Rooflines {
  /** Number of far streams of the loop that `read` uses: the fastest on this machine. */
  readonly streams: 2 | 4;
  /** Median bytes per second of each candidate, when one was chosen. */
  readonly candidates: Readonly<Record<"2" | "4", number>>;
  /** Bytes per second of reading `bytes` bytes, and nothing else, from main memory. */
  read(bytes: number): number;
  /** Operations per second in f32, multiply and add separate, in registers. `part`: of the usual time of 50 to 100 ms. */
  peak(part?: number): number;
  /** Operations per second of the 16-bit dot product in registers: 8 products and their 8 additions each. */
  dotPeak(part?: number): number;
}

/**
 * `bytes` is the most that will be read. A region of that size (at most 1 GiB, then it is read again) is written once, so that it is
 * real memory; both loops run until they are optimised, and the faster way of reading is kept.
 */
export async function openRooflines(wasm: BufferSource, bytes: number): Promise<Rooflines> {
  const { instance } = await WebAssembly.instantiate(wasm);
  const exports = instance.exports as unknown as RooflineExports;
  const readStep = exports.READ_STEP.value as number;
  const peakStep = exports.PEAK_STEP.value as number;
  const dotPeakStep = exports.DOT_PEAK_STEP.value as number;
  const round = (size: number): number => Math.ceil(size / readStep) * readStep;
  const region = round(Math.min(bytes, LARGEST_REGION));
  exports.memory.grow(Math.ceil((REGION + region) / 65536) - exports.memory.buffer.byteLength / 65536);
  new Uint8Array(exports.memory.buffer, REGION, region).fill(0x55);
  const values = new Float32Array(exports.memory.buffer, VALUES, 56);
  values.forEach((_, index) => { values[index] = index < 48 ? 1 + index / 64 : index < 52 ? 0.999 : 0.001; });

  const read = (loop: "read2" | "read4", size: number): number => {
    const time = seconds(() => {
      for (let left = round(size); left > 0; left -= region) exports[loop](REGION, Math.min(left, region));
    });
    return size / time;
  };
  const peak = (turns: number): number => {
    let sum = 0;
    const time = seconds(() => { sum = exports.peak(VALUES, turns); });
    if (!Number.isFinite(sum)) throw new Error("The multiply-add loop left the finite numbers.");
    return turns * peakStep / time;
  };
  const dotPeak = (turns: number): number => turns * dotPeakStep / seconds(() => exports.dotPeak(VALUES, turns));

  const rates: Record<"read2" | "read4", number[]> = { read2: [], read4: [] };
  for (let turn = 0; turn < 9; turn++) {
    for (const loop of ["read2", "read4"] as const) {
      const rate = read(loop, region);
      if (turn >= 2) rates[loop].push(rate); // before, the loop may still be the baseline compiler's
    }
    if (turn < 3) {
      peak(PEAK_TURNS / 20);
      dotPeak(PEAK_TURNS / 20);
    }
  }
  const candidates = { "2": median(rates.read2), "4": median(rates.read4) };
  const streams = candidates["2"] >= candidates["4"] ? 2 : 4;
  return {
    streams, candidates, read: (size) => read(`read${streams}`, size),
    peak: (part = 1) => peak(Math.ceil(part * PEAK_TURNS)), dotPeak: (part = 1) => dotPeak(Math.ceil(part * PEAK_TURNS)),
  };
}
