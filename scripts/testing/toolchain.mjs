/** The checks that the tools themselves make: TypeScript and as-pect. */
import { join } from "node:path";
import { root } from "../ensure.mjs";
import { capture } from "./processes.mjs";

/** One test: the whole repository type-checks. */
export async function checkTypes(results) {
  const { code, output, seconds } = await capture(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."]);
  results.add("TypeScript", "types", { passed: code === 0 ? 1 : 0, failures: code === 0 ? [] : ["types"], seconds, details: output });
}

/** The kernels against scalar references in their own language. */
export async function runAsPect(results) {
  const { code, output, seconds } = await capture(process.execPath, [join(root, "node_modules/@as-pect/cli/bin/asp.js"), "--summary"]);
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const match = /\[Tests\]: (\d+) \/ (\d+)/.exec(plain);
  const passed = Number(match?.[1] ?? 0);
  const failures = Array.from({ length: Number(match?.[2] ?? 0) - passed }, () => "a test of as-pect, below");
  if (code !== 0 && failures.length === 0) failures.push(`(exit ${code})`);
  if (passed === 0 && failures.length === 0) failures.push("(no test ran)");
  results.add("as-pect", "kernels", { passed, failures, seconds, details: plain });
}
