/**
 * Runs one benchmark of this folder: builds what is out of date, bundles the TypeScript and imports it, in whichever Node runs this file.
 *
 *   node bench/run.mjs bench/commands/end-to-end.ts [ARGUMENTS]
 */
import { existsSync, mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../scripts/programs.mjs";
import { build as buildPackage } from "../scripts/build.mjs";

const [file, ...args] = process.argv.slice(2);
const entry = resolve(file ?? "");
if (!file?.endsWith(".ts") || !existsSync(entry)) {
  console.error("usage: node bench/run.mjs FILE.ts [ARGUMENTS]\nbench/README.md lists the files.");
  process.exit(2);
}

// A benchmark over the bare module needs no more than that; so kernels can be measured while the bindings do not compile.
await buildPackage({ parts: process.env.KVASM_BENCH_PARTS?.split(",") ?? ["wasm", "javascript"] });
const esbuild = await import("esbuild");
const outfile = join(root, "build/bench", `${basename(entry, ".ts")}.js`);
mkdirSync(join(root, "build/bench"), { recursive: true });
await esbuild.build({
  entryPoints: [entry], outfile, bundle: true, format: "esm", platform: "node", target: "es2022", logLevel: "warning", loader: { ".wasm": "binary" },
  plugins: [{
    // What is measured is the package as it is published, not a second bundle of its sources.
    name: "package",
    setup: ({ onResolve }) => onResolve({ filter: /\/bindings\/index\.ts$/ }, () => ({ path: "../../dist/index.js", external: true })),
  }],
});
process.argv = [process.argv[0], outfile, ...args];
await import(pathToFileURL(outfile).href);
