import { KvasmError, shown } from "../errors.ts";
import type { Weights } from "../wasm/types.ts";
import { ByteReader } from "../files/bytes.ts";
import { checkQuantized } from "./quantized.ts";
import { Router } from "./router.ts";
import type { Piece } from "./router.ts";
import { readHeader, weightDtype } from "./safetensors.ts";
import type { StoredTensor, TensorSink } from "./types.ts";
import type { OpenFile } from "../files/files.ts";
import type { Inventory } from "./tensors.ts";
import { ELEMENT_BYTES, unitOf } from "./units.ts";

/** One file of a checkpoint, open behind its header, which has been checked against the configuration. */
export interface Shard {
  readonly name: string;
  /** Bytes of its tensors. */
  readonly dataBytes: number;
  /** The checkpoint, all of its files, has a head. */
  readonly headStored: boolean;
  /** Tensors of the checkpoint that are passed over. */
  readonly foreign: readonly string[];
  /** What its matrices are: f32 for floats of any kind. */
  readonly weights: Weights;
  /**
   * Reads the rest of the file, once.
   * @param onData called with the number of bytes of tensors that have been handed on
   */
  stream(sink: TensorSink, onData: (bytes: number) => void): Promise<void>;
  /** Lets go of the file; may be called at any time, and twice. */
  close(): Promise<void>;
}

/** A file whose data follows its header, tensor after tensor. */
export interface PlainData {
  readonly name: string;
  /** Behind the header. */
  readonly reader: ByteReader;
  /** Bytes from the reader's position to the end of the last tensor. */
  readonly dataBytes: number;
  /** Bytes that may follow and mean nothing. */
  readonly trailing: number;
  /** The tensors in the order of their bytes. */
  readonly plan: readonly Piece[];
}

/** What a shard does, for such a file. */
export function plainShard({ name, reader, dataBytes, trailing, plan }: PlainData): Pick<Shard, "name" | "dataBytes" | "stream" | "close"> {
  return {
    name,
    dataBytes,
    close: () => reader.cancel(),
    async stream(sink, onData) {
      const router = new Router(plan, sink);
      const whole = reader.position + dataBytes;
      let beyond = 0; // bytes after the last tensor
      for (let left = dataBytes; left > 0;) {
        const chunk = await reader.chunk();
        if (chunk === null) {
          throw new KvasmError("source", `${name}: ended after ${reader.position} of ${whole} bytes. It is cut off: download it again.`, { argument: name, value: reader.position });
        }
        const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
        router.write(data);
        left -= data.length;
        beyond += chunk.length - data.length;
        onData(data.length);
      }
      while (beyond <= trailing) {
        const chunk = await reader.chunk();
        if (chunk === null) return;
        beyond += chunk.length;
      }
      throw new KvasmError("weights", `${name}: goes on after its last tensor. Something is appended to it, or it is damaged.`, { argument: name });
    },
  };
}

/**
 * @param where the folder, for messages
 * @param inventoryOf from the names in the file, and what its matrices are; throws if they cannot be
 */
export async function openShard(file: OpenFile, name: string, where: string, signal: AbortSignal | undefined, inventoryOf: (names: string[], weights: Weights) => Inventory | Promise<Inventory>): Promise<Shard> {
  const reader = new ByteReader(file, name, where, signal);
  try {
    const header = await readHeader(reader, name);
    const { weights } = header;
    const inventory = await inventoryOf(header.tensors.map((tensor) => tensor.name), weights);
    const plan = header.tensors.map((tensor) => planOf(tensor, inventory, weights, name));
    return { ...plainShard({ name, reader, dataBytes: header.dataBytes, trailing: 0, plan }), headStored: inventory.headStored, foreign: inventory.foreign, weights };
  } catch (error) {
    await reader.cancel();
    throw error;
  }
}

/** Compares what the file has with what the configuration asks for. */
export function planOf(stored: StoredTensor, inventory: Inventory, weights: Weights, file: string): Piece {
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
  return { place, dtype, width: ELEMENT_BYTES[stored.dtype], elements: 1, bytes };
}
