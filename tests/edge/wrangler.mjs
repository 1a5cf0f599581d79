/** Cloudflare's workers: built by wrangler, served by `wrangler dev`, which runs workerd; with `nodejs_compat` and without. */
import { join } from "node:path";
import { root } from "../../scripts/programs.mjs";
import { makeProject, run } from "../bundlers/project.mjs";
import { startServer } from "../bundlers/server-process.mjs";

// Wrangler needs Node 22.
const wrangler = [join(root, "tests/runtimes/node_modules/node24/bin/node"), "node_modules/wrangler/bin/wrangler.js"];
const kvasm = [process.execPath, "node_modules/kvasm/dist/cli.js"];
/** Nothing of it speaks to the network or writes outside the project. */
const alone = { WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: ".wrangler/logs", CLOUDFLARE_CF_FETCH_ENABLED: "false", CI: "1" };

export async function runWorkerd({ documented, unpacked, expected, test }) {
  const { "src/story.js": program } = documented.get("The program").files;
  const { files, commands } = documented.get("Cloudflare Workers");
  const folder = await makeProject(unpacked, "workerd", { "src/story.js": program, ...files }, { type: "module" }, "tests/edge");
  Object.assign(process.env, alone);
  const isBuilt = await test("is built by wrangler, without a warning", async () => {
    const output = await run(folder, commands, { wrangler, kvasm });
    if (/warning|wasn't found/i.test(output)) throw new Error(output);
  });
  if (!isBuilt) return;
  for (const flags of [[], ["--compatibility-flags", "nodejs_compat"]]) {
    const server = await startServer([...wrangler, "dev", "--ip", "127.0.0.1", "--inspector-port", "0", ...flags, "--port"], folder);
    try {
      for (const path of ["assets", "shards", "stream", "parts"]) {
        await test(`writes from ${path}, ${flags[1] ?? "no compatibility flag"}`, async () => {
          const response = await fetch(`${server.origin}/${path}`, { signal: AbortSignal.timeout(90_000) });
          const text = await response.text();
          if (text !== expected) throw new Error(`${response.status} ${text.slice(0, 400)}\n${server.output().slice(-3000)}`);
        });
      }
      if (/WARNING/i.test(server.output())) await test("no warning from wrangler dev", async () => { throw new Error(server.output()); });
    } finally {
      await server.close();
    }
  }
}
