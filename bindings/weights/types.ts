import type { LoadedTokenizer } from "../tokenizer/tokenizer.ts";
import type { Weights } from "../wasm/types.ts";
import type { JsonObject } from "../files/json.ts";
import type { ModelConfig } from "./config.ts";

/** Takes the numbers of a checkpoint, in the order in which they lie in the files. */
export interface TensorSink {
  /**
   * @param dtype Dtype
   * @param element index, within the tensor, of the first element of `bytes` (row-major)
   * @param bytes whole elements or blocks, any number of them; valid during the call only
   */
  write(tensor: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void;
}

export interface TensorPlace {
  /** As in the file. */
  readonly name: string;
  /** Tensor of wasm/exports.ts. */
  readonly tensor: number;
  /** 0 for tensors outside the layers. */
  readonly layer: number;
  /** A matrix comes as [outputs][inputs]. */
  readonly outputMajor?: boolean;
  /** Not the matrix but its scales, as packScales of wasm/exports.ts takes them. */
  readonly scales?: boolean;
  /** Of a quantised file's matrix, and of its scales: the matrix's size. */
  readonly matrix?: { readonly inputs: number; readonly outputs: number };
}

/** One tensor of a file. */
export interface StoredTensor {
  readonly name: string;
  /** As the file writes it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the beginning of the data. */
  readonly begin: number;
  readonly end: number;
}

export interface WeightReader {
  /** What the matrices are in the file: f32 for floats of any kind. Known before any data is read. */
  readonly weights: Weights;
  /** The checkpoint has a head beside its embedding. Known before any data is read. */
  readonly headStored: boolean;
  /** Names of tensors that GPT-2 does not have and that are passed over. Known before any data is read. */
  readonly foreign: readonly string[];
  /** Reads everything, once; afterwards, also after an error, nothing is open. */
  stream(sink: TensorSink): Promise<void>;
  /** Lets go of open files; may be called at any time, and twice. */
  close(): Promise<void>;
}

export interface Progress {
  /** Bytes of tensors read so far. */
  readonly loaded: number;
  /** Bytes of tensors in all, if known. */
  readonly total: number | undefined;
  /** The file being read. */
  readonly file: string;
  /** While a model comes from a hub: `loaded` and `total` are bytes of files then, and go on from what was here before. */
  readonly download?: DownloadProgress | undefined;
}

export interface DownloadProgress {
  readonly files: number;
  readonly filesDone: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
  /** At that rate; undefined while nothing comes. */
  readonly secondsLeft: number | undefined;
}

export interface ReaderOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A model's files, whatever their format: what it is, its numbers, its tokenizer. */
export interface Checkpoint {
  /** Frozen, for it is the public `model.config` as well, and sizes are checked against it ever after. */
  readonly config: ModelConfig;
  /** config.json with all that it says, and the text of generation_config.json if there is one; undefined where one file has everything. */
  readonly files?: { readonly config: JsonObject; readonly generation: string | null };
  /** @throws KvasmError `tokenizer`, `source` */
  tokenizer(): Promise<LoadedTokenizer>;
  /** Once. @throws KvasmError `source`, `weights`, `unsupported` */
  weights(): Promise<WeightReader>;
  /** What the file holds that a model of this type does not hold as it is; sentences. */
  notes?(held: Weights): readonly string[];
  /** Lets go of open files; may be called at any time, and twice. */
  close(): Promise<void>;
}
