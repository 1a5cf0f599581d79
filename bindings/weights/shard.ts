import { KvasmError, shown } from "../errors.ts";
import type { Weights } from "../wasm/types.ts";
import { ByteReader } from "./bytes.ts";
import { checkQuantized } from "./quantized.ts";
import type { Piece } from "./router.ts";
import { elementBytes, readHeader, weightDtype } from "./safetensors.ts";
import type { StoredTensor } from "./types.ts";
import type { OpenFile } from "./files.ts";
import type { Inventory } from "./tensors.ts";
import { unitOf } from "./units.ts";

/** One file of a checkpoint, open behind its header, which has been checked against the configuration. */
export interface Shard {
  readonly name: string;
  readonly reader: ByteReader;
  /** Bytes from the reader's position to the end of the last tensor. */
  readonly dataBytes: number;
  /** Bytes that may follow and mean nothing. */
  readonly trailing: number;
  /** The tensors in the order of their bytes. */
  readonly plan: readonly Piece[];
  /** The checkpoint, all of its files, has a head. */
  readonly headStored: boolean;
  /** Tensors of the checkpoint that are passed over. */
  readonly foreign: readonly string[];
  /** What its matrices are: f32 for floats of any kind. */
  readonly weights: Weights;
}

/**
 * @param where the folder, for messages
 * @param inventoryOf from the names in the file, and what its matrices are; throws if they cannot be
 */
export async function openShard(file: OpenFile, name: string, where: string, signal: AbortSignal | undefined, inventoryOf: (names: string[], weights: Weights) => Inventory): Promise<Shard> {
  const reader = new ByteReader(file, name, where, signal);
  try {
    const header = await readHeader(reader, name);
    const { weights } = header;
    const inventory = inventoryOf(header.tensors.map((tensor) => tensor.name), weights);
    const plan = header.tensors.map((tensor) => planOf(tensor, inventory, weights, name));
    return { name, reader, dataBytes: header.dataBytes, trailing: 0, plan, headStored: inventory.headStored, foreign: inventory.foreign, weights };
  } catch (error) {
    await reader.cancel();
    throw error;
  }
}

/** Compares what the file has with what the configuration asks for. */
function planOf(stored: StoredTensor, inventory: Inventory, weights: Weights, file: string): Piece {
  const place = inventory.known.get(stored.name) ?? null;
  const bytes = stored.end - stored.begin;
  if (place === null) return { place, dtype: -1, width: 1, elements: 1, bytes };
  const quantized = weights === "f32" ? undefined : checkQuantized(stored, place, weights, file);
  if (quantized !== undefined) {
    const unit = unitOf(quantized.dtype);
    return { place, dtype: quantized.dtype, width: unit.bytes, elements: unit.elements, bytes };
  }
  const dtype = weightDtype(stored, file);
  if (stored.shape.length !== place.shape.length || stored.shape.some((size, i) => size !== place.shape[i])) {
    const turned = stored.shape.length === 2 && stored.shape[0] === place.shape[1] && stored.shape[1] === place.shape[0];
    const cure = turned ? "It is transposed: GPT-2 stores these weights as [in, out] (Conv1D)" : "The weights and config.json are of different models";
    throw new KvasmError("weights", `${file}: ${shown(stored.name)}: expected shape [${place.shape.join(", ")}] by config.json, got [${stored.shape.join(", ")}]. ${cure}.`, { argument: stored.name, value: stored.shape });
  }
  return { place, dtype, width: elementBytes(stored.dtype), elements: 1, bytes };
}
