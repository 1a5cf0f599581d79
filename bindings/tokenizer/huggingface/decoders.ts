/** From the texts of tokens to a text (tokenizers, decoders/). ByteLevel is apart: pipeline.ts. */
import { isObject } from "../../files/json.ts";
import type { JsonObject } from "../../files/json.ts";
import { byteLevelBytes } from "../byte-alphabet.ts";
import { patternOf } from "./patterns.ts";
import { fieldsOf, is, isAbsent, isAnything, isBoolean, isString, or, unsupported } from "./strict.ts";

export type Decoder = (tokens: readonly string[]) => string;
type Chain = (tokens: readonly string[]) => readonly string[];

/** Without a decoder, tokens stand apart. @throws Unsupported */
export function decoderOf(json: unknown): Decoder {
  if (json === null || json === undefined) return (tokens) => tokens.join(" ");
  const chain = chainOf(json, "decoder");
  return (tokens) => chain(tokens).join("");
}

/** What bears on offsets alone. */
const BYTE_LEVEL = { add_prefix_space: isAnything, trim_offsets: isAnything, use_regex: isAnything };

export function isByteLevel(json: unknown): boolean {
  if (!isObject(json) || json.type !== "ByteLevel") return false;
  fieldsOf("decoder", json, BYTE_LEVEL);
  return true;
}

function chainOf(json: unknown, where: string): Chain {
  const type = isObject(json) ? json.type : json;
  if (typeof type !== "string" || !Object.hasOwn(KINDS, type) || !isObject(json)) return unsupported(where === "decoder" ? "decoder.type" : where, type);
  return KINDS[type](json, where);
}

const isCharacter = (value: unknown): boolean => typeof value === "string" && [...value].length === 1;

const KINDS: Record<string, (json: JsonObject, where: string) => Chain> = {
  Sequence(json, where) {
    const { decoders } = fieldsOf(where, json, { decoders: Array.isArray });
    if (!Array.isArray(decoders)) return unsupported(`${where}.decoders`, decoders);
    const all = decoders.map((one, i) => chainOf(one, `${where}.decoders[${i}]`));
    return (tokens) => all.reduce<readonly string[]>((result, one) => one(result), tokens);
  },
  Fuse(json, where) {
    fieldsOf(where, json, {});
    return (tokens) => [tokens.join("")];
  },
  Replace(json, where) {
    const { pattern, content } = fieldsOf(where, json, { pattern: isObject, content: isString });
    if (typeof content !== "string") return unsupported(where, json);
    const found = patternOf(pattern, `${where}.pattern`);
    return (tokens) => tokens.map((token) => token.replace(found, () => content));
  },
  Strip(json, where) {
    const { content, start, stop } = fieldsOf(where, json, { content: isCharacter, start: Number.isInteger, stop: Number.isInteger });
    if (typeof content !== "string" || typeof start !== "number" || typeof stop !== "number") return unsupported(where, json);
    return (tokens) => tokens.map((token) => {
      const characters = [...token];
      let from = 0;
      while (from < start && characters[from] === content) from++;
      let to = characters.length;
      while (characters.length - to < stop && to > 0 && characters[to - 1] === content) to--;
      return characters.slice(from, Math.max(from, to)).join("");
    });
  },
  ByteFallback(json, where) {
    fieldsOf(where, json, {});
    return bytesOf;
  },
  Metaspace(json, where) {
    const { replacement = "\u2581", prepend_scheme: scheme = "always", add_prefix_space: prefix } = fieldsOf(where, json, {
      replacement: isCharacter, prepend_scheme: is("always", "never", "first"), split: isBoolean, add_prefix_space: isBoolean, str_rep: or(isAbsent, isString),
    });
    const keeps = prefix === false || scheme === "never";
    return (tokens) => tokens.map((token, i) => token.replaceAll(replacement as string, i === 0 && !keeps ? "" : " "));
  },
  BPEDecoder(json, where) {
    const { suffix } = fieldsOf(where, json, { suffix: (value) => isString(value) && value !== "" });
    if (typeof suffix !== "string") return unsupported(where, json);
    return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
  },
  WordPiece(json, where) {
    const { prefix, cleanup } = fieldsOf(where, json, { prefix: isString, cleanup: isBoolean });
    if (typeof prefix !== "string" || typeof cleanup !== "boolean") return unsupported(where, json);
    return (tokens) => tokens.map((token, i) => {
      const text = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return cleanup ? cleaned(text) : text;
    });
  },
  CTC(json, where) {
    const isText = (value: unknown): boolean => isString(value) && value !== "";
    const { pad_token: pad, word_delimiter_token: delimiter, cleanup } = fieldsOf(where, json, { pad_token: isText, word_delimiter_token: isText, cleanup: isBoolean });
    if (typeof pad !== "string" || typeof delimiter !== "string" || typeof cleanup !== "boolean") return unsupported(where, json);
    return (tokens) => tokens.filter((token, i) => token !== tokens[i - 1])
      .map((token) => cleanup ? cleaned(token.replaceAll(pad, "")).replaceAll(delimiter, " ") : token.replaceAll(pad, ""));
  },
  ByteLevel(json, where) {
    fieldsOf(where, json, BYTE_LEVEL);
    return (tokens) => {
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      return [tokens.map((token) => decoder.decode(byteLevelBytes(token), { stream: true })).join("") + decoder.decode()];
    };
  },
};

/** Spaces that English does not write, and a few that it does. */
function cleaned(text: string): string {
  const pairs = [[" .", "."], [" ?", "?"], [" !", "!"], [" ,", ","], [" ' ", "'"], [" n't", "n't"], [" 'm", "'m"], [" do not", " don't"], [" 's", "'s"], [" 've", "'ve"], [" 're", "'re"]];
  return pairs.reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

/** Runs of tokens for bytes, "<0xE2>", are their UTF-8; of a run that is none, each byte is U+FFFD. */
function bytesOf(tokens: readonly string[]): string[] {
  const result: string[] = [];
  let run: number[] = [];
  const flush = (): void => {
    if (run.length === 0) return;
    try {
      result.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(run)));
    } catch {
      for (const _ of run) result.push("\ufffd");
    }
    run = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>$/.exec(token);
    if (byte !== null) run.push(Number.parseInt(byte[1], 16));
    else {
      flush();
      result.push(token);
    }
  }
  flush();
  return result;
}
