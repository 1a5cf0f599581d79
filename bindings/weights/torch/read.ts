import { KvasmError } from "../../errors.ts";
import { ByteReader } from "../../files/bytes.ts";
import type { OpenFile } from "../../files/files.ts";
import { weightsLookalikeOf } from "../../files/lookalike.ts";
import { planOf } from "../shard.ts";
import type { Shard } from "../shard.ts";
import { EMBEDDING, HEAD } from "../tensors.ts";
import { PREFIX } from "../places.ts";
import type { Inventory } from "../tensors.ts";
import { openArchive } from "./archive.ts";
import { Forward } from "./forward.ts";
import { LEGACY_START, openLegacy } from "./legacy.ts";
import { StateDictMakers, tensorsOf } from "./state-dict.ts";
import type { Storage, TorchTensor } from "./state-dict.ts";
import { routerOf } from "./views.ts";
import type { Wanted } from "./views.ts";
import { LOCAL, viewOf } from "./zip.ts";

/**
 * Opens a file that torch.save has written, a dict of tensors by name, and checks all that can be known before its data. It is read once,
 * from its beginning to its end, and no code that it names is run.
 * @param where the folder, for messages
 * @param inventoryOf from the names in the file, and whether the head is the embedding again, the same numbers of the same storage;
 * throws if they cannot be
 * @throws KvasmError `weights`, `unsupported`, `source`; the signal's reason
 */
export async function openTorchShard(
  file: OpenFile, name: string, where: string, signal: AbortSignal | undefined, inventoryOf: (names: string[], isTied: boolean) => Inventory | Promise<Inventory>,
): Promise<Shard> {
  const reader = new ByteReader(file, name, where, signal);
  try {
    const fail: StateDictMakers["fail"] = (code, message, value) => {
      throw new KvasmError(code, `${name}: ${message}.`, { argument: name, value });
    };
    const makers = new StateDictMakers(fail);
    const container = await open(new Forward(reader, name), reader, name, makers);
    const tensors = tensorsOf(container.value, fail);
    const dataBytes = [...makers.storages.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    if (dataBytes > (reader.size ?? Infinity)) fail("weights", `has ${reader.size} bytes and describes tensors of ${dataBytes}. It is cut off: download it again`, reader.size);
    const inventory = await inventoryOf([...tensors.keys()], isTied(tensors));
    const wanted = wantedOf(tensors, inventory, name);
    return {
      name, dataBytes, headStored: inventory.headStored, foreign: inventory.foreign, weights: "f32",
      close: () => reader.cancel(),
      stream: (sink, onData) => container.stream((storage) => {
        const router = routerOf(storage, wanted.get(storage) ?? [], sink);
        return (bytes) => {
          router.write(bytes);
          onData(bytes.length);
        };
      }),
    };
  } catch (error) {
    await reader.cancel();
    throw error;
  }
}

async function open(forward: Forward, reader: ByteReader, name: string, makers: StateDictMakers): ReturnType<typeof openArchive> {
  const start = (await forward.peek(TAR_AT + 5)).slice(0, TAR_AT + 5);
  if (start.length >= 4 && viewOf(start).getUint32(0, true) === LOCAL) return openArchive(forward, makers);
  if (LEGACY_START.every((byte, i) => start[i] === byte)) return openLegacy(forward, makers);
  if (String.fromCharCode(...start.subarray(TAR_AT)) === "ustar") makers.fail("unsupported", "is a tar archive, as torch before 0.2 wrote it. Save it with a newer torch");
  const instead = await weightsLookalikeOf(String.fromCharCode(...start), reader);
  throw new KvasmError("weights", `${name}: is no file that torch.save has written${instead}.`, { argument: name });
}

const EMBEDDINGS = [PREFIX + EMBEDDING, EMBEDDING];
/** Where a tar archive says what it is. */
const TAR_AT = 257;

function isTied(tensors: ReadonlyMap<string, TorchTensor>): boolean {
  const head = tensors.get(HEAD);
  return head !== undefined && EMBEDDINGS.some((name) => tensors.get(name)?.equals(head));
}

/** By storage, the tensors that the model has a place for, their shapes compared with the configuration's. */
function wantedOf(tensors: ReadonlyMap<string, TorchTensor>, inventory: Inventory, file: string): ReadonlyMap<Storage, Wanted[]> {
  const wanted = new Map<Storage, Wanted[]>();
  for (const [name, tensor] of tensors) {
    const { storage, shape } = tensor;
    const { place, dtype } = planOf({ name, dtype: storage.dtype, shape, begin: 0, end: 0 }, inventory, "f32", file);
    if (place !== null) wanted.set(storage, [...wanted.get(storage) ?? [], { place, dtype, tensor }]);
  }
  return wanted;
}
