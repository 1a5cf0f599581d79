/** Takes the numbers of a checkpoint, in the order in which they lie in the files. */
export interface TensorSink {
  /**
   * @param dtype Dtype
   * @param element index, within the tensor, of the first element of `bytes` (row-major)
   * @param bytes whole elements, any number of them; valid during the call only
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
}

export interface WeightReader {
  /** The checkpoint has an lm_head.weight. Known before any data is read. */
  readonly headStored: boolean;
  /** Reads everything, once. */
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
}
