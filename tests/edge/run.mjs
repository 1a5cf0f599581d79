/**
 * The packed package on edge runtimes, as docs/EDGE.md shows it: Cloudflare's workerd by wrangler, Vercel's by @edge-runtime/vm, Deno Deploy's
 * restrictions as flags, and what JSR says of the clone.
 *
 *   node tests/edge/run.mjs [NAME]     NAME: part of workerd, vercel, deploy or publish
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ensure, install } from "../../scripts/ensure.mjs";
import { main, root } from "../../scripts/programs.mjs";
import { Results } from "../../scripts/testing/results.mjs";
import { sections } from "../bundlers/documentation.mjs";
import { unpack } from "../bundlers/project.mjs";
import { measured, story } from "../bundlers/run.mjs";
import { runDeploy, runPublish } from "./deno.mjs";
import { runVercel } from "./vercel.mjs";
import { runWorkerd } from "./wrangler.mjs";

const RUNNERS = { workerd: runWorkerd, vercel: runVercel, deploy: runDeploy, publish: runPublish };

export async function runEdge(results, pattern = "") {
  const documented = sections("docs/EDGE.md");
  const unpacked = await unpack();
  try {
    const context = { documented, unpacked, expected: await story(), plain: plainModel(unpacked) };
    for (const [name, run] of Object.entries(RUNNERS)) {
      if (name.includes(pattern)) await measured(results, name, (test) => run({ ...context, test }), "edge");
    }
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/** A folder with the model that ships with the package, its weights as they are. */
function plainModel(unpacked) {
  const from = join(unpacked, "package/models/stories");
  const to = join(unpacked, "plain");
  mkdirSync(to);
  cpSync(join(from, "config.json"), join(to, "config.json"));
  writeFileSync(join(to, "model.safetensors"), gunzipSync(readFileSync(join(from, "model.safetensors.gz"))));
  return to;
}

main(import.meta.url, async () => {
  await ensure();
  await Promise.all([install(join(root, "tests/edge")), install(join(root, "tests/runtimes"))]);
  const results = new Results();
  await runEdge(results, process.argv[2]);
  if (results.close() > 0) process.exitCode = 1;
});
