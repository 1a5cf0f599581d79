/** The checks that the tools themselves make: TypeScript and as-pect. */
import { join } from "node:path";
import { root } from "../programs.mjs";
import { capture } from "./processes.mjs";

/** Two tests: the whole repository type-checks. AssemblyScript has types of its own; its compiler reads only what an entry reaches. */
export async function checkTypes(results) {
  for (const [name, project] of [["types", "."], ["types of assembly", "assembly"]]) {
    const { code, output, seconds } = await capture(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", project]);
    results.add("TypeScript", name, { passed: code === 0 ? 1 : 0, failures: code === 0 ? [] : [name], seconds, details: output });
  }
}

/** The kernels against scalar references in their own language; with relaxed SIMD, as kvasm.relaxed.wasm has them, if `node` can. */
export async function runAsPect(results, { relaxed = false, node = process.execPath } = {}) {
  const flags = relaxed ? ["--as-config", "as-pect.relaxed.asconfig.json"] : [];
  // The program itself: the command would start whatever Node is first in the path.
  const { code, output, seconds } = await capture(node, ["--enable-source-maps", join(root, "node_modules/@as-pect/cli/lib/test.js"), "--summary", ...flags]);
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const match = /\[Tests\]: (\d+) \/ (\d+)/.exec(plain);
  const passed = Number(match?.[1] ?? 0);
  const failures = Array.from({ length: Number(match?.[2] ?? 0) - passed }, () => "a test of as-pect, below");
  if (code !== 0 && failures.length === 0) failures.push(`(exit ${code})`);
  if (passed === 0 && failures.length === 0) failures.push("(no test ran)");
  results.add("as-pect", relaxed ? "kernels, relaxed SIMD" : "kernels", { passed, failures, seconds, details: plain });
}

/** A function of one i8x16.relaxed_swizzle. */
const RELAXED_SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 0, 253, 15, 65, 0, 253, 15, 253, 128, 2, 11);

/** Whether the Node that runs this has relaxed SIMD. */
export const hasRelaxedSimd = () => WebAssembly.validate(RELAXED_SIMD);
