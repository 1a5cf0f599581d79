/** A model's source, made so that it can cross to a worker, and back. */
import { KvasmError, shown } from "../errors.ts";
import { pageAddress } from "../hosts/page.ts";
import { isUrl } from "../files/source-address.ts";

const URL_KEY = "kvasmUrl";
const isPacked = (value: unknown): value is { [URL_KEY]: string } => typeof value === "object" && value !== null && Object.hasOwn(value, URL_KEY);

/**
 * URLs as texts, which messages do not take; what is relative to the page, against it, since a worker has an address of its own. Streams
 * are handed over.
 */
export function packSource(source: unknown): { source: unknown; transfer: ReadableStream[] } {
  const transfer: ReadableStream[] = [];
  const pack = (value: unknown): unknown => {
    if (typeof value === "object" && value !== null && typeof (value as ReadableStream).getReader === "function") transfer.push(value as ReadableStream);
    return isUrl(value) ? { [URL_KEY]: absolute(value.href) } : value;
  };
  if (typeof source === "string") return { source: /^[./]/.test(source) ? absolute(source) : source, transfer };
  if (typeof source !== "object" || source === null || isUrl(source) || Object.getPrototypeOf(source) !== Object.prototype) return { source: pack(source), transfer };
  return { source: Object.fromEntries(Object.entries(source).map(([name, value]) => [name, pack(value)])), transfer };
}

export function unpackSource(source: unknown): unknown {
  if (isPacked(source)) return new URL(source[URL_KEY]);
  if (typeof source !== "object" || source === null || Object.getPrototypeOf(source) !== Object.prototype) return source;
  return Object.fromEntries(Object.entries(source).map(([name, value]) => [name, isPacked(value) ? new URL(value[URL_KEY]) : value]));
}

function absolute(address: string): string {
  const page = pageAddress();
  return page === undefined ? address : new URL(address, page).href;
}

/** @throws KvasmError `type` for options that messages cannot carry */
export function refuseFunctions(name: string, options: object): void {
  for (const [key, value] of Object.entries(options)) {
    const isFunction = typeof value === "function" || (Array.isArray(value) && value.some((one) => typeof one === "function"));
    if (isFunction) throw new KvasmError("type", `${name}: ${key}: a function cannot cross to a worker, got ${shown(value)}. Load the model in this thread (import { load } from "kvasm"), or leave it out.`, { argument: key, value });
  }
}
