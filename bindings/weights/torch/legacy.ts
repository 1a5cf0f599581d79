import { shown } from "../../errors.ts";
import type { Container } from "./container.ts";
import type { Forward } from "./forward.ts";
import { nextPickle } from "./pickles.ts";
import type { Value } from "./pickle.ts";
import type { StateDictMakers } from "./state-dict.ts";

/** How a pickle of the format's magic number begins. */
export const LEGACY_START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const PROTOCOL = 1001;

/**
 * The format of torch before 1.6, which newer ones write if they are told to: five pickles (a magic number, a version, the machine, the
 * dict, the keys of the storages), then the storages in the order of the keys, each after its count of elements.
 * @throws KvasmError `weights`, `unsupported`, `source`
 */
export async function openLegacy(forward: Forward, makers: StateDictMakers): Promise<Container> {
  const next = async (): Promise<Value> => {
    const { value, bytes } = await nextPickle(forward, makers);
    forward.skip(bytes.length);
    return value;
  };
  await next(); // the magic number, by which it was told
  const version = await next();
  if (version !== PROTOCOL) makers.fail("unsupported", `is of version ${shown(version)} of torch's old format; kvasm reads ${PROTOCOL}. Save it with a newer torch`, version);
  const machine = await next();
  const little = machine instanceof Map ? machine.get("little_endian") : undefined;
  if (little === false) makers.fail("unsupported", "was written on a big-endian machine. Save it on a little-endian one", little);
  if (little !== true) makers.fail("weights", "does not say in which order bytes lie. The file is damaged");
  const value = await next();
  const keys = await next();
  const isList = Array.isArray(keys) && keys.every((key) => typeof key === "string" && makers.storages.has(key)) && new Set(keys).size === keys.length;
  if (!isList || keys.length !== makers.storages.size) return makers.fail("weights", "does not list the storages that its tensors are in. The file is damaged");
  return {
    value,
    async stream(into) {
      for (const key of keys as string[]) {
        const storage = makers.storages.get(key)!;
        const count = (await forward.take(8)).slice();
        const elements = new DataView(count.buffer).getBigUint64(0, true);
        if (elements !== BigInt(storage.elements)) makers.fail("weights", `has ${elements} elements in storage ${shown(key)} and describes ${storage.elements}. The file is damaged`, key);
        const write = into(storage);
        for (let left = storage.bytes; left > 0;) {
          const chunk = await forward.chunk(left);
          write(chunk);
          left -= chunk.length;
        }
      }
      if ((await forward.peek(1)).length > 0) makers.fail("weights", "goes on after its last storage. Something is appended to it, or it is damaged");
    },
  };
}
