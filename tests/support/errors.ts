import { KvasmError } from "../../bindings/errors.ts";
import type { KvasmErrorCode } from "../../bindings/errors.ts";
import { assert } from "./assert.ts";

/** Fails unless `error` is a KvasmError with this code (and argument) whose message names the argument and says what to do. */
export function assertKvasmError(error: unknown, code: KvasmErrorCode, argument?: string): KvasmError {
  assert.ok(KvasmError.is(error), `expected a KvasmError ${code}, got ${String(error)}`);
  assert.equal(error.code, code, `${error.code}: ${error.message}`);
  if (argument !== undefined) {
    assert.equal(error.argument, argument, error.message);
    assert.ok(error.message.includes(argument.replace(/\[.*/, "")), `the message does not name ${argument}: ${error.message}`);
  }
  assert.ok(/\.$/.test(error.message) && error.message.length > 30, `not a sentence that helps: ${error.message}`);
  return error;
}

/** `action` throws a KvasmError with this code (and argument); returns it. */
export function throwsKvasm(action: () => unknown, code: KvasmErrorCode, argument?: string): KvasmError {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    return assertKvasmError(error, code, argument);
  }
  return assert.fail(`expected a KvasmError ${code} (${argument ?? "any argument"}), got ${String(result)}`);
}

/** The promise of `action` rejects with a KvasmError with this code (and argument); resolves to it. */
export async function rejectsKvasm(action: () => Promise<unknown>, code: KvasmErrorCode, argument?: string): Promise<KvasmError> {
  let result: unknown;
  try {
    result = await action();
  } catch (error) {
    return assertKvasmError(error, code, argument);
  }
  return assert.fail(`expected a KvasmError ${code} (${argument ?? "any argument"}), got ${String(result)}`);
}
