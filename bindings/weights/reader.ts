import { KvasmError, shown } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import type { Weights } from "../wasm/types.ts";
import { missing, openRequired, readText } from "../files/bytes.ts";
import type { ModelConfig } from "./config.ts";
import { PACKED_NAME, TORCH_NAME, WHOLE_NAME, standardName } from "../files/named-weights.ts";
import { SCALE_SUFFIX } from "./quantized-format.ts";
import { openShard } from "./shard.ts";
import type { Shard } from "./shard.ts";
import { INDEX_NAME, TORCH_INDEX_NAME, checkPlaces, parseIndex } from "./shards.ts";
import type { ShardIndex } from "./shards.ts";
import { shardsOf } from "../files/files.ts";
import type { ModelFiles, OpenFile } from "../files/files.ts";
import type { ReaderOptions, TensorSink, WeightReader } from "./types.ts";
import { HEAD, takeInventory } from "./tensors.ts";
import type { Inventory } from "./tensors.ts";

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
  if (index !== null) return openShards(parseIndex(index, INDEX_NAME), files, config, options);
  const packed = await files.open(PACKED_NAME);
  if (packed !== null) return openWhole(packed, files, config, options);
  const torch = await files.open(TORCH_NAME);
  if (torch !== null) return openTorch(torch, files, config, options);
  const torchIndex = await readText(files, TORCH_INDEX_NAME, MOST_INDEX_BYTES, signal);
  if (torchIndex !== null) return openShards(parseIndex(torchIndex, TORCH_INDEX_NAME), files, config, options);
  const others = [INDEX_NAME, PACKED_NAME, TORCH_NAME, TORCH_INDEX_NAME];
  return missing(files, WHOLE_NAME, `Neither is ${others.slice(0, -1).join(", ")}, nor ${TORCH_INDEX_NAME}.`, others);
}

/** Who names a file wants that one; unless it is one of several that make a model together. */
async function openNamed(files: ModelFiles, name: string, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  try {
    const standard = standardName(name);
    const file = await files.open(standard) ?? await missing(files, standard);
    return await (standard === TORCH_NAME ? openTorch : openWhole)(file, files, config, options);
  } catch (error) {
    if (!KvasmError.is(error)) throw error;
    const index = name.endsWith(".bin") ? TORCH_INDEX_NAME : INDEX_NAME;
    const isShard = shardsOf(name) > 1 || await isListed(name.replace(/\.gz$/, ""), index, files, options);
    if (!isShard) throw error;
    throw new KvasmError("source", `source: ${shown(name)} (${files.description}) is one of several files that are the weights together. Pass the folder that they are in, with ${index}.`, { argument: "source", value: name, cause: error });
  }
}

/** An index beside the file has it as one of several. */
async function isListed(name: string, index: string, files: ModelFiles, { signal }: ReaderOptions): Promise<boolean> {
  try {
    const text = await readText(files, index, MOST_INDEX_BYTES, signal);
    const shards = text === null ? [] : parseIndex(text, index).shards;
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

async function openTorch(file: OpenFile, files: ModelFiles, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  const { openTorchShard } = await lazily(() => import("./torch/read.ts"));
  const whole = await openTorchShard(file, TORCH_NAME, files.description, options.signal, (names, isTied) => {
    return takeInventory(isTied && config.tie_word_embeddings ? names.filter((name) => name !== HEAD) : names, config, TORCH_NAME);
  });
  return new CheckpointReader({ shards: [TORCH_NAME], open: async () => whole }, whole, whole.dataBytes, options);
}

async function openShards(index: ShardIndex, files: ModelFiles, config: ModelConfig, options: ReaderOptions): Promise<WeightReader> {
  const names = [...index.places.keys()];
  const isQuantized = ["transformer.wte.weight", "wte.weight", "lm_head.weight"].some((name) => index.places.has(name + SCALE_SUFFIX));
  let inventory: Inventory = await takeInventory(names, config, index.name, isQuantized);
  let first: Weights | undefined;
  const inventoryOf = (name: string, there: string[], weights: Weights): Inventory => {
    checkPlaces(there, name, index);
    first ??= weights;
    if (weights !== first || (weights !== "f32") !== isQuantized) {
      throw new KvasmError("weights", `${name}: has weights ${weights}, unlike ${isQuantized && first === "f32" ? index.name : index.shards[0]}. The shards are not of one model.`, { argument: name, value: weights });
    }
    return inventory;
  };
  const open = index.name === INDEX_NAME
    ? async (name: string): Promise<Shard> => {
        const file = await files.open(name) ?? await files.open(`${name}.gz`) ?? await missing(files, name, "", [`${name}.gz`]);
        return openShard(file, name, files.description, options.signal, (there, weights) => inventoryOf(name, there, weights));
      }
    : async (name: string): Promise<Shard> => {
        const { openTorchShard } = await lazily(() => import("./torch/read.ts"));
        return openTorchShard(await openRequired(files, name), name, files.description, options.signal, async (there, isTied) => {
          // How many numbers there will be must be known when the first file is: a head in a later one is compared when it has come.
          if (isTied && first === undefined && config.tie_word_embeddings) inventory = await takeInventory(names.filter((one) => one !== HEAD), config, index.name);
          return inventoryOf(name, there, "f32");
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
        await shard.close();
        shard = null;
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    const shard = this.#shard;
    this.#shard = null;
    await shard?.close();
  }

  async #streamShard(shard: Shard, sink: TensorSink): Promise<void> {
    const { name, dataBytes } = shard;
    let left = dataBytes;
    this.#report(name, true);
    await shard.stream(sink, (bytes) => {
      left -= bytes;
      this.#loaded += bytes;
      if (left > 0) this.#report(name, false); // that all is there is said when it has been checked
    });
    this.#report(name, true);
  }

  #report(file: string, now: boolean): void {
    if (this.#onProgress === undefined || this.#loaded === this.#reported) return;
    if (!now && this.#loaded - this.#reported < REPORT_EVERY) return;
    this.#reported = this.#loaded;
    if (this.#total !== undefined && this.#loaded > this.#total) this.#total = undefined; // an index may be wrong
    this.#onProgress({ loaded: this.#loaded, total: this.#total, file });
  }
}
