/**
 * A text, token by token: options.ts says what is wanted, schedule.ts appends, drawing.ts chooses the next token, guesses.ts draws several ahead, text.ts
 * turns ids into text and ends it.
 */
import { openPrefixed } from "../cache/sharing.ts";
import { lazily } from "../hosts/lazily.ts";
import type { Arena } from "../model/arena.ts";
import type { Ids } from "../model/ids.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { pause } from "../model/pause.ts";
import type { Drawn, Slot } from "../model/slot.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { openGuesser } from "./guesses.ts";
import type { Guesser } from "./guesses.ts";
import { planOf } from "./options.ts";
import type { GenerateOptions, Plan } from "./options.ts";
import { appendShared } from "./schedule.ts";
import { Text } from "./text.ts";

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
  /** The likeliest tokens at this place, the likeliest first; with `topLogprobs`. */
  topLogprobs?: readonly { readonly id: number; readonly logprob: number }[];
  /** With `n`: which of the continuations it is of, 0 … n − 1. */
  index?: number;
  /** On the last token only. */
  finish?: Finish;
}

/**
 * What `generate` returns. `seed` is the one given or, without one, the random one that was taken; `reusedTokens`, once the first token
 * has come, how many of the prompt's tokens were in the cache already.
 */
export type Generation = AsyncGenerator<GeneratedToken, void, void> & { readonly seed: number; readonly reusedTokens: number };

/** Checks everything at once, before the first token is asked for. */
export function generate(model: Lifetime<Arena>, tokenizer: Tokenizer | null, prompt: string | Ids, options?: GenerateOptions): Generation {
  const plan = planOf(model.value, tokenizer, prompt, options);
  const found = { reused: 0 };
  const items = plan.n === undefined ? tokens(model, tokenizer, plan, found) : (async function* () {
    yield* (await lazily(() => import("./side-by-side.ts"))).sideBySide({ openPrefixed, appendShared, planOf, tokens }, model, tokenizer, plan, options!, found);
  })();
  return Object.defineProperties(items, {
    seed: { value: plan.seed, enumerable: true },
    reusedTokens: { get: () => found.reused, enumerable: true },
  }) as unknown as Generation;
}

/** `begun`: a sequence of the prompt; it is closed in the end. */
async function* tokens(model: Lifetime<Arena>, tokenizer: Tokenizer | null, plan: Plan, found: { reused: number }, begun?: Slot): AsyncGenerator<GeneratedToken, void, void> {
  const { drawing, ends, keep, signal } = plan;
  const check = () => {
    signal?.throwIfAborted();
    void model.value;
  };
  check();
  if (plan.constrain !== undefined) drawing.constraint = await (await lazily(() => import("../constrain/constrain.ts"))).openConstraint(plan.constrain, tokenizer, model.value.config.vocab_size, ends);
  if (plan.processors !== undefined) drawing.process = (await lazily(() => import("./processors.ts"))).processingOf(plan.processors);
  const slot = begun ?? openPrefixed(model, plan.ids, plan.sharing);
  let guesser: Guesser | null = null;
  try {
    const { contextLength } = model.value;
    const text = new Text(tokenizer, plan.stops);
    if (begun === undefined) {
      found.reused = slot.reused;
      slot.checkRoom(plan.ids.length - slot.reused, "prompt");
      await appendShared(slot, plan.ids.subarray(slot.reused), "prompt", check);
      slot.share();
    }
    let length = plan.ids.length; // of the whole text, also of what a kept window has left behind
    guesser = openGuesser(plan.speculate, plan.ids, model.value);
    /** Drawn already, after guesses that were right: all but the last are in the cache. */
    let ahead: Drawn[] = [];
    for (let count = 1; ; count++, length++) {
      const { id, logprob, topLogprobs, isLast } = ahead.shift() ?? drawing.next(slot, length);
      const item: GeneratedToken = { id, text: "" };
      if (logprob !== undefined) item.logprob = logprob;
      if (topLogprobs !== undefined) item.topLogprobs = topLogprobs;
      const ended = ends.has(id);
      let stopped = false;
      if (!ended) ({ text: item.text, stopped } = text.push(id));
      const full = ahead.length === 0 && slot.length === contextLength;
      const finish = stopped || isLast ? "stop" : ended ? "eos" : count === plan.maxTokens ? "length" : full && keep === undefined ? "context" : undefined;
      if (finish !== undefined) {
        item.finish = finish;
        if (!stopped) item.text += text.flush();
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
          ahead = guesser.append(slot, id, drawing, length + 1, plan.maxTokens - count);
        }
        if (ahead.length === 0) await appendShared(slot, [id], "generate", check);
      }
    }
  } finally {
    slot.close();
    guesser?.close();
  }
}
