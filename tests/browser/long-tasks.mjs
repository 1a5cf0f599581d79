/**
 * The main thread of a page that has a model of GPT-2 124M's size in a worker: no task of it is longer than 50 ms, while the model is
 * loaded and while it generates. In Chromium, which tells of such tasks. Alone: another program on the same cores makes every task longer.
 */
import assert from "node:assert/strict";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { root } from "../../scripts/programs.mjs";
import { outcomeOf } from "./outcome.mjs";
import { installDriver } from "./run.mjs";
import { startServer } from "./server.mjs";

/** What Chromium calls long: beyond 50 ms. A task that a busy machine interrupted does not show again. */
const TRIES = 3;

async function writeModel(folder) {
  const bundle = join(folder, "random-model.mjs");
  await build({ absWorkingDir: root, entryPoints: ["bindings/bench/random-model.ts"], bundle: true, format: "esm", platform: "node", outfile: bundle, logLevel: "silent" });
  const { randomConfig, randomSafetensors } = await import(pathToFileURL(bundle).href);
  const shape = { n_layer: 12, n_head: 12, n_embd: 768, n_inner: 3072, n_positions: 1024, vocab_size: 50257 };
  await writeFile(join(folder, "config.json"), JSON.stringify(randomConfig(shape)));
  await pipeline(randomSafetensors(shape, 1), createWriteStream(join(folder, "model.safetensors")));
}

/** Adds two tests to Results. */
export async function runLongTasks(results, { name, browser: kind, executablePath }) {
  await installDriver();
  const { default: puppeteer } = await import("puppeteer-core");
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "kvasm-long-tasks-"));
  const failures = [];
  const details = [];
  let browser;
  let server;
  const test = async (title, body) => {
    try {
      await body();
    } catch (error) {
      failures.push(title);
      details.push(`${title}: ${error.message}`);
    }
  };
  try {
    await writeModel(folder);
    server = await startServer({ "/model/": folder });
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000, protocolTimeout: 180_000 });
    const address = `${server.origin}/tests/browser/long-tasks.html`;
    await test("no task of the page is longer than 50 ms while a worker loads 124M and generates", async () => {
      let outcome;
      for (let turn = 0; turn < TRIES; turn++) {
        outcome = await outcomeOf(browser, address, 30);
        assert.equal(outcome.tokens, 12, JSON.stringify(outcome));
        if (outcome.tasks.length === 0) return;
      }
      assert.deepEqual(outcome.tasks, []);
    });
    await test("a prompt in one call on the page's own thread is a long task, and it is seen", async () => {
      const outcome = await outcomeOf(browser, `${address}?here`, 30);
      assert.equal(outcome.tokens, 12, JSON.stringify(outcome));
      assert.ok(outcome.tasks.length > 0);
    });
  } catch (error) {
    failures.push("(start)");
    details.push(error.message);
  } finally {
    await browser?.close().catch(() => {});
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  }
  results.add(name, "long-tasks", { passed: 2 - Math.min(2, failures.length), failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}
