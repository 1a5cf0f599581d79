import { readPickle } from "./pickle.ts";
import type { Makers, Value } from "./pickle.ts";
import type { Forward } from "./forward.ts";

/** Bytes of a pickle. It has two hundred for each tensor. */
const MOST_BYTES = 1 << 26;
const FIRST_LOOK = 1 << 16;

/**
 * The pickle that comes next, not yet taken, and its bytes.
 * @param size where it is known
 * @throws KvasmError `weights`, `unsupported`
 */
export async function nextPickle(forward: Forward, makers: Makers, size?: number): Promise<{ value: Value; bytes: Uint8Array }> {
  for (let look = size ?? FIRST_LOOK; look <= MOST_BYTES; look *= 2) {
    const shown = await forward.peek(look);
    const pickle = readPickle(size === undefined ? shown : shown.subarray(0, size), makers);
    if (pickle !== null) return { value: pickle.value, bytes: shown.subarray(0, pickle.length) };
    if (shown.length < look) forward.cutOff();
    if (size !== undefined) break;
  }
  return makers.fail("weights", `has a pickle that does not end within ${size ?? MOST_BYTES} bytes. The file is damaged: download it again`);
}
