/** Where a job of engines.mjs can run: types.ts says what a runtime is. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { install } from "../../scripts/ensure.mjs";
import { root } from "../../scripts/programs.mjs";
import { findBrowsers } from "../../scripts/testing/runtimes.mjs";

const LIMIT = 300_000;

function answer({ id, marks }, began) {
  const steps = Object.fromEntries(Object.entries(marks).map(([name, at]) => [name, at - began]));
  return { id, steps, total: steps.token };
}

/** A fresh process for each job; counted from before it is started. */
export function nodeRuntime() {
  return {
    name: "Node", version: process.versions.node, isBrowser: false,
    async run(job) {
      const began = performance.timeOrigin + performance.now();
      const child = spawn(process.execPath, [join(root, "bench/loading/child.mjs"), JSON.stringify(job)], { stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT });
      let out = "";
      let errors = "";
      child.stdout.on("data", (text) => { out += text; });
      child.stderr.on("data", (text) => { errors += text; });
      const code = await new Promise((resolve, reject) => { child.once("error", reject).once("close", resolve); });
      if (code !== 0) throw new Error(`Node, ${job.engine}: the process that was measured failed.\n${errors}`);
      return answer(JSON.parse(out), began);
    },
    close: async () => {},
  };
}

/** The browsers of these names that this machine has: a new page for each job, counted from the beginning of its navigation. */
export async function browserRuntimes(origin, names) {
  const found = findBrowsers().filter(({ name, executablePath }) => executablePath !== undefined && names.includes(name));
  if (found.length === 0) return [];
  const folder = join(root, "tests/browser");
  await install(folder);
  const driver = createRequire(join(folder, "package.json")).resolve("puppeteer-core");
  const { default: puppeteer } = await import(pathToFileURL(driver).href);
  return Promise.all(found.map((browser) => browserRuntime(puppeteer, origin, browser)));
}

async function browserRuntime(puppeteer, origin, { name, browser: kind, executablePath }) {
  // Chromium's sandbox does not start for root, as whom containers run.
  const args = kind === "chrome" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000, protocolTimeout: LIMIT });
  return {
    name, version: (await browser.version()).replace(/^\D*/, ""), isBrowser: true,
    async run(job) {
      const page = await browser.newPage();
      try {
        await page.goto(`${origin}/bench/page.html?job=${encodeURIComponent(JSON.stringify(job))}`);
        await page.waitForFunction("window.firstToken !== undefined", { timeout: LIMIT, polling: 50 });
        const reported = await page.evaluate("window.firstToken");
        if (reported.error !== undefined) throw new Error(`${name}, ${job.engine}: ${reported.error}`);
        return answer(reported, reported.began);
      } finally {
        await page.close();
      }
    },
    close: () => browser.close(),
  };
}
