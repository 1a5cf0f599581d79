/** What `generate` takes, and what its loop needs of it. */
import { KvasmError, checkBoolean, checkInteger, checkOptions } from "../errors.ts";
import { PREFIX_KEYS, checkPrefixOptions } from "../cache/sharing.ts";
import type { PrefixOptions, Sharing } from "../cache/sharing.ts";
import { checkSignal } from "../hosts/signal.ts";
import type { Arena } from "../model/arena.ts";
import type { Ids } from "../model/ids.ts";
import type { Model } from "../model/model.ts";
import { SAMPLER_KEYS, Sampler, randomSeed } from "../model/sampler-options.ts";
import type { SamplerOptions } from "../model/sampler-options.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Constrain } from "./constrain-option.ts";
import { Drawing } from "./drawing.ts";
import { checkSpeculate } from "./guesses.ts";
import type { Speculation } from "./guesses.ts";
import type { LogitProcessor } from "./processors.ts";
import { promptIds } from "./prompt.ts";
import { checkStops } from "./text.ts";

export interface GenerateOptions extends SamplerOptions, PrefixOptions {
  /** Most tokens to generate, at least 1. Default: Infinity, until something else ends the text. */
  maxTokens?: number | undefined;
  /**
   * So many continuations of the prompt, 1 … 256, side by side: their tokens come by turns, each with its `index`, and each continuation ends with a
   * `finish` of its own. Number i is what a call with `stream` + i and the same seed gives without `n`. The prompt is computed once and its pages are shared;
   * each takes one of the model's sequences. What ends one with an error ends all.
   */
  n?: number | undefined;
  /**
   * "lookup": find the last tokens earlier in the text, guess that the same tokens follow again, and check several guesses in one
   * step. { draft }: a smaller model with the same vocabulary makes the guesses; it takes a sequence and pages of its own. The tokens and their log
   * probabilities are the same, bit for bit; text that repeats itself, copies from the prompt, or is easy for the draft comes faster. How many
   * guesses a step has follows from how many were right and from the time that they took, down to none. Default false.
   */
  speculate?: "lookup" | { readonly draft: Model } | false | undefined;
  /** Strings that end the text; they are not part of it. Needs a tokenizer. */
  stop?: string | readonly string[] | undefined;
  /** Go on after an end-of-text token. Default false. */
  ignoreEos?: boolean | undefined;
  /**
   * What the text has to be: one of `choices`, a match of `regex`, or JSON of `jsonSchema`; for byte-level tokenizers as GPT-2's. It is, or it ends on the way with "length", "context" or a stop string. A
   * token that would leave it is never drawn; an end-of-text token only where the text may end; where nothing can follow, the text ends with "stop".
   */
  constrain?: Constrain | undefined;
  /**
   * Functions of the caller, called in turn for each token, that may change the logits before the sampler's options are applied. With guesses the
   * text is the same; they may then be called for tokens behind the text's end too.
   */
  processors?: readonly LogitProcessor[] | undefined;
  /** Give each token's log probability under the model, before processors and any of the sampler's options. Default false. */
  logprobs?: boolean | undefined;
  /**
   * Give with each token the k likeliest ones at its place and their log probabilities, before processors and any of the sampler's options; the likeliest
   * first, of equally likely ones the lower id. 0 … 100, default 0: none. The drawn token need not be among them.
   */
  topLogprobs?: number | undefined;
  /**
   * When the context is full, go on from the last `keep` tokens, which are computed anew at the positions from 0 on (GPT-2's learned
   * positions forbid to move a cache). Penalties then count these tokens. Default: finish with "context".
   */
  keep?: number | undefined;
  /** Ends the generator between two tokens, or two chunks of the prompt, by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
}

/** Of topLogprobs: what one looks at, and not a distribution. */
const MOST_TOP = 100;

const GENERATE_KEYS = [...SAMPLER_KEYS, ...PREFIX_KEYS, "maxTokens", "n", "speculate", "stop", "ignoreEos", "constrain", "processors", "logprobs", "topLogprobs", "keep", "signal"] as const;

/** Options as the loop needs them. */
export interface Plan {
  ids: Uint32Array;
  /** Looked at before the first token. */
  n: number | undefined;
  drawing: Drawing;
  /** These two are looked at before the first token, by what is loaded for them. */
  constrain: Constrain | undefined;
  processors: readonly LogitProcessor[] | undefined;
  seed: number;
  maxTokens: number;
  stops: readonly string[];
  ends: ReadonlySet<number>;
  keep: number | undefined;
  sharing: Sharing;
  speculate: Speculation;
  signal: AbortSignal | undefined;
}

/**
 * Checks everything at once.
 * @throws KvasmError `option`, `type`, `value`, `tokenizer`, `context`, `disposed`
 */
export function planOf(arena: Arena, tokenizer: Tokenizer | null, prompt: string | Ids, options: GenerateOptions | undefined): Plan {
  const given = checkOptions<GenerateOptions>("generate options", options, GENERATE_KEYS);
  const { config, contextLength } = arena;
  const { maxTokens = Infinity, ignoreEos = false, logprobs = false, topLogprobs = 0, keep, signal } = given;
  if (maxTokens !== Infinity) checkInteger("maxTokens", maxTokens, 1, Number.MAX_SAFE_INTEGER);
  checkBoolean("ignoreEos", ignoreEos);
  checkBoolean("logprobs", logprobs);
  checkInteger("topLogprobs", topLogprobs, 0, MOST_TOP);
  if (keep !== undefined) checkInteger("keep", keep, 1, contextLength - 1, "It must leave room for new tokens.");
  const ids = promptIds(prompt, tokenizer, arena);
  const sampler = new Sampler(given, config.vocab_size, randomSeed);
  const plan: Plan = {
    ids,
    n: given.n,
    drawing: new Drawing(sampler, logprobs, Math.min(topLogprobs, config.vocab_size)),
    constrain: given.constrain,
    processors: given.processors,
    seed: sampler.seed,
    maxTokens,
    stops: checkStops(given.stop, tokenizer),
    ends: new Set(ignoreEos ? [] : [config.eos_token_id ?? []].flat()),
    keep,
    sharing: checkPrefixOptions(given),
    speculate: checkSpeculate(given.speculate, arena),
    signal: checkSignal(signal),
  };
  if (ids.length <= contextLength) return plan;
  throw new KvasmError("context", `prompt: ${ids.length} tokens exceed the context length of ${contextLength}. Shorten the prompt.`, { argument: "prompt", value: ids.length });
}
