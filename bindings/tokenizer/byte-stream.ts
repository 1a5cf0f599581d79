import { checkId, checkIds } from "./tokenizer.ts";
import type { TokenStream } from "./tokenizer.ts";

/** Decoding where every token stands for bytes of UTF-8, as in GPT-2's vocabulary. */
export class ByteDecoding {
  readonly #vocabSize: number;
  readonly #bytesOf: (id: number) => Uint8Array;

  constructor(vocabSize: number, bytesOf: (id: number) => Uint8Array) {
    this.#vocabSize = vocabSize;
    this.#bytesOf = bytesOf;
  }

  decode(ids: ArrayLike<number>): string {
    checkIds(ids, this.#vocabSize);
    const decoder = newDecoder();
    let text = "";
    for (let i = 0; i < ids.length; i++) text += decoder.decode(this.#bytesOf(ids[i]), { stream: true });
    return text + decoder.decode();
  }

  /** A decoder of its own each: it holds the bytes of an unfinished character. */
  stream(): TokenStream {
    const decoder = newDecoder();
    return {
      push: (id) => {
        checkId("id", id, this.#vocabSize);
        return decoder.decode(this.#bytesOf(id), { stream: true });
      },
      end: () => decoder.decode(),
    };
  }
}

/** ignoreBOM: U+FEFF is a character like any other. */
function newDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}
