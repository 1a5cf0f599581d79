import { KvasmError, shown } from "../errors.ts";
import { isObject, parseJsonObject } from "../files/json.ts";

/** model.safetensors.index.json, or pytorch_model.bin.index.json: which tensor is in which file. */
export interface ShardIndex {
  /** The index's own. */
  readonly name: string;
  /** File names, in the order of first mention. */
  readonly shards: readonly string[];
  /** Tensor name → file name. */
  readonly places: ReadonlyMap<string, string>;
  /** Bytes of all tensors, as the index states it. Not to be relied on. */
  readonly totalBytes: number | undefined;
}

export const INDEX_NAME = "model.safetensors.index.json";
export const TORCH_INDEX_NAME = "pytorch_model.bin.index.json";

/** @param name one of the two @throws KvasmError `weights` */
export function parseIndex(text: string, name: string): ShardIndex {
  const extension = name === INDEX_NAME ? ".safetensors" : ".bin";
  const fail = (argument: string, value: unknown, wanted: string): never => {
    throw new KvasmError("weights", `${name}: ${shown(argument)}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
  };
  const json = parseJsonObject(text, name, "weights");
  if (!isObject(json.weight_map)) return fail("weight_map", json.weight_map, "an object from tensor names to file names");
  const places = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(json.weight_map)) {
    if (typeof shard !== "string" || !isPlainName(shard, extension)) return fail(tensor, shard, `the name of a ${extension} file in the same folder`);
    places.set(tensor, shard);
  }
  if (places.size === 0) return fail("weight_map", json.weight_map, "at least one tensor");
  const total = isObject(json.metadata) ? json.metadata.total_size : undefined;
  const totalBytes = typeof total === "number" && Number.isSafeInteger(total) && total > 0 ? total : undefined;
  return { name, shards: [...new Set(places.values())], places, totalBytes };
}

/** A name that stays in its folder on every system. */
function isPlainName(name: string, extension: string): boolean {
  return /^[A-Za-z0-9_][\w.-]*$/.test(name) && name.endsWith(extension) && name.length <= 255;
}

/** A shard must have the tensors that the index places in it, and no other. */
export function checkPlaces(names: string[], shard: string, index: ShardIndex): void {
  const there = new Set(names);
  for (const name of names) {
    const listed = index.places.get(name);
    if (listed === shard) continue;
    throw new KvasmError("weights", `${shard}: has ${shown(name)}, which ${index.name} ${listed === undefined ? "does not list" : `places in ${listed}`}. The shards are not of one model.`, { argument: name, value: listed });
  }
  for (const [name, listed] of index.places) {
    if (listed === shard && !there.has(name)) {
      throw new KvasmError("weights", `${shard}: ${shown(name)} is missing, which ${index.name} places there. The shards are not of one model.`, { argument: name, value: name });
    }
  }
}
