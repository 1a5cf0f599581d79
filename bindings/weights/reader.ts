import { KvasmError, shown } from "../errors.ts";
import type { Weights } from "../wasm/types.ts";
import { missing, readText } from "./bytes.ts";
import type { ModelConfig } from "./config.ts";
import { SCALE_SUFFIX } from "./quantized-format.ts";
import { Router } from "./router.ts";
import { openShard } from "./shard.ts";
import type { Shard } from "./shard.ts";
import { INDEX_NAME, checkPlaces, parseIndex, shardsOf } from "./shards.ts";
import type { ShardIndex } from "./shards.ts";
import type { ModelFiles, OpenFile } from "./files.ts";
import type { ReaderOptions, TensorSink, WeightReader } from "./types.ts";
import { takeInventory } from "./tensors.ts";

const WHOLE_NAME = "model.safetensors";
const PACKED_NAME = `${WHOLE_NAME}.gz`;
const MOST_INDEX_BYTES = 100_000_000;
/** Bytes between two reports of progress. */
const REPORT_EVERY = 1 << 20;

/**
 * Opens a checkpoint, one file or shards with an index, and checks all that can be known before its data: that every tensor of the
 * configuration is there, and for the first file type, shape and place of each. Later shards are checked so before their data.
 * @throws KvasmError `source`, `weights`, `unsupported`; the signal's reason
 */
export async function openWeights(files: ModelFiles, config: ModelConfig, options: ReaderOptions = {}): Promise<WeightReader> {
  const { signal } = options;
  signal?.throwIfAborted();
  if (files.weightsFile !== undefined) return openNamed(files, files.weightsFile, config, options);
  const plain = await files.open(WHOLE_NAME);
  if (plain !== null) return openWhole(plain, files, config, options);
  const index = await readText(files, INDEX_NAME, MOST_INDEX_BYTES, signal);
  if (index !== null) return openShards(parseIndex(index), files, config, options);
  const packed = await files.open(PACKED_NAME);
  if (packed !== null) return openWhole(packed, files, config, options);
  return missing(files, WHOLE_NAME, `Neither is ${INDEX_NAME}, nor ${PACKED_NAME}. Checkpoints in PyTorch's .bin must be saved as safetensors.`, [INDEX_NAME, PACKED_NAME]);
}

/** Who names a file wants that one; unless it is one of several that make a model together. */
async function openNamed(files: ModelFiles, name: string, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  try {
    const file = await files.open(WHOLE_NAME) ?? await files.open(PACKED_NAME) ?? await missing(files, WHOLE_NAME, "", [PACKED_NAME]);
    return await openWhole(file, files, config, options);
  } catch (error) {
    if (!KvasmError.is(error)) throw error;
    const isShard = shardsOf(name) > 1 || await isListed(name.replace(/\.gz$/, ""), files, options);
    if (!isShard) throw error;
    throw new KvasmError("source", `source: ${shown(name)} (${files.description}) is one of several files that are the weights together. Pass the folder that they are in, with ${INDEX_NAME}.`, { argument: "source", value: name, cause: error });
  }
}

/** An index beside the file has it as one of several. */
async function isListed(name: string, files: ModelFiles, { signal }: ReaderOptions): Promise<boolean> {
  try {
    const text = await readText(files, INDEX_NAME, MOST_INDEX_BYTES, signal);
    const shards = text === null ? [] : parseIndex(text).shards;
    return shards.length > 1 && shards.includes(name);
  } catch {
    return false;
  }
}

async function openWhole(file: OpenFile, files: ModelFiles, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  const whole = await openShard(file, WHOLE_NAME, files.description, options.signal, (names, weights) => {
    return takeInventory(names, config, WHOLE_NAME, weights !== "f32");
  });
  return new CheckpointReader({ shards: [WHOLE_NAME], open: async () => whole }, whole, whole.dataBytes, options);
}

