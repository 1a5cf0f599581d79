/** A model in a worker, as the caller has it: the API of Model as far as it can cross, every call a promise. */
import type { Cache, Estimate, EstimateOptions, Finish, GenerateOptions, GeneratedToken, Ids, MemoryReport, ModelConfig, PrefillOptions, Report, RestoreFromOptions, RestoreOptions, SamplerOptions, SaveOptions, StepRequest, Score, ScoreOptions, SequenceOptions, ThreadsReport, Trace, TraceOptions, VerifyOptions, Weights } from "../index.ts";
import { readAll, writeAll } from "../cache/streams.ts";
import { KvasmError, checkOptions } from "../errors.ts";
import { checkSignal } from "../hosts/signal.ts";
import { whenCollected } from "../model/lifetime.ts";
import type { Connection } from "./connection.ts";
import type { Handle } from "./protocol.ts";
import { refuseFunctions } from "./source.ts";

/** What of a model does not change, as its worker says it. */
export interface ModelState {
  readonly config: ModelConfig;
  readonly vocabSize: number | undefined;
  readonly weights: Weights;
  readonly cache: Cache;
  readonly relaxedSimd: boolean;
  readonly threads: ThreadsReport;
  readonly notes: readonly string[];
  readonly contextLength: number;
  readonly pages: number;
  readonly memory: MemoryReport;
}

/** As Tokenizer, in the worker. */
export interface RemoteTokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  encode(text: string): Promise<number[]>;
  decode(ids: readonly number[]): Promise<string>;
}

/**
 * What `generate` gives. `seed` is the one given or, without one, the random one that was taken; it rejects if the call is refused. `reusedTokens`
 * as there, once the first token has come.
 */
export type RemoteGeneration = AsyncGenerator<GeneratedToken, void, void> & { readonly seed: Promise<number>; readonly reusedTokens: number };

/** As StepRequest, of a sequence in the worker. */
export type RemoteStepRequest = Omit<StepRequest, "sequence"> & { sequence: RemoteSequence };

/** A sequence's number in the worker that the connection goes to; −1 if it is in another. */
let targetOf: (sequence: RemoteSequence, connection: Connection) => number;
let setLength: (sequence: RemoteSequence, length: number) => void;

/** A model in a worker of its own; `connect` makes one. Errors are those of Model, and `worker` if the worker has ended. */
export class RemoteModel {
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly cache: Cache;
  readonly relaxedSimd: boolean;
  readonly threads: ThreadsReport;
  readonly notes: readonly string[];
  readonly contextLength: number;
  readonly pages: number;
  readonly memory: MemoryReport;
  readonly tokenizer: RemoteTokenizer | null;
  readonly #connection: Connection;
  readonly #target: number;
  readonly #isOwn: boolean;

