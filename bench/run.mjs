/**
 * Runs one benchmark of this folder: builds what is out of date, bundles the TypeScript and imports it, in whichever Node runs this file.
 *
 *   node bench/run.mjs NAME [ARGUMENTS]       the names are those of the files in bench/commands/
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../scripts/ensure.mjs";
import { build as buildPackage } from "../scripts/build.mjs";

const commands = join(root, "bench/commands");
const [name, ...args] = process.argv.slice(2);
const entry = join(commands, `${name}.ts`);
if (name === undefined || !existsSync(entry)) {
  const names = readdirSync(commands).map((file) => file.replace(/\.ts$/, ""));
  console.error(`usage: node bench/run.mjs NAME [ARGUMENTS]\nnames: ${names.join(", ")}`);
  process.exit(2);
}

// A benchmark over the bare module needs no more than that; so kernels can be measured while the bindings do not compile.
await buildPackage({ parts: process.env.KVASM_BENCH_PARTS?.split(",") ?? ["wasm", "javascript"] });
const esbuild = await import("esbuild");
const outfile = join(root, "build/bench", `${name}.js`);
mkdirSync(join(root, "build/bench"), { recursive: true });
await esbuild.build({
  entryPoints: [entry], outfile, bundle: true, format: "esm", platform: "node", target: "es2022", logLevel: "warning",
  plugins: [{
    // What is measured is the package as it is published, not a second bundle of its sources.
    name: "package",
    setup: ({ onResolve }) => onResolve({ filter: /\/bindings\/index\.ts$/ }, () => ({ path: "../../dist/index.js", external: true })),
  }],
});
process.argv = [process.argv[0], outfile, ...args];
await import(pathToFileURL(outfile).href);
