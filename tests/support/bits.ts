import { assert } from "./assert.ts";

const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/** The bits of a binary32, as eight hexadecimal digits. */
export function hexBits(value: number): string {
  asFloat[0] = value;
  return asBits[0].toString(16).padStart(8, "0");
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** How many values differ in bits, and the index of the first one (−1 if none). The lengths must be equal. */
export function differingBits(actual: Float32Array, expected: Float32Array): { count: number; first: number } {
  assert.ok(actual instanceof Float32Array && expected instanceof Float32Array, "bits are compared between two Float32Arrays");
  assert.equal(actual.length, expected.length, `lengths differ: ${actual.length} and ${expected.length}`);
  const a = bitsOf(actual);
  const b = bitsOf(expected);
  let count = 0;
  let first = -1;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) {
      if (count++ === 0) first = i;
    }
  }
  return { count, first };
}

/** Fails unless both hold the same bits; says where they first differ. Comparing nothing with nothing fails too. */
export function sameBits(actual: Float32Array, expected: Float32Array, what = "values"): void {
  const { count, first } = differingBits(actual, expected);
  assert.ok(expected.length > 0, `${what}: nothing to compare`);
  if (count === 0) return;
  assert.fail(
    `${what}: ${count} of ${expected.length} differ, first at ${first}: ` +
      `got ${hexBits(actual[first])} (${actual[first]}), expected ${hexBits(expected[first])} (${expected[first]})`,
  );
}

/** For negative controls: fails if both hold the same bits. */
export function differentBits(actual: Float32Array, expected: Float32Array, what = "values"): void {
  const { count } = differingBits(actual, expected);
  assert.ok(count > 0, `${what}: all ${expected.length} are the same to the last bit, but should not be`);
}
