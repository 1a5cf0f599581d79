/**
 * What reads a model and what receives it: `ModelFiles` (source.ts) opens files by name, `openWeights` (reader.ts) checks the
 * headers of all of them and then streams their tensors into a `TensorSink` (model/load.ts), which packs them.
 */
import type { Dtype, Tensor } from "../wasm/exports.ts";

/** A file being read. Streams are read once, front to back. */
export interface OpenFile {
  stream: ReadableStream<Uint8Array>;
  /** Bytes, where the source says so. */
  size: number | undefined;
  /** Ends the transfer if the stream was not read to its end; may be called at any time. */
  cancel(reason?: unknown): Promise<void>;
}

/** The files of one model. */
export interface ModelFiles {
  /** null: there is no such file. */
  open(name: string): Promise<OpenFile | null>;
  /** For messages: the path, URL or kind of source. */
  readonly describe: string;
}

export interface ReadProgress {
  /** Bytes read so far, of all weight files together. */
  loaded: number;
  /** Bytes of all weight files together; undefined while the source has not said so. */
  total: number | undefined;
  /** The file being read. */
  file: string;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ReadProgress) => void) | undefined;
}

/** Which tensor of the model some elements belong to. */
export interface TensorId {
  /** As stored, for messages. */
  readonly name: string;
  readonly tensor: Tensor;
  /** 0 for tensors outside the layers. */
  readonly layer: number;
}

export interface TensorSink {
  /**
   * `bytes` holds whole elements of `dtype`, row-major, the first being element number `element` of the tensor. It may be of any
   * length and is not kept.
   */
  write(tensor: TensorId, dtype: Dtype, element: number, bytes: Uint8Array): void;
}

/** Weights whose headers have been read and checked against the configuration; nothing of their data has. */
export interface WeightReader {
  /** The checkpoint has a head of its own: lm_head.weight. */
  readonly headStored: boolean;
  /** Every element of every tensor, once. */
  stream(sink: TensorSink): Promise<void>;
  /** Gives files and transfers back; may be called twice. */
  close(): Promise<void>;
}
