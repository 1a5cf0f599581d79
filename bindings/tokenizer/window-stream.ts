import { checkId } from "./tokenizer.ts";
import type { TokenStream } from "./tokenizer.ts";

/** Tokens after which a character that stays broken is shown all the same. UTF-8 needs 4. */
const PATIENCE = 8;

/**
 * For decoders whose text of a token depends on its neighbours: the text of the last tokens with and without the new one are
 * compared, and what ends in a broken character is kept back.
 */
export function windowStream(vocabSize: number, decode: (ids: readonly number[]) => string): TokenStream {
  let shownIds: number[] = [];
  let heldIds: number[] = [];
  const flush = (): string => {
    const text = decode([...shownIds, ...heldIds]).slice(decode(shownIds).length);
    shownIds = heldIds;
    heldIds = [];
    return text;
  };
  return {
    push(id) {
      checkId("id", id, vocabSize);
      heldIds.push(id);
      const broken = decode([...shownIds, ...heldIds]).endsWith("\ufffd");
      return broken && heldIds.length < PATIENCE ? "" : flush();
    },
    end() {
      const text = flush();
      shownIds = [];
      return text;
    },
  };
}
