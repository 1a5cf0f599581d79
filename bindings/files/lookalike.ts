import type { ByteReader } from "./bytes.ts";

/** What a file that is not what it should be often is: said in the message, since the cure depends on it. */
export function lookalike(start: string): string {
  if (/^version (https:\/\/git-lfs|$)/.test(start)) return ": it is a Git LFS pointer, not the file itself. Run `git lfs pull` in the model's folder, or download the file";
  if (/^\s*</.test(start)) return ": it looks like a web page. Check that the address is that of the file itself";
  if (start.startsWith("PK\u0003\u0004")) return ": it is a zip file, as PyTorch's .bin and .pt are. If it is one, name it pytorch_model.bin";
  if (start.startsWith("GGUF")) return ": it is a GGUF file. Name it .gguf";
  if (start.startsWith("\u001f\u008b")) return ": it is compressed with gzip. Name it .gz";
  if (/^\s*$/.test(start)) return ": it is empty";
  return "";
}

/** Bytes of a server's answer that are read for a message. */
const ANSWER = 200;

/**
 * The same for weights, which are no text: what is JSON there is an answer of a server's, and says itself what went wrong.
 * @param start the first bytes, one character each
 */
export function weightsLookalike(start: string): string {
  if (!isJson(start)) return lookalike(start);
  const text = start.slice(0, ANSWER).replace(/\s+/g, " ").trim();
  return `: it is JSON, not the file itself, as a server's error message is: ${text.length > 120 ? text.slice(0, 119) + "…" : text}. Check the address, and whether it needs credentials`;
}

/** The same, reading on where more says more. @param start the first bytes, which the reader has given already */
export async function weightsLookalikeOf(start: string, reader: ByteReader): Promise<string> {
  return weightsLookalike(isJson(start) ? start + new TextDecoder().decode((await reader.take(ANSWER)).slice()) : start);
}

/** The first eight bytes decide: a length may begin like JSON, but then zeros follow. */
function isJson(start: string): boolean {
  return /^\s*[[{]/.test(start) && !/[^\x20-\x7e\s]/.test(start.slice(0, 8));
}
