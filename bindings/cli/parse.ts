import { InvalidArgumentError } from "commander";

/** How a command line's text becomes the numbers that the API takes. Ranges are the API's to check, kinds are checked here. */

/** `text` as a finite number. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** `text` as an integer, in decimal. */
export function integer(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected an integer.");
  return value;
}

/** "2" or "auto". */
export function threads(text: string): number | "auto" {
  return text === "auto" ? text : integer(text);
}

/** "25MiB", "300MB" or "4096" as bytes. */
export function byteCount(text: string): number {
  const match = /^(\d+)\s*(|[KMG]i?B)$/.exec(text.trim());
  if (match === null) throw new InvalidArgumentError("Expected a number of bytes, such as 25MiB, 300MB or 4096.");
  const units: Record<string, number> = { "": 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  return integer(match[1]) * units[match[2]];
}

/** "128,900" as integers. */
export function integers(text: string): number[] {
  return text.split(",").map(integer);
}

/** "464,2068,7586" (commas, spaces or both) as token ids. */
export function ids(text: string): number[] {
  const parts = text.split(/[\s,]+/).filter((part) => part !== "");
  if (parts.length === 0 || parts.some((part) => !/^\d{1,10}$/.test(part))) {
    throw new InvalidArgumentError("Expected token ids separated by commas, such as 464,2068,7586.");
  }
  return parts.map(Number);
}

/** "50256:-2.5", or several of them separated by commas, added to those given before. */
export function logitBias(text: string, before: Record<number, number> = {}): Record<number, number> {
  const bias = { ...before };
  for (const part of text.split(",")) {
    const match = /^(\d{1,10}):(.+)$/.exec(part.trim());
    const value = match === null ? Number.NaN : Number(match[2]);
    if (match === null || !Number.isFinite(value)) throw new InvalidArgumentError("Expected id:value, such as 50256:-2.5.");
    bias[Number(match[1])] = value;
  }
  return bias;
}

/** One more of an option that may be given several times. */
export function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** `text` as a JSON object. */
export function jsonObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // as any other text that is none
  }
  throw new InvalidArgumentError("Expected a JSON object.");
}
