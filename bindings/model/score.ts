/** Log probabilities of given tokens, computed where the logits are: no row of them is copied out. */
import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { MODE_NONE } from "../wasm/exports.ts";
import type { Memory } from "../wasm/memory.ts";
import type { Arena, StepObserver } from "./arena.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import type { Lifetime } from "./lifetime.ts";
import { pause } from "./pause.ts";
import { checkSignal } from "../hosts/signal.ts";
import { Slot } from "./slot.ts";

export interface ScoreOptions {
  /**
   * A text that is longer than contextLength is computed in windows of that many tokens, each beginning `stride` tokens after the one before;
   * a token counts in the first window that it is in. 1 … contextLength − 1. Default: half of contextLength. Shorter ones give more tokens more
   * context and take longer.
   */
  stride?: number | undefined;
  /** Ends scoring by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
}

export interface Score {
  readonly ids: Uint32Array;
  /** Natural logarithms of the model's probabilities of ids[1], ids[2], …, each after the ones before it in its window: ids.length − 1. */
  readonly logprobs: Float64Array;
  /** exp of minus their mean. */
  readonly perplexity: number;
}

/** As Sequence.score. The slot stays as it is. */
export function scoreAfter(slot: Slot, ids: Uint32Array): Float64Array {
  const logprobs = new Float64Array(ids.length);
  logprobs[0] = slot.logProbability(ids[0]);
  if (ids.length === 1) return logprobs;
  const fork = slot.fork();
  try {
    scoreRows(fork, ids, 0, ids.length - 1, logprobs, 1);
  } finally {
    fork.close();
  }
  return logprobs;
}

/** Appends ids[from … to − 1] in steps; each of these tokens' row gives the log probability of the token behind it, to `out` from `at` on. */
function scoreRows(slot: Slot, ids: Uint32Array, from: number, to: number, out: Float64Array, at: number): void {
  const { maxRows } = slot.arena;
  const start = slot.length - from;
  const observer: StepObserver = {
    keepAttention: false,
    hidden() {},
    attention() {},
    logits(_: Memory, address: number, stride: number, rows: number, first: number) {
      for (let row = 0; row < rows; row++) {
        const index = first - start + row;
        out[at + index - from] = slot.arena.logProbability((address + row * stride) * 4, ids[index + 1]);
      }
    },
  };
  for (let next = from; next < to; next += maxRows) slot.observe(ids, next, Math.min(next + maxRows, to), observer);
}

/** As Model.score. */
export async function score(model: Lifetime<Arena>, tokenizer: Tokenizer | null, texts: readonly (string | Ids)[], options?: ScoreOptions): Promise<Score[]> {
  const given = checkOptions<ScoreOptions>("score options", options, ["stride", "signal"]);
  const { contextLength, config, exports } = model.value;
  if (contextLength < 2) throw new KvasmError("context", "score: the context length is 1, and no token has one before it. Load the model with a larger contextLength.", { argument: "score", value: contextLength });
  const stride = given.stride === undefined ? contextLength >> 1 : checkInteger("stride", given.stride, 1, contextLength - 1, "A window must hold a token that was counted before.");
  const signal = checkSignal(given.signal);
  if (!Array.isArray(texts)) {
    throw new KvasmError("type", `texts: expected a list of texts or of lists of ids, got ${shown(texts)}.`, { argument: "texts", value: texts });
  }
  const lists = Array.from(texts, (text: unknown, i) => idsOf(text, `texts[${i}]`, tokenizer, config.vocab_size));
  const scores: Score[] = [];
  for (const ids of lists) {
    const logprobs = new Float64Array(ids.length - 1);
    for (const window of windowsOf(ids.length, contextLength, stride)) {
      signal?.throwIfAborted();
      scoreWindow(model, ids, window, logprobs);
      await pause();
    }
    const mean = logprobs.reduce((sum, logprob) => sum - logprob, 0) / logprobs.length;
    // exp is the module's, of binary32: what that rounds away is a factor very near 1.
    const rounded = Math.fround(mean);
    scores.push({ ids, logprobs, perplexity: exports.exponential(rounded) * (1 + (mean - rounded)) });
  }
  return scores;
}

interface Window {
  readonly begin: number;
  readonly end: number;
  /** The first token that counts in this window: those before it have counted. */
  readonly first: number;
}

/** Hugging Face's documentation, "Perplexity of fixed-length models". */
function* windowsOf(length: number, contextLength: number, stride: number): Generator<Window, void, void> {
  let first = 1;
  for (let begin = 0; ; begin += stride) {
    const end = Math.min(begin + contextLength, length);
    yield { begin, end, first };
    if (end === length) return;
    first = end;
  }
}

function scoreWindow(model: Lifetime<Arena>, ids: Uint32Array, { begin, end, first }: Window, logprobs: Float64Array): void {
  const slot = new Slot(model);
  try {
    slot.checkRoom(end - begin, "texts");
    const { maxRows } = slot.arena;
    for (let next = begin; next < first - 1; next += maxRows) slot.appendChunk(ids, next, Math.min(next + maxRows, first - 1), MODE_NONE);
    scoreRows(slot, ids, first - 1, end - 1, logprobs, first - 1);
  } finally {
    slot.close();
  }
}

function idsOf(text: unknown, argument: string, tokenizer: Tokenizer | null, vocabSize: number): Uint32Array {
  if (typeof text === "string" && tokenizer === null) {
    throw new KvasmError("tokenizer", `${argument}: this model has no tokenizer, so text cannot be turned into tokens. Pass token ids.`, { argument, value: text });
  }
  const ids = checkIds(argument, typeof text === "string" ? tokenizer!.encode(text) : text, vocabSize);
  if (ids.length >= 2) return ids;
  throw new KvasmError("value", `${argument}: expected at least two tokens, got ${ids.length}. The first token has none before it to be predicted from.`, { argument, value: text });
}
