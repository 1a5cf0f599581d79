/** Threads in pages that are isolated by their headers: workers of a blob, and of an address where the policy forbids blobs. */
import assert from "node:assert/strict";
import { outcomeOf } from "./outcome.mjs";
import { installDriver } from "./run.mjs";
import { startServer } from "./server.mjs";

/** Adds two tests to Results. */
export async function runThreadsPage(results, { name, browser: kind, executablePath }) {
  await installDriver();
  const { default: puppeteer } = await import("puppeteer-core");
  const began = performance.now();
  const failures = [];
  const details = [];
  const server = await startServer();
  const args = kind === "chrome" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  let browser;
  const test = async (title, body) => {
    try {
      await body();
    } catch (error) {
      failures.push(title);
      details.push(`${title}: ${error.message}`);
    }
  };
  try {
    browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000, protocolTimeout: 180_000 });
    for (const [title, page, fromBlob] of [["workers of a blob have the bits of one thread", "blob", true], ["where a policy forbids blobs, workers of an address do, and without one a reason is told", "self", false]]) {
      await test(title, async () => {
        const { error, isolated, one, ...others } = await outcomeOf(browser, `${server.origin}/tests/browser/isolated/${page}.html`, 90);
        assert.equal(error, undefined);
        assert.equal(isolated, true);
        assert.equal(others.page.threads.used, fromBlob ? 3 : 1, JSON.stringify(others.page.threads));
        if (!fromBlob) assert.match(others.page.threads.reason, /worker/i);
        assert.equal(others.pageByAddress.threads.used, 2, JSON.stringify(others.pageByAddress.threads));
        assert.equal(others.worker.threads.used, 2, JSON.stringify(others.worker.threads));
        for (const [where, { text, identical, threads, ways }] of Object.entries(others)) {
          assert.equal(text, one.text, where);
          assert.ok(identical, where);
          assert.equal(ways.includes("on one thread"), threads.used > 1, where);
        }
      });
    }
  } finally {
    await browser?.close();
    await server.close();
  }
  results.add(name, "threads-page", { passed: 2 - failures.length, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}
