/**
 * Runs an example in this Node, whatever its language: npm run example why-a-kv-cache, npm run example browser
 *
 * Installs and builds first what is missing. TypeScript is translated here, as Node 20 does not do so by itself.
 */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ensure } from "../scripts/ensure.mjs";
import { main } from "../scripts/programs.mjs";

const folder = fileURLToPath(new URL("./", import.meta.url));

main(import.meta.url, async () => {
  const [name, ...args] = process.argv.slice(2);
  const candidates = name === undefined ? [] : [`${name}.mjs`, `${name}.ts`, `${name}/serve.mjs`];
  const file = candidates.find((candidate) => existsSync(folder + candidate));
  if (file === undefined || file === "deno.ts" || file === "bun.ts") {
    const names = readdirSync(folder).map((entry) => entry.replace(/\.(mjs|ts)$/, "")).filter((entry) => !["run", "deno", "bun"].includes(entry));
    throw new Error(`no example ${JSON.stringify(name ?? "")} for Node. Examples: ${[...new Set(names)].join(", ")}`);
  }
  await ensure();
  let script = folder + file;
  if (file.endsWith(".ts")) {
    // import.meta.url stays the address of the source, from which the example finds its files.
    const esbuild = await import("esbuild");
    script = fileURLToPath(new URL(`../build/examples/${name}.mjs`, import.meta.url));
    await esbuild.build({
      entryPoints: [folder + file], outfile: script, bundle: true, format: "esm", platform: "node", target: "node20", external: ["kvasm"],
      define: { "import.meta.url": JSON.stringify(pathToFileURL(folder + file).href) },
    });
  }
  process.argv = [process.argv[0], script, ...args];
  await import(pathToFileURL(script).href);
});