  /** @internal */
  constructor(connection: Connection, { kvasmHandle, state }: Handle, isOwn: boolean) {
    const { config, vocabSize, weights, cache, relaxedSimd, threads, notes, contextLength, pages, memory } = state as ModelState;
    this.config = Object.freeze(config);
    this.notes = Object.freeze(notes);
    this.memory = Object.freeze(memory);
    this.weights = weights;
    this.cache = cache;
    this.relaxedSimd = relaxedSimd;
    this.threads = threads;
    this.contextLength = contextLength;
    this.pages = pages;
    this.#connection = connection;
    this.#target = kvasmHandle;
    this.#isOwn = isOwn;
    this.tokenizer = vocabSize === undefined ? null : { vocabSize, encode: (text) => this.#call("encode", text), decode: (ids) => this.#call("decode", Array.from(ids)) };
  }

  /** Pages of the cache that no sequence holds. */
  freePages(): Promise<number> {
    return this.#call("freePages");
  }

  async sequence(options?: SequenceOptions): Promise<RemoteSequence> {
    return new RemoteSequence(this.#connection, await this.#call<Handle>("sequence", options));
  }

  /** As Model.restore; the bytes are copied. */
  async restore(bytes: Uint8Array, options?: RestoreOptions): Promise<RemoteSequence> {
    return new RemoteSequence(this.#connection, await this.#call<Handle>("restore", bytes, options));
  }

  /** As Model.restoreFrom. The stream is read here, and its pieces go to the worker one after the other. */
  async restoreFrom(stream: ReadableStream<Uint8Array>, options?: RestoreFromOptions): Promise<RemoteSequence> {
    const { signal, ...rest } = checkOptions<RestoreFromOptions>("restore options", options, ["recompute", "signal"]);
    checkSignal(signal);
    const connection = this.#connection;
    const { kvasmHandle } = await this.#call<Handle>("restoreFrom", rest);
    const drop = (): void => connection.drop(kvasmHandle);
    return await readAll<RemoteSequence>(stream, {
      write: (bytes) => connection.call(kvasmHandle, "write", [bytes.slice()]), // a view would take all of its buffer along
      end: async () => new RemoteSequence(connection, await connection.call<Handle>(kvasmHandle, "end", [])),
      abort: () => void connection.call(kvasmHandle, "abort", []).catch(() => {}),
    }, signal).finally(drop);
  }

  /** As Model.step, of sequences of this model. */
  async step(entries: readonly RemoteStepRequest[]): Promise<(Float32Array | null)[]> {
    const sequences = Array.from(entries, (entry: unknown) => (entry as RemoteStepRequest | null)?.sequence);
    const given = Array.from(entries, (entry: unknown, i) => {
      if (typeof entry !== "object" || entry === null) return entry;
      const { sequence: _, ...rest } = entry as RemoteStepRequest;
      return { ...rest, target: sequences[i] instanceof RemoteSequence ? targetOf(sequences[i], this.#connection) : -1 };
    });
    const [results, lengths] = await this.#call<[(Float32Array | null)[], number[]]>("step", given);
    lengths.forEach((length, i) => setLength(sequences[i]!, length));
    return results;
  }

  /**
   * As Model.generate. A token is asked for when the loop wants it: nothing is computed ahead of who reads. An abort reaches the worker at
   * its next pause, between two tokens or two chunks of the prompt, and `signal.reason` is thrown here.
   */
  generate(prompt: string | Ids, options: GenerateOptions = {}): RemoteGeneration {
    const signal = checkSignal(options.signal);
    refuseFunctions("generate options", options);
    const { signal: _, ...rest } = options;
    const connection = this.#connection;
    let started: Promise<Handle> | undefined;
    let call = 0;
    let reused = 0;
    const begin = (): Promise<Handle> => started ??= start();
    const start = (): Promise<Handle> => {
      const result = connection.call<Handle>(this.#target, "generate", [prompt, { ...rest, ...(signal && { signal: true }) }], { signal });
      call = connection.lastCall;
      result.catch(() => {}); // it is looked at where a token, or the seed, is asked for
      return result;
    };
    const abort = (): void => connection.abort(call);
    async function* tokens(): AsyncGenerator<GeneratedToken, void, void> {
      const { kvasmHandle } = await begin();
      signal?.addEventListener("abort", abort);
      let finish: Finish | undefined;
      try {
        for (;;) {
          const { done, value, reusedTokens } = await connection.call<IteratorResult<GeneratedToken, void> & { reusedTokens: number }>(kvasmHandle, "next", [], { abortedBy: signal });
          reused = reusedTokens;
          if (done === true) return;
          finish = value.finish;
          yield value;
        }
      } finally {
        signal?.removeEventListener("abort", abort);
        if (finish === undefined || rest.n !== undefined) await connection.call(kvasmHandle, "return", []).catch(() => {});
        connection.drop(kvasmHandle);
      }
    }
    // Begun at once, so that what is refused is known; as there, nothing is computed before the first token is asked for.
    const seed = begin().then(({ state }) => (state as { seed: number }).seed);
    seed.catch(() => {});
    return Object.defineProperties(tokens(), { seed: { value: seed, enumerable: true }, reusedTokens: { get: () => reused, enumerable: true } }) as unknown as RemoteGeneration;
  }

  score(texts: readonly (string | Ids)[], options: ScoreOptions = {}): Promise<Score[]> {
    const { signal: given, ...rest } = options;
    const signal = checkSignal(given);
    return this.#connection.call(this.#target, "score", [texts, { ...rest, ...(signal && { signal: true }) }], { signal });
  }

  verify(ids: Ids, options?: VerifyOptions): Promise<Report> {
    return this.#call("verify", ids, options);
  }

  trace(ids: Ids, options?: TraceOptions): Promise<Trace> {
    return this.#call("trace", ids, options);
  }

  distribution(logits: Float32Array | readonly number[], options?: SamplerOptions, history?: Ids): Promise<Float32Array> {
    return this.#call("distribution", logits, options, history);
  }

  /** As estimate, in the worker: the page compiles nothing for it. */
  async estimate(config: Partial<ModelConfig> | Record<string, unknown>, options?: EstimateOptions): Promise<Estimate> {
    if (options !== undefined) refuseFunctions("estimate options", options);
    return this.#connection.call(0, "estimate", [config, options]);
  }

  /** Ends the model, and the worker if kvasm started it. Calls that are under way reject with `disposed`. May be called twice. */
  async dispose(): Promise<void> {
    if (!this.#isOwn) await this.#call("dispose").catch(() => {});
    await this.#connection.close(this.#isOwn);
  }

  #call<T>(method: string, ...args: unknown[]): Promise<T> {
    return this.#connection.call<T>(this.#target, method, args);
  }
}

/** As Sequence, in the worker. Calls are done in the order in which they are made. */
export class RemoteSequence {
  readonly #connection: Connection;
  readonly #target: number;

  static {
    targetOf = (sequence, connection) => sequence.#connection === connection ? sequence.#target : -1;
    setLength = (sequence, length) => { sequence.#length = length; };
  }

  /** Forgets that the sequence is given back when it is collected. */
  readonly #forget: () => void;
  /** The seed that `sample` takes where its options have none. */
  readonly seed: number;
  /** As Sequence.reusedTokens. */
  readonly reusedTokens: number;
  #length: number;

  /** @internal */
  constructor(connection: Connection, { kvasmHandle, state }: Handle) {
    const { length, seed, reusedTokens } = state as { length: number; seed: number; reusedTokens: number };
    this.#connection = connection;
    this.#target = kvasmHandle;
    this.#length = length;
    this.seed = seed;
    this.reusedTokens = reusedTokens;
    this.#forget = whenCollected(this, () => void connection.call(kvasmHandle, "dispose", []).catch(() => {}));
  }

  /** Tokens, after the calls that have been answered. */
  get length(): number {
    return this.#length;
  }

  /** The token ids, a copy. */
  ids(): Promise<Uint32Array> {
    return this.#connection.call(this.#target, "ids", []);
  }

  /** Logits of the last token, f32[vocab_size], or with `all` of each; the buffer is handed over, not copied again. */
  prefill(ids: Ids, options?: PrefillOptions): Promise<Float32Array> {
    return this.#change("prefill", ids, options);
  }

  decode(id: number): Promise<Float32Array> {
    return this.#change("decode", id);
  }

  append(ids: Ids | number): Promise<void> {
    return this.#change("append", ids);
  }

  sample(options?: SamplerOptions): Promise<number> {
    return this.#change("sample", options);
  }

  score(ids: Ids): Promise<Float64Array> {
    return this.#change("score", ids);
  }

  truncate(length: number): Promise<void> {
    return this.#change("truncate", length);
  }

  async fork(): Promise<RemoteSequence> {
    return new RemoteSequence(this.#connection, await this.#connection.call<Handle>(this.#target, "fork", []));
  }

  /** As Sequence.save; the buffer is handed over. */
  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#connection.call(this.#target, "save", []);
  }

  /** As Sequence.saveTo. What is written comes from the worker piece by piece, as the stream takes it. */
  async saveTo(stream: WritableStream<Uint8Array>, options?: SaveOptions): Promise<void> {
    const { signal } = checkOptions<SaveOptions>("save options", options, ["signal"]);
    checkSignal(signal);
    const connection = this.#connection;
    const { kvasmHandle } = await connection.call<Handle>(this.#target, "saveTo", []);
    async function* parts(): AsyncGenerator<Uint8Array, void, void> {
      for (;;) {
        const { done, value } = await connection.call<ReadableStreamReadResult<Uint8Array>>(kvasmHandle, "next", []);
        if (done) return;
        yield value;
      }
    }
    try {
      await writeAll(stream, parts(), signal);
    } finally {
      await connection.call(kvasmHandle, "return", []).catch(() => {});
      connection.drop(kvasmHandle);
    }
  }

  /** Gives its pages back. A sequence that is dropped without it is given back when the collector finds it, as Sequence is. */
  async dispose(): Promise<void> {
    this.#forget();
    await this.#connection.call(this.#target, "dispose", []).catch((error: unknown) => {
      if (!KvasmError.is(error) || error.code !== "disposed") throw error;
    });
  }

  async #change<T>(method: string, ...args: unknown[]): Promise<T> {
    const [value, length] = await this.#connection.call<[T, number]>(this.#target, method, args);
    this.#length = length;
    return value;
  }
}
