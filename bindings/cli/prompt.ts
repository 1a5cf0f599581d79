import { buffer } from "node:stream/consumers";
import { KvasmError } from "../index.ts";

/**
 * What a command takes a text for: the argument, or with `-` standard input, less a byte order mark, which is some editor's, and one newline
 * at its end, which is the shell's.
 * @param name of the argument, for errors
 */
export async function textOf<T extends string | undefined>(argument: T, name: string): Promise<T | string> {
  if (argument !== "-") return argument;
  const input = await buffer(process.stdin);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(input).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new KvasmError("value", `${name}: standard input is not UTF-8. Convert it first, for example with iconv.`, { argument: name, cause });
  }
}
