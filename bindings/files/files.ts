/**
 * Files of a model, by name: `{ "config.json": …, "model.safetensors": … }` or `{ "model.gguf": … }`, each its bytes or its URL (file:
 * or http(s):). A stream can be read once.
 */
export type ModelBytes = Record<string, Blob | ReadableStream<Uint8Array> | ArrayBuffer | Uint8Array | URL>;

/** The files of one model, wherever they are. */
export interface ModelFiles {
  /** Where they are, for messages. */
  readonly description: string;
  /** null: there is no such file. Everything else that goes wrong is a KvasmError `source`, or the signal's reason. */
  open(name: string): Promise<OpenFile | null>;
  /** The name of the GGUF file, if the source is one: config and tokenizer are in it. */
  readonly gguf?: string | undefined;
  /** The name of the file of weights, if the source is one: it goes by the name that such a file has among a model's, model.safetensors and so on. */
  readonly weightsFile?: string | undefined;
  /** What the caller should know of them; sentences. */
  readonly notes?: readonly string[] | undefined;
  /** After `open` gave null: why, and what to do about it, if there is more to say than that the file is missing. */
  whyAbsent?(name: string): Absence | undefined | Promise<Absence | undefined>;
}

export interface Absence {
  /** Sentences. */
  readonly why: string;
  /** What a server answered. */
  readonly status?: number | undefined;
}

export interface OpenFile {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes the stream will have, if known for certain. */
  readonly size: number | undefined;
}

export interface SourceOptions {
  /** Used instead of the global fetch. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How many shards a file of weights is one of, as its name says. */
export function shardsOf(name: string): number {
  return Number(/-\d+-of-(\d+)\b[^\\/]*\.(?:safetensors(?:\.gz)?|bin)$/.exec(name)?.[1] ?? 1);
}