async function openShards(index: ShardIndex, files: ModelFiles, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  const isQuantized = ["transformer.wte.weight", "wte.weight", "lm_head.weight"].some((name) => index.places.has(name + SCALE_SUFFIX));
  const inventory = takeInventory(index.places.keys(), config, INDEX_NAME, isQuantized);
  let first: Weights | undefined;
  const open = async (name: string): Promise<Shard> => {
    const file = await files.open(name) ?? await files.open(`${name}.gz`) ?? await missing(files, name, "", [`${name}.gz`]);
    return openShard(file, name, files.description, options.signal, (names, weights) => {
      checkPlaces(names, name, index);
      first ??= weights;
      if (weights !== first || (weights !== "f32") !== isQuantized) {
        throw new KvasmError("weights", `${name}: has weights ${weights}, unlike ${isQuantized && first === "f32" ? INDEX_NAME : index.shards[0]}. The shards are not of one model.`, { argument: name, value: weights });
      }
      return inventory;
    });
  };
  return new CheckpointReader({ shards: index.shards, open }, await open(index.shards[0]), index.totalBytes, options);
}

interface Checkpoint {
  readonly shards: readonly string[];
  open(name: string): Promise<Shard>;
}

export class CheckpointReader implements WeightReader {
  readonly headStored: boolean;
  readonly foreign: readonly string[];
  readonly weights: Weights;
  readonly #checkpoint: Checkpoint;
  readonly #onProgress: ReaderOptions["onProgress"];
  /** The first one is open from the beginning. */
  #shard: Shard | null;
  #loaded = 0;
  #reported = -1;
  #total: number | undefined;

  constructor(checkpoint: Checkpoint, first: Shard, total: number | undefined, options: ReaderOptions) {
    this.headStored = first.headStored;
    this.foreign = first.foreign;
    this.weights = first.weights;
    this.#checkpoint = checkpoint;
    this.#shard = first;
    this.#total = total;
    this.#onProgress = options.onProgress;
  }

  async stream(sink: TensorSink): Promise<void> {
    let shard = this.#shard;
    if (shard === null) throw new KvasmError("state", "weights: were read already, or closed. Open them again.", { argument: "weights" });
    try {
      for (const name of this.#checkpoint.shards) {
        this.#shard = shard ??= await this.#checkpoint.open(name);
        await this.#streamShard(shard, sink);
        await shard.reader.cancel();
        shard = null;
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    const shard = this.#shard;
    this.#shard = null;
    await shard?.reader.cancel();
  }

  async #streamShard({ name, reader, dataBytes, trailing, plan }: Shard, sink: TensorSink): Promise<void> {
    const router = new Router(plan, sink);
    const whole = reader.position + dataBytes;
    let beyond = 0; // bytes after the last tensor
    this.#report(name, true);
    for (let left = dataBytes; left > 0;) {
      const chunk = await reader.chunk();
      if (chunk === null) {
        throw new KvasmError("source", `${name}: ended after ${reader.position} of ${whole} bytes. It is cut off: download it again.`, { argument: name, value: reader.position });
      }
      const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
      router.write(data);
      left -= data.length;
      this.#loaded += data.length;
      if (left > 0) this.#report(name, false);
      beyond += chunk.length - data.length;
    }
    while (beyond <= trailing) {
      const chunk = await reader.chunk();
      if (chunk === null) return this.#report(name, true);
      beyond += chunk.length;
    }
    throw appended(name);
  }

  #report(file: string, now: boolean): void {
    if (this.#onProgress === undefined || this.#loaded === this.#reported) return;
    if (!now && this.#loaded - this.#reported < REPORT_EVERY) return;
    this.#reported = this.#loaded;
    if (this.#total !== undefined && this.#loaded > this.#total) this.#total = undefined; // an index may be wrong
    this.#onProgress({ loaded: this.#loaded, total: this.#total, file });
  }
}

function appended(file: string): KvasmError {
  return new KvasmError("weights", `${file}: goes on after its last tensor. Something is appended to it, or it is damaged.`, { argument: file });
}
