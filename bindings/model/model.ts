import { restore, restoreFrom } from "../cache/restored.ts";
import type { RestoreFromOptions, RestoreOptions } from "../cache/restored.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Region } from "../wasm/exports.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { Arena } from "./arena.ts";
import type { ThreadsReport } from "../threads/team.ts";
import { behind } from "./behind.ts";
import { distribution } from "./distribution.ts";
import { generate } from "../generate/generate.ts";
import type { Generation } from "../generate/generate.ts";
import type { GenerateOptions } from "../generate/options.ts";
import type { Ids } from "./ids.ts";
import { disposeSymbol, whenCollected } from "./lifetime.ts";
import type { Lifetime } from "./lifetime.ts";
import type { SamplerOptions } from "./sampler-options.ts";
import { score } from "./score.ts";
import type { Score, ScoreOptions } from "./score.ts";
import { sequence } from "./sequence.ts";
import type { Sequence, SequenceOptions } from "./sequence.ts";
import { stepMany } from "./step-many.ts";
import type { StepRequest } from "./step-many.ts";
import { trace } from "./trace.ts";
import type { Trace, TraceOptions } from "./trace.ts";
import { verify } from "./verify.ts";
import type { Report, VerifyOptions } from "./verify.ts";

/**
 * Bytes of each region of a model's memory, in the order of their addresses, and of all of it. `header` includes what loading works
 * with; `storedHead` is 0 unless the head is a matrix of its own.
 */
export type MemoryReport = Readonly<Record<keyof typeof Region | "total", number>>;

/** What is behind a model. For tests, which compute wrongly on purpose. */
export let lifetimeOf: (model: Model) => Lifetime<Arena>;

/**
 * A loaded model: one instance of the module with a memory of its own. Calls are synchronous except `generate`, `score` and `restoreFrom`. Every one
 * throws a `disposed` error after `dispose()`. A model that is dropped without it is freed by the collector, together with its
 * sequences.
 */
export class Model {
  /** Hugging Face's field names, every default filled in. */
  readonly config: ModelConfig;
  /** null where the model came without one, or with one that kvasm cannot reproduce exactly (`notes` say why). Ids work without it. */
  readonly tokenizer: Tokenizer | null;
  /** What the matrices are held in. */
  readonly weights: Weights;
  /** What keys and values are held in. */
  readonly cache: Cache;
  /** Whether kvasm.relaxed.wasm computes this model: the same bits, and faster with int4 weights. */
  readonly relaxedSimd: boolean;
  /** What the files hold that the model does not hold as it is: block formats that were quantised anew, tensors that GPT-2 does not have, a tokenizer's files that were not used; sentences. */
  readonly notes: readonly string[];
  /** Most tokens of a sequence. */
  readonly contextLength: number;
  /** Pages of the cache, 16 tokens each, shared by all sequences. */
  readonly pages: number;
  /** Bytes by region. */
  readonly memory: MemoryReport;
  /** Threads that compute, what was requested, and why they differ if they do. */
  readonly threads: ThreadsReport;
  readonly #life: Lifetime<Arena>;
  /** Takes back what happens when the model is collected. */
  readonly #collected: () => void = () => {};

  static {
    lifetimeOf = (model) => model.#life;
  }

  /** @internal */
  constructor(life: Lifetime<Arena>, tokenizer: Tokenizer | null, notes: readonly string[]) {
    const arena = life.value;
    this.#life = life;
    behind.set(this, life);
    this.config = arena.config;
    this.tokenizer = tokenizer;
    this.weights = arena.weights;
    this.cache = arena.cache;
    this.relaxedSimd = arena.exports.RELAXED_SIMD.value === 1;
    this.notes = Object.freeze(notes);
    this.contextLength = arena.contextLength;
    this.pages = arena.pages;
    this.memory = Object.freeze({ ...arena.regions(), total: arena.memory.size });
    const { team } = arena;
    this.threads = team?.report ?? Object.freeze({ used: 1, requested: 1 });
    if (team !== undefined) this.#collected = whenCollected(this, () => team.end());
  }

  /** Pages of the cache that no sequence holds. Those of known prefixes count: they are given up where pages are short. */
  get freePages(): number {
    return this.#life.value.freePages;
  }

