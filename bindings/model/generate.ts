import { KvasmError, checkBoolean, checkInteger, checkOptions, shown } from "../errors.ts";
import { PREFIX_KEYS, checkPrefixOptions, openPrefixed } from "../cache/sharing.ts";
import type { PrefixOptions, Sharing } from "../cache/sharing.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Arena } from "./arena.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Model } from "./model.ts";
import { pause } from "./pause.ts";
import { appendShared } from "./schedule.ts";
import { SAMPLER_KEYS, Sampler, randomSeed } from "./sampler-options.ts";
import type { SamplerOptions } from "./sampler-options.ts";
import { checkSpeculate, openGuesser } from "./guesses.ts";
import type { Guesser, Speculation } from "./guesses.ts";
import { checkSignal } from "../hosts/signal.ts";
import type { Drawn, Slot } from "./slot.ts";
import { StopMatcher } from "./stops.ts";

export interface GenerateOptions extends SamplerOptions, PrefixOptions {
  /** Most tokens to generate, at least 1. Default: Infinity, until something else ends the text. */
  maxTokens?: number | undefined;
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
  /** Give each token's log probability under the model, before any of the sampler's options. Default false. */
  logprobs?: boolean | undefined;
  /**
   * When the context is full, go on from the last `keep` tokens, which are computed anew at the positions from 0 on (GPT-2's learned
   * positions forbid to move a cache). Penalties then count these tokens. Default: finish with "context".
   */
  keep?: number | undefined;
  /** Ends the generator between two tokens, or two chunks of the prompt, by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
}

const GENERATE_KEYS = [...SAMPLER_KEYS, ...PREFIX_KEYS, "maxTokens", "speculate", "stop", "ignoreEos", "logprobs", "keep", "signal"] as const;

/** Why a text ended: a stop string, an end-of-text token, `maxTokens`, or a full context. */
export type Finish = "stop" | "eos" | "length" | "context";

export interface GeneratedToken {
  id: number;
  /**
   * The text that became certain with this token: whole characters only, none that could begin a stop string; "" for an
   * end-of-text token and for models without a tokenizer.
   */
  text: string;
  /** Natural logarithm of the model's probability of the token; with `logprobs`. */
  logprob?: number;
  /** On the last token only. */
  finish?: Finish;
}

/**
 * What `generate` returns. `seed` is the one given or, without one, the random one that was taken; `reusedTokens`, once the first token
 * has come, how many of the prompt's tokens were in the cache already.
 */
export type Generation = AsyncGenerator<GeneratedToken, void, void> & { readonly seed: number; readonly reusedTokens: number };

/** Options as the loop needs them. */
interface Plan {
  ids: Uint32Array;
  sampler: Sampler;
  maxTokens: number;
  stops: readonly string[];
  ends: ReadonlySet<number>;
  logprobs: boolean;
  keep: number | undefined;
  sharing: Sharing;
  speculate: Speculation;
  signal: AbortSignal | undefined;
}

/** Checks everything at once, before the first token is asked for. */
export function generate(model: Lifetime<Arena>, tokenizer: Tokenizer | null, prompt: string | Ids, options?: GenerateOptions): Generation {
  const given = checkOptions<GenerateOptions>("generate options", options, GENERATE_KEYS);
  const { config, contextLength } = model.value;
  const { maxTokens = Infinity, ignoreEos = false, logprobs = false, keep, signal } = given;
  if (maxTokens !== Infinity) checkInteger("maxTokens", maxTokens, 1, Number.MAX_SAFE_INTEGER);
  checkBoolean("ignoreEos", ignoreEos);
  checkBoolean("logprobs", logprobs);
  if (keep !== undefined) checkInteger("keep", keep, 1, contextLength - 1, "It must leave room for new tokens.");
  const plan: Plan = {
    ids: promptIds(prompt, tokenizer, model.value),
    sampler: new Sampler(given, config.vocab_size, randomSeed),
    maxTokens,
    stops: checkStops(given.stop, tokenizer),
    ends: new Set(ignoreEos ? [] : [config.eos_token_id ?? []].flat()),
    logprobs,
    keep,
    sharing: checkPrefixOptions(given),
    speculate: checkSpeculate(given.speculate, model.value),
    signal: checkSignal(signal),
  };
  if (plan.ids.length > contextLength) {
    throw new KvasmError("context", `prompt: ${plan.ids.length} tokens exceed the context length of ${contextLength}. Shorten the prompt.`, { argument: "prompt", value: plan.ids.length });
  }
  const found = { reused: 0 };
  return Object.defineProperties(tokens(model, tokenizer, plan, found), {
    seed: { value: plan.sampler.seed, enumerable: true },
    reusedTokens: { get: () => found.reused, enumerable: true },
  }) as unknown as Generation;
}

async function* tokens(model: Lifetime<Arena>, tokenizer: Tokenizer | null, plan: Plan, found: { reused: number }): AsyncGenerator<GeneratedToken, void, void> {
  const { sampler, ends, keep, signal } = plan;
  const check = () => {
    signal?.throwIfAborted();
    void model.value;
  };
  check();
  const slot = openPrefixed(model, plan.ids, plan.sharing);
  let guesser: Guesser | null = null;
  try {
    found.reused = slot.reused;
    const { contextLength } = model.value;
    const stream = tokenizer?.stream();
    const vocabSize = tokenizer?.vocabSize ?? 0;
    const stops = new StopMatcher(plan.stops);
    slot.checkRoom(plan.ids.length - slot.reused, "prompt");
    await appendShared(slot, plan.ids.subarray(slot.reused), "prompt", check);
    slot.share();
    let length = plan.ids.length; // of the whole text, also of what a kept window has left behind
    guesser = openGuesser(plan.speculate, plan.ids, model.value);
    /** Drawn already, after guesses that were right: all but the last are in the cache. */
    let ahead: Drawn[] = [];
    for (let count = 1; ; count++, length++) {
      const { id, logprob } = ahead.shift() ?? drawOne(slot, sampler, length, plan.logprobs);
      const item: GeneratedToken = { id, text: "" };
      if (logprob !== undefined) item.logprob = logprob;
      const ended = ends.has(id);
      let stopped = false;
      // A vocabulary may be padded with ids that have no text.
      if (!ended && id < vocabSize) ({ text: item.text, stopped } = stops.push(stream!.push(id)));
      const full = ahead.length === 0 && slot.length === contextLength;
      const finish = stopped ? "stop" : ended ? "eos" : count === plan.maxTokens ? "length" : full && keep === undefined ? "context" : undefined;
      if (finish !== undefined) {
        item.finish = finish;
        // Bytes of a character that never came to its end are left out: they are not text.
        if (!stopped) item.text += stops.flush();
        slot.close(); // the caller need not ask again after the last token
        guesser?.close();
        yield item;
        return;
      }
      yield item;
      if (guesser !== null) {
        await pause();
        check();
        guesser.push(id);
        if (ahead.length > 0) continue;
      }
      if (full) {
        const ids = slot.ids;
        slot.truncate(0);
        await appendShared(slot, [...ids.subarray(contextLength - keep! + 1), id], "keep", check);
      } else {
        if (guesser !== null) {
          slot.checkRoom(1, "generate");
          ahead = guesser.append(slot, id, sampler, length + 1, plan.logprobs, plan.maxTokens - count);
        }
        if (ahead.length === 0) await appendShared(slot, [id], "generate", check);
      }
    }
  } finally {
    slot.close();
    guesser?.close();
  }
}

function drawOne(slot: Slot, sampler: Sampler, position: number, logprobs: boolean): Drawn {
  const id = slot.draw(sampler, position);
  return { id, logprob: logprobs ? slot.logProbability(id) : undefined };
}

function promptIds(prompt: unknown, tokenizer: Tokenizer | null, { config }: Arena): Uint32Array {
  let ids: Uint32Array;
  if (typeof prompt === "string") {
    if (tokenizer === null && prompt !== "") {
      throw new KvasmError("tokenizer", "prompt: this model has no tokenizer, so text cannot be turned into tokens. Pass token ids.", { argument: "prompt", value: prompt });
    }
    ids = checkIds("prompt", tokenizer?.encode(prompt) ?? [], config.vocab_size);
  } else {
    ids = checkIds("prompt", prompt, config.vocab_size);
  }
  if (ids.length > 0) return ids;
  if (config.bos_token_id === null) {
    throw new KvasmError("value", "prompt: it is empty, and the configuration has no bos_token_id to start from. Pass at least one token.", { argument: "prompt", value: prompt });
  }
  return Uint32Array.of(config.bos_token_id);
}

function checkStops(stop: unknown, tokenizer: Tokenizer | null): string[] {
  if (stop === undefined) return [];
  const stops: unknown[] = Array.isArray(stop) ? [...stop] : [stop];
  const checked = stops.map((one, i) => {
    const argument = Array.isArray(stop) ? `stop[${i}]` : "stop";
    if (typeof one !== "string") {
      throw new KvasmError("type", `${argument}: expected a string${Array.isArray(stop) ? "" : " or a list of strings"}, got ${shown(one)}.`, { argument, value: one });
    }
    if (one === "" || /\p{Surrogate}/u.test(one)) {
      throw new KvasmError("value", `${argument}: expected a text of at least one whole character, got ${shown(one)}.`, { argument, value: one });
    }
    return one;
  });
  if (checked.length > 0 && tokenizer === null) {
    throw new KvasmError("tokenizer", "stop: this model has no tokenizer, so there is no text to find stop strings in. Compare ids instead.", { argument: "stop", value: stop });
  }
  return checked;
}
