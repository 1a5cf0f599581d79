/** Next.js with one of its compilers: the page's client component, a route on Node, one on the edge runtime, and the standalone server. */
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { build, makeProject } from "./project.mjs";
import { programs } from "./projects.mjs";
import { startServer } from "./server-process.mjs";

export async function runNext(compiler, { files, unpacked, opened, expected, test }) {
  const { "next.config.mjs": configuration, ...application } = files;
  // Turbopack needs no configuration; webpack has the page's.
  const isConfigured = compiler === "webpack";
  const folder = await makeProject(unpacked, `next-${compiler}`, { ...application, ...(isConfigured && { "next.config.mjs": configuration }) }, {});
  const lines = isConfigured ? configuration.split("\n").filter((line) => line.includes("kvasm")).length : 0;
  console.log(`  next, ${compiler}: ${lines} lines of configuration`);
  plainModel(join(folder, "node_modules/kvasm/models/stories"), join(folder, "public/plain"));

  if (!(await test("builds", () => build(folder, [`next build --${compiler}`])))) return;
  await test("serves, each on its runtime", async () => {
    const server = await startServer([...programs.next, "start", "-H", "127.0.0.1", "-p"], folder);
    try {
      await same(server, "node", expected);
      await same(server, "edge", expected);
      for (const browser of opened.all) {
        const { page } = await browser.read(`${server.origin}/`, ["page"]);
        if (page !== expected) throw new Error(`${browser.name}: ${JSON.stringify(page)}`);
      }
    } finally {
      await server.close();
    }
  });
  // With the page's configuration, `next start` has given way to the standalone server: only what was traced is there.
  if (!isConfigured) return;
  await test("runs alone, from what was traced", async () => {
    const alone = join(folder, ".next/standalone");
    const entry = readdirSync(alone, { recursive: true }).filter((path) => /(^|\/)server\.js$/.test(path) && !path.includes("node_modules")).sort((a, b) => a.length - b.length)[0];
    const server = await startServer([process.execPath, join(alone, entry)], join(alone, entry, ".."), { portArgument: false });
    try {
      await same(server, "node", expected);
    } finally {
      await server.close();
    }
  });
}

async function same(server, route, expected) {
  const response = await fetch(`${server.origin}/${route}`, { signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (text !== expected) throw new Error(`/${route} answered ${response.status} ${JSON.stringify(text.slice(0, 400))}\n${server.output().slice(-2000)}`);
}

/** The model with its weights as they are: the edge runtime decompresses nothing. */
function plainModel(from, to) {
  mkdirSync(to, { recursive: true });
  cpSync(join(from, "config.json"), join(to, "config.json"));
  writeFileSync(join(to, "model.safetensors"), gunzipSync(readFileSync(join(from, "model.safetensors.gz"))));
}
