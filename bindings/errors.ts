/**
 * What went wrong, for programs:
 * - `type`: an argument of the wrong kind; `value`: of the right kind with a value that cannot be; `option`: an unknown option;
 * - `config`, `weights`, `tokenizer`: the model's files are malformed or do not fit together;
 * - `source`: files that cannot be found or read, streams that cannot be read or written;
 * - of a hub: `access`: a model that is private or gated, or a token that is not accepted (401, 403); `absent`: no such model, revision or file
 *   (404); `rate-limit`: too many requests, for longer than was waited (429); `offline`: not in the cache, and requests are forbidden;
 *   `space`: the disk or the quota does not have the bytes;
 * - `saved`: a saved sequence that is damaged, cut short, or of another model, type or version; `argument` names what differs;
 * - `unsupported`: well-formed, but not for this version or runtime;
 * - `engine`: this host's WebAssembly cannot run the module (no SIMD, subnormals flushed, a wrong relaxed SIMD);
 * - `memory`: does not fit in 4 GiB, or the host gives no more; `pages`, `sequences`: the cache is full; `context`: more tokens
 *   than the context length;
 * - `non-finite`: a NaN or an infinity, in weights or in logits;
 * - `worker`: the worker that holds the model did not come up, failed or ended;
 * - `state`: the call does not fit what came before; `disposed`: the object was disposed.
 */
export type KvasmErrorCode =
  | "type" | "value" | "option" | "config" | "weights" | "tokenizer" | "source" | "saved" | "access" | "absent" | "rate-limit" | "offline" | "space" | "unsupported" | "engine" | "memory"
  | "pages" | "sequences" | "context" | "non-finite" | "worker" | "state" | "disposed";

export interface KvasmErrorDetails {
  /** The argument, option, field or tensor that is at fault. */
  argument?: string;
  /** Its value, as given. */
  value?: unknown;
  cause?: unknown;
}

/** Every error that kvasm throws on purpose. `message` names the argument and the value and says what to do. */
export class KvasmError extends Error {
  override readonly name = "KvasmError";
  readonly code: KvasmErrorCode;
  readonly argument: string | undefined;
  readonly value: unknown;

  constructor(code: KvasmErrorCode, message: string, details: KvasmErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.argument = details.argument;
    this.value = details.value;
  }

  /** True for a KvasmError of any copy of this package or realm, where `instanceof` fails. */
  static is(error: unknown): error is KvasmError {
    if (Object.prototype.toString.call(error) !== "[object Error]") return false;
    return (error as Error).name === "KvasmError" && typeof (error as KvasmError).code === "string";
  }
}

/** A value as a person reads it in a message: short, quoted, never throwing. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? value.slice(0, 57) + "…" : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || typeof value === "boolean" || value === null || value === undefined) return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "symbol") return value.toString();
  if (Array.isArray(value)) return `array of ${value.length}`;
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" && name !== "Object" ? name : "object";
}

/** An integer in [low, high], or a `type` / `value` error that names the argument. */
export function checkInteger(argument: string, value: unknown, low: number, high: number, cure = ""): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value;
  const wanted = `${argument}: expected an integer from ${low} to ${high}, got ${shown(value)}.${cure && " " + cure}`;
  throw new KvasmError(typeof value === "number" ? "value" : "type", wanted, { argument, value });
}

/** A finite number in [low, high]. */
export function checkNumber(argument: string, value: unknown, low: number, high: number, cure = ""): number {
  if (typeof value === "number" && value >= low && value <= high && Number.isFinite(value)) return value;
  const range = low === -Infinity ? "a finite number" : high === Infinity ? `a finite number of at least ${low}` : `a number from ${low} to ${high}`;
  throw new KvasmError(typeof value === "number" ? "value" : "type", `${argument}: expected ${range}, got ${shown(value)}.${cure && " " + cure}`, { argument, value });
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new KvasmError("type", `${argument}: expected true or false, got ${shown(value)}.`, { argument, value });
}

/** An options object with known keys only; undefined counts as {}. */
export function checkOptions<T extends object>(where: string, options: T | undefined, known: readonly string[]): T {
  if (options === undefined) return {} as T;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new KvasmError("type", `${where}: expected an options object, got ${shown(options)}.`, { argument: where, value: options });
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new KvasmError("option", `${where}: unknown option ${JSON.stringify(key)}. Known options: ${known.join(", ")}.`, { argument: key, value: (options as Record<string, unknown>)[key] });
    }
  }
  return options;
}