  /**
   * A new sequence: empty, or of `ids`. With `ids` it shares the pages of tokens that an earlier sequence of that kind, or a prompt of
   * `generate`, began with (`reusedTokens` says how many), and later ones share its own: a common beginning is computed once. The bits are
   * the same.
   * @throws KvasmError `sequences` (all are in use), `disposed`; with ids also `type`, `value`, `context`, `pages`, `non-finite`
   */
  sequence(options?: SequenceOptions): Sequence {
    return sequence(this.#life, options);
  }

  /**
   * Makes a sequence of the bytes that `Sequence.save` returned, for this model or one with the same weights and types. Its next token has
   * the same bits. Nothing is computed: it takes about as long as copying the bytes. Whatever does not fit, is damaged or cut short is an error that says what
   * differs, and nothing is left behind. The checksums find damage, not forgery: whoever can write the file decides what the model has
   * read.
   * @throws KvasmError `saved`, `type`, `option`, `context`, `pages`, `sequences`, `disposed`; with `recompute` also `non-finite`
   */
  restore(bytes: Uint8Array, options?: RestoreOptions): Sequence {
    return restore(this.#life, bytes, options);
  }

  /**
   * The same from a stream, straight into the cache's pages as they come.
   * @throws KvasmError as `restore`, and `source` (the stream is in use, or breaks off); and `signal.reason` after an abort
   */
  restoreFrom(stream: ReadableStream<Uint8Array>, options?: RestoreFromOptions): Promise<Sequence> {
    return restoreFrom(this.#life, stream, options);
  }

  /**
   * Appends to several sequences in one step: their rows share the reading of the weights, and each has the bits that it would have alone.
   * Synchronous, like `prefill`. Returns for each entry null, f32[vocab_size] of its last token (the default), or f32[ids.length · vocab_size],
   * copies. Entries of any lengths may stand side by side, each sequence once. If it throws, every sequence is as it was; the error names
   * the entry.
   * @throws KvasmError `type`, `value`, `option`, `context`, `pages`, `non-finite`, `memory`, `disposed`; the argument is `entries[i]…`
   */
  step(entries: readonly StepRequest[]): (Float32Array | null)[] {
    return stepMany(this.#life, entries);
  }

  /**
   * Continues a text, token by token. An empty prompt starts with the configuration's BOS token. The event loop turns between
   * tokens and between chunks of the prompt, which take at most 50 ms or 64 tokens each. Leaving the loop, by `break` or an
   * error, gives the pages back. The same seed gives the same tokens in every runtime; `seed` of the result says which was taken.
   * @throws KvasmError at the call: `option`, `type`, `value`, `tokenizer` (text without one), `context` (a prompt that is too
   * long), `disposed`; while it runs: `pages`, `sequences`, `non-finite`, `disposed`, `value` and `type` (what a processor left behind; a
   * constraint that cannot be met, before the first token, also `option`, `unsupported`, `memory`, `tokenizer`), what a
   * processor throws, and `signal.reason` after an abort
   */
  generate(prompt: string | Ids, options?: GenerateOptions): Generation {
    return generate(this.#life, this.tokenizer, prompt, options);
  }

  /**
   * Computes the tokens in several ways (one prefill, token by token, in uneven chunks, after a fork, after truncate and redo,
   * beside another sequence, saved and restored, on pages that another sequence left, in a batch with others, guessed ahead; with several
   * threads also on one) and compares all hidden states and logits of each with those of one prefill. Also computes a small model whose bits are known, to notice an engine that computes every way wrong in the same manner; the first time that takes some 60 ms. Takes
   * cache pages for the tokens and one more, and gives them back.
   * @throws KvasmError `option`, `type`, `value`, `context`, `pages`, `sequences`, `non-finite`, `memory`, `engine`, `disposed`
   */
  verify(ids: Ids, options?: VerifyOptions): Report {
    return verify(this.#life, ids, options);
  }

  /**
   * For each text the log probabilities of its tokens, and its perplexity. A text longer than contextLength is computed in windows with a stride, as
   * Hugging Face's documentation defines it ("Perplexity of fixed-length models"); each token but the first counts once. The event loop turns
   * between windows. No row of logits is copied out.
   * @throws KvasmError `option`, `type`, `value` (a text of fewer than two tokens), `tokenizer` (text without one), `pages`, `sequences`,
   * `non-finite`, `disposed`; and `signal.reason` after an abort
   */
  score(texts: readonly (string | Ids)[], options?: ScoreOptions): Promise<Score[]> {
    return score(this.#life, this.tokenizer, texts, options);
  }

  /**
   * Logits, hidden states and attention probabilities of all tokens, as Hugging Face's `output_hidden_states` and
   * `output_attentions` have them, by the kernels that `prefill` uses.
   * @throws KvasmError `option`, `type`, `value`, `context`, `pages`, `sequences`, `non-finite`, `memory`, `disposed`
   */
  trace(ids: Ids, options?: TraceOptions): Trace {
    return trace(this.#life, ids, options);
  }

  /**
   * The probabilities, f32[vocab_size], that the sampler draws from for these logits (f32[vocab_size]) and options; +0 for the
   * tokens that the options remove. `history` is what the penalties count. No sequence is touched.
   * @throws KvasmError `option`, `type`, `value`, `non-finite` (logits), `disposed`
   */
  distribution(logits: Float32Array | readonly number[], options?: SamplerOptions, history?: Ids): Float32Array {
    return distribution(this.#life.value, logits, options, history);
  }

  /** Ends the model and all its sequences, and gives the memory back. May be called twice. */
  dispose(): void {
    this.#life.end()?.team?.end();
    this.#collected();
  }

  [disposeSymbol](): void {
    this.dispose();
  }
}
