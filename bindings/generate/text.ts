/** From ids to the text that may be shown. */
import { KvasmError, shown } from "../errors.ts";
import type { TokenStream, Tokenizer } from "../tokenizer/tokenizer.ts";
import { StopMatcher } from "./stops.ts";

/** The text of one generation: whole characters, none that could begin a stop string. */
export class Text {
  readonly #stream: TokenStream | undefined;
  readonly #vocabSize: number;
  readonly #stops: StopMatcher;

  constructor(tokenizer: Tokenizer | null, stops: readonly string[]) {
    this.#stream = tokenizer?.stream();
    this.#vocabSize = tokenizer?.vocabSize ?? 0;
    this.#stops = new StopMatcher(stops);
  }

  /** What became certain with this token; `stopped` says that a stop string follows it. */
  push(id: number): { text: string; stopped: boolean } {
    // A vocabulary may be padded with ids that have no text.
    return id < this.#vocabSize ? this.#stops.push(this.#stream!.push(id)) : { text: "", stopped: false };
  }

  /** What was held back. Bytes of a character that never came to its end are left out: they are not text. */
  flush(): string {
    return this.#stops.flush();
  }
}

/** @throws KvasmError `type`, `value`, `tokenizer` (stop) */
export function checkStops(stop: unknown, tokenizer: Tokenizer | null): string[] {
  if (stop === undefined) return [];
  const stops: unknown[] = Array.isArray(stop) ? [...stop] : [stop];
  const checked = stops.map((one, i) => {
    const argument = Array.isArray(stop) ? `stop[${i}]` : "stop";
    if (typeof one !== "string") {
      throw new KvasmError("type", `${argument}: expected a string, got ${shown(one)}.`, { argument, value: one });
    }
    if (one === "" || /\p{Surrogate}/u.test(one)) {
      throw new KvasmError("value", `${argument}: expected a text of at least one whole character, got ${shown(one)}.`, { argument, value: one });
    }
    return one;
  });
  if (checked.length > 0 && tokenizer === null) {
    throw new KvasmError("tokenizer", "stop: this model has no tokenizer, so there is no text. Compare ids.", { argument: "stop", value: stop });
  }
  return checked;
}
