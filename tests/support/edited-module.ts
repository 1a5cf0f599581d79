/** Modules that compute something else than the shipped ones: engines that miscompute, as far as a caller can see. */

/** A copy of a module's bytes with one sequence of bytes in the place of another, wherever it stands; the number of places is checked. */
export function withBytes(module: Uint8Array, from: readonly number[], to: readonly number[], least = 1): Uint8Array<ArrayBuffer> {
  if (from.length !== to.length) throw new Error("a replacement has as many bytes");
  const copy = Uint8Array.from(module);
  let places = 0;
  for (let at = copy.indexOf(from[0]); at >= 0; at = copy.indexOf(from[0], at + 1)) {
    if (!from.every((byte, i) => copy[at + i] === byte)) continue;
    copy.set(to, at);
    places++;
  }
  if (places < least) throw new Error(`${places} places instead of ${least}: the module is made in another way now`);
  return copy;
}

/** ln 2's upper part as exp subtracts it, one bit off: wherever a softmax or an activation is computed, every way has the same wrong bits. */
export const wrongExp = (module: Uint8Array): Uint8Array<ArrayBuffer> => withBytes(module, [0x00, 0x80, 0x31, 0x3f], [0x01, 0x80, 0x31, 0x3f]);

/** i32.const 12, i16x8.shr_s: the last of four nibbles, taken from a bit too low. int4 alone has it, in kvasm.wasm. */
export const wrongNibble = (module: Uint8Array): Uint8Array<ArrayBuffer> =>
  withBytes(module, [0x41, 12, 0xfd, 0x8c, 0x01], [0x41, 11, 0xfd, 0x8c, 0x01]);
