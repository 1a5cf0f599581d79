/** GPT-2 124M of random weights in int4, in parts of at most 25 MiB. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../", import.meta.url));

export async function makeModel(folder) {
  const bundle = join(root, "build", `workerd-model.${process.pid}.mjs`);
  await build({
    stdin: { contents: 'export { randomModel } from "./bindings/bench/random-model.ts"; export { SHAPES } from "./bindings/bench/shapes.ts";', resolveDir: root },
    bundle: true, format: "esm", outfile: bundle, logLevel: "silent",
  });
  const { randomModel, SHAPES } = await import(pathToFileURL(bundle).href);
  await rm(bundle);
  const { convert } = await import("../../dist/convert.js");
  await convert(randomModel(SHAPES["124M"]), folder, { weights: "q4", shardBytes: 25 * 2 ** 20 });
}
