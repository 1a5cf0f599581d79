/** Files of a model, by name: `{ "config.json": …, "model.safetensors": … }`. A stream can be read once. */
export type ModelBytes = Record<string, Blob | ReadableStream<Uint8Array> | ArrayBuffer | Uint8Array>;

/** The files of one model, wherever they are. */
export interface ModelFiles {
  /** Where they are, for messages. */
  readonly description: string;
  /** null: there is no such file. Everything else that goes wrong is a KvasmError `source`. */
  open(name: string): Promise<OpenFile | null>;
}

export interface OpenFile {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes the stream will have, if known for certain. */
  readonly size: number | undefined;
}
