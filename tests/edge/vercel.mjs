/** Vercel's edge runtime: the module is compiled before, as its build does; then with functions that are there and throw, as some versions have them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { makeProject } from "../bundlers/project.mjs";
import { serve } from "../bundlers/serve.mjs";

/** What throws when it is used, in Next.js' edge sandbox among others. */
const STUBS = ["setImmediate", "clearImmediate", "MessageChannel", "MessagePort", "DecompressionStream", "FinalizationRegistry", "WeakRef", "SharedArrayBuffer"];

export async function runVercel({ documented, unpacked, plain, expected, test }) {
  const { "src/story.js": program } = documented.get("The program").files;
  const folder = await makeProject(unpacked, "vercel", { "src/story.js": program, ...documented.get("Vercel").files }, { type: "module" }, "tests/edge");
  const { outputFiles: [{ text: code }] } = await build({
    absWorkingDir: folder, entryPoints: ["src/edge.js"], bundle: true, write: false, format: "iife", conditions: ["edge-light"], logLevel: "silent", plugins: [compiledBefore],
  });
  const module = await WebAssembly.compile(readFileSync(join(folder, "node_modules/kvasm/dist/kvasm.wasm")));
  const server = await serve({ "/plain/": plain, "/gz/": join(folder, "node_modules/kvasm/models/stories") });
  const { EdgeVM } = await import("@edge-runtime/vm");

  const answer = async (stubs) => {
    const runtime = new EdgeVM({ extend: (context) => Object.assign(context, { kvasm_module: module }), codeGeneration: { strings: false, wasm: false } });
    for (const name of stubs) runtime.evaluate(`globalThis.${name} = (() => { throw new Error("${name} is not supported in the Edge Runtime"); });`);
    if (stubs.length > 0) runtime.evaluate(`let refused = false; try { new ${stubs[0]}(); } catch { refused = true; } if (!refused) throw new Error("the stubs do not throw");`);
    runtime.evaluate(code);
    const response = await runtime.dispatchFetch(`${server.origin}/`);
    const text = await response.text();
    if (text !== expected) throw new Error(`${response.status} ${JSON.stringify(text.slice(0, 400))}`);
  };
  try {
    await test("writes with its module compiled before and a plain model", () => answer([]));
    await test("a function that throws counts as absent", () => answer(STUBS));
    for (const name of STUBS) await test(`${name} alone`, () => answer([name]));
  } finally {
    await server.close();
  }
}

/** Vercel's build puts a compiled module where `?module` is imported. */
const compiledBefore = {
  name: "compiled-before",
  setup(build) {
    build.onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "module" }));
    build.onLoad({ filter: /./, namespace: "module" }, () => ({ contents: "export default globalThis.kvasm_module;" }));
  },
};
