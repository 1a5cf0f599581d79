/** Seeded damage to texts and bytes, and a count of what comes of it. */
import { KvasmError } from "../../bindings/errors.ts";
import { assert } from "./assert.ts";

export type Random = (below: number) => number;

/** A generator for each mutation, so that one can be repeated alone by its seed. */
export function randomOf(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)];

/** JSON texts that a field may wrongly have. */
const HOSTILE = [
  "null", "true", "false", "0", "-0", "-1", "1", "0.5", "2", "3", "1e300", "-1e300", "1e999", "4294967295", "4294967296", "2147483648", "9007199254740992", "9007199254740993", "1e-320",
  "18446744073709551616", '""', '"7"', '"\\u0000"', '"gpt2"', '"F32"', '"F16"', '"BOOL"', '"I4"', "[]", "[0]", "[0,0]", "[[]]", "[1e300,1]", "{}", '{"a":1}', '"' + "x".repeat(1000) + '"', "[" + "1,".repeat(999) + "1]",
];

/** A JSON text with one value, key or character changed. */
export function damagedJson(text: string, random: Random): string {
  const values = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?=\s*[,}\]])|-?\d[\d.e+-]*|true|false|null/g)];
  const at = random(text.length);
  switch (random(7)) {
    case 0: case 1: {
      const { index, 0: value } = pick(random, values);
      return text.slice(0, index) + pick(random, HOSTILE) + text.slice(index + value.length);
    }
    case 2: {
      const { index, 0: value } = pick(random, values);
      const number = Number(value);
      return text.slice(0, index) + (Number.isFinite(number) ? String(number + random(17) - 8) : '"x"') + text.slice(index + value.length);
    }
    case 3: return text.slice(0, at) + text.slice(at + 1 + random(4));
    case 4: return text.slice(0, at) + String.fromCharCode(random(3) === 0 ? random(0xffff) : 32 + random(95)) + text.slice(at + random(2));
    case 5: { // a piece again
      const end = Math.min(text.length, at + 1 + random(40));
      return text.slice(0, end) + text.slice(at);
    }
    default: return text.slice(0, at);
  }
}

export function damagedBytes(bytes: Uint8Array<ArrayBuffer>, random: Random, within = bytes.length): Uint8Array<ArrayBuffer> {
  const at = random(within);
  const changed = bytes.slice();
  switch (random(6)) {
    case 0: changed[at] ^= 1 << random(8); return changed;
    case 1: changed[at] = pick(random, [0, 0x20, 0x22, 0x30 + random(10), 0x2c, 0x5d, 0x7d, 0x7f, 0x80, 0xff]); return changed;
    case 2: return bytes.slice(0, at);
    case 3: changed.copyWithin(at, random(within), random(within)); return changed;
    case 4: changed.fill(random(256), at, at + random(16)); return changed;
    default: { // a few bytes more or fewer
      const size = 1 + random(9);
      const result = new Uint8Array(random(2) === 0 ? bytes.length + size : Math.max(0, bytes.length - size));
      result.set(bytes.subarray(0, Math.min(at, result.length)));
      if (at < result.length) result.set(bytes.subarray(at, at + Math.max(0, Math.min(bytes.length - at, result.length - at - size))), Math.min(result.length, at + size));
      return result;
    }
  }
}

/** Runs an action for every seed; how often it succeeded, and the codes of the errors otherwise. */
export async function tally(seeds: number, first: number, action: (seed: number) => unknown): Promise<{ good: number; codes: Map<string, number> }> {
  let good = 0;
  const codes = new Map<string, number>();
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      await action(seed);
      good++;
    } catch (error) {
      if (!KvasmError.is(error)) throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      assert.ok(/\.$/.test(error.message) && error.message.length < 1000, `seed ${seed}: ${error.message}`);
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
  }
  return { good, codes };
}

export const sum = (codes: Map<string, number>): number => [...codes.values()].reduce((a, b) => a + b, 0);
