import { KvasmError, shown } from "../errors.ts";
import type { KvasmErrorCode } from "../errors.ts";
import type { PackedError } from "./protocol.ts";

export function packError(error: unknown, isAbort = false): PackedError {
  const { name, message, stack, cause } = error instanceof Error || KvasmError.is(error) ? error as Error : new Error(String(error));
  const known = KvasmError.is(error) ? error : undefined;
  return {
    name, message, stack, isAbort, code: known?.code, argument: known?.argument, value: crossing(known?.value),
    cause: cause === undefined ? undefined : packError(cause),
  };
}

export function unpackError({ name, message, stack, code, argument, value, cause }: PackedError): Error {
  const details = { ...(argument !== undefined && { argument }), value, ...(cause !== undefined && { cause: unpackError(cause) }) };
  if (code !== undefined) return Object.assign(new KvasmError(code as KvasmErrorCode, message, details), stack !== undefined && { stack });
  const error = new Error(message, { cause: details.cause });
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** Values that say something in a message; others as a message shows them. */
function crossing(value: unknown): unknown {
  return value === undefined || value === null || ["string", "number", "boolean", "bigint"].includes(typeof value) ? value : shown(value);
}
