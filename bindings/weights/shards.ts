import { KvasmError, shown } from "../errors.ts";
import { isObject, parseJsonObject } from "./json.ts";

/** model.safetensors.index.json: which tensor is in which file. */
export interface ShardIndex {
  /** File names, in the order of first mention. */
  readonly shards: readonly string[];
  /** Tensor name → file name. */
  readonly places: ReadonlyMap<string, string>;
  /** Bytes of all tensors, as the index states it. Not to be relied on. */
  readonly totalBytes: number | undefined;
}

export const INDEX_NAME = "model.safetensors.index.json";

/** How many shards a file is one of, as its name says. */
export function shardsOf(name: string): number {
  return Number(/-\d+-of-(\d+)\b[^\\/]*\.safetensors(?:\.gz)?$/.exec(name)?.[1] ?? 1);
}

/** @throws KvasmError `weights` */
export function parseIndex(text: string): ShardIndex {
  const json = parseJsonObject(text, INDEX_NAME, "weights");
  if (!isObject(json.weight_map)) return fail("weight_map", json.weight_map, "an object from tensor names to file names");
  const places = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(json.weight_map)) {
    if (typeof shard !== "string" || !isPlainName(shard)) return fail(tensor, shard, "the name of a .safetensors file in the same folder");
    places.set(tensor, shard);
  }
  if (places.size === 0) return fail("weight_map", json.weight_map, "at least one tensor");
  const total = isObject(json.metadata) ? json.metadata.total_size : undefined;
  const totalBytes = typeof total === "number" && Number.isSafeInteger(total) && total > 0 ? total : undefined;
  return { shards: [...new Set(places.values())], places, totalBytes };
}

/** A name that stays in its folder on every system. */
function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_][\w.-]*\.safetensors$/.test(name) && name.length <= 255;
}

function fail(argument: string, value: unknown, wanted: string): never {
  throw new KvasmError("weights", `${INDEX_NAME}: ${shown(argument)}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
}

/** A shard must have the tensors that the index places in it, and no other. */
export function checkPlaces(names: string[], shard: string, index: ShardIndex): void {
  const there = new Set(names);
  for (const name of names) {
    const listed = index.places.get(name);
    if (listed === shard) continue;
    throw new KvasmError("weights", `${shard}: has ${shown(name)}, which ${INDEX_NAME} ${listed === undefined ? "does not list" : `places in ${listed}`}. The shards are not of one model.`, { argument: name, value: listed });
  }
  for (const [name, listed] of index.places) {
    if (listed === shard && !there.has(name)) {
      throw new KvasmError("weights", `${shard}: ${shown(name)} is missing, which ${INDEX_NAME} places there. The shards are not of one model.`, { argument: name, value: name });
    }
  }
}
