/** Several continuations of one prompt: it is computed once, and their next tokens in one step. */
import type { openPrefixed } from "../cache/sharing.ts";
import { checkInteger } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { Lifetime } from "../model/lifetime.ts";
import type { Slot } from "../model/slot.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { GeneratedToken } from "./generate.ts";
import type { GenerateOptions, Plan, planOf } from "./options.ts";
import type { appendShared } from "./schedule.ts";

/** What is loaded already, given and not imported: so it stays in one part of the package. */
interface Stages {
  readonly openPrefixed: typeof openPrefixed;
  readonly appendShared: typeof appendShared;
  readonly planOf: typeof planOf;
  /** The continuation of the prompt that `begun` has, which it closes. */
  readonly tokens: (model: Lifetime<Arena>, tokenizer: Tokenizer | null, plan: Plan, found: { reused: number }, begun: Slot) => AsyncGenerator<GeneratedToken, void, void>;
}

const MOST = 256;

/**
 * Their items by turns, in the order of their indices, each with its index. What ends one with an error ends all.
 * @throws KvasmError `type`, `value` (n; stream), `sequences`, `pages`; what a continuation throws
 */
export async function* sideBySide(
  { openPrefixed, appendShared, planOf, tokens }: Stages, model: Lifetime<Arena>, tokenizer: Tokenizer | null, plan: Plan, options: GenerateOptions, found: { reused: number },
): AsyncGenerator<GeneratedToken, void, void> {
  const { ids, seed, signal } = plan;
  const n = checkInteger("n", plan.n, 1, MOST);
  const plans = Array.from({ length: n }, (_, i) => (i === 0 ? plan : planOf(model.value, tokenizer, ids, { ...options, seed, stream: (options.stream ?? 0) + i })));
  const check = (): void => {
    signal?.throwIfAborted();
    void model.value;
  };
  check();
  const first = openPrefixed(model, ids, plan.sharing);
  const slots = [first];
  let all: AsyncGenerator<GeneratedToken, void, void>[] = [];
  try {
    found.reused = first.reused;
    first.checkRoom(ids.length - first.reused, "prompt");
    await appendShared(first, ids.subarray(first.reused), "prompt", check);
    first.share();
    while (slots.length < n) slots.push(first.fork());
    all = slots.map((slot, i) => tokens(model, tokenizer, plans[i]!, found, slot));
    let running = all.map((items, index) => ({ items, index }));
    while (running.length > 0) {
      // All of them are waited for, also when one fails: none is left behind in a step.
      const results = await Promise.allSettled(running.map(({ items }) => items.next()));
      const turn = results.map((result, i) => {
        if (result.status === "rejected") throw result.reason;
        return { ...running[i]!, item: result.value.value as GeneratedToken };
      });
      running = turn.filter(({ item }) => item.finish === undefined); // the last item has one, always
      for (const { item, index } of turn) yield { ...item, index };
    }
  } finally {
    await Promise.all(all.map((items) => items.return()));
    for (const slot of slots) slot.close(); // of those that had not begun
  }
}
