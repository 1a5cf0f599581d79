/** What engines.mjs is asked, and what the runtimes of runtimes.mjs answer. */
export interface Job {
  readonly engine: "kvasm" | "onnxruntime-web" | "wllama" | "reading";
  readonly library: string;
  readonly source: string;
  readonly ids: readonly number[];
  /** The same as text, for an engine that takes nothing else. */
  readonly prompt: string;
  readonly graph: { readonly past: readonly string[]; readonly size: readonly number[] };
}

/** Milliseconds from the beginning of the process or page. */
export interface Answer {
  /** The token, or the bytes that were read. */
  readonly id: number;
  readonly total: number;
  /** Until each step had ended. */
  readonly steps: Readonly<Record<string, number>>;
}

export interface Runtime {
  readonly name: string;
  readonly version: string;
  readonly isBrowser: boolean;
  run(job: Job): Promise<Answer>;
  close(): Promise<void>;
}

/** What runtimes.mjs exports: plain JavaScript, since it needs the scripts of this repository where they lie. */
export interface Runtimes {
  nodeRuntime(): Runtime;
  browserRuntimes(origin: string, names: readonly string[]): Promise<Runtime[]>;
}
