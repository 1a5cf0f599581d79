/** What becomes of a process and of its workers when nobody ends them, and of sequences that are dropped. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../bindings/entries/worker.ts";
import { root, runScript, runtime } from "../support/command.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";
import { checkpointFiles } from "../support/reference.ts";

/** A program over dist/worker.js in a process of its own. It says what it prints; it has to end within 30 s. */
async function program(body: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kvasm-worker-"));
  try {
    const script = join(folder, "program.mjs");
    await writeFile(script, `
      import { pathToFileURL } from "node:url";
      const { connect } = await import(pathToFileURL(${JSON.stringify(join(root, "dist/worker.js"))}).href);
      const late = setTimeout(() => { console.log("still here"); process.exit(3); }, 30_000);
      late.unref();
      ${body}
    `);
    const { code, stdout, stderr } = await runScript(script);
    assert.equal(code, 0, stderr + stdout);
    return stdout.trim();
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("a process with a model in a worker", () => {
  // Deno keeps a process as long as it has a worker, and gives no way to say otherwise: there the model has to be disposed of.
  if (runtime !== "deno") it("ends by itself when it has nothing more to do, though nobody disposed of the model", async () => {
    assert.equal(await program(`
      const model = await connect();
      let count = 0;
      for await (const _ of model.generate("Once", { maxTokens: 3, ignoreEos: true })) count++;
      console.log(count);
    `), "3");
  });

  if (runtime !== "deno") it("stays until what it asked for has come", async () => {
    assert.equal(await program(`
      const model = await connect();
      const sequence = await model.sequence();
      sequence.prefill([1, 2, 3]).then((logits) => console.log(logits.length));
    `), "50257");
  });

  it("ends after dispose, also in the middle of a text", async () => {
    assert.equal(await program(`
      const model = await connect();
      const generation = model.generate("Once", { maxTokens: 400, ignoreEos: true });
      await generation.next();
      const next = generation.next().then(() => "a token", (error) => error.code);
      await model.dispose();
      console.log(["a token", "disposed"].includes(await next));
    `), "true");
  });
});

describe("a sequence in a worker", () => {
  const collect = (globalThis as { gc?: () => void }).gc ?? (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc.bind(undefined, true);

  if (collect !== undefined) it("is given back when it was dropped and is collected", async () => {
    const model = await connect(await checkpointFiles("odd"));
    const all = await model.freePages();
    const drop = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) await (await model.sequence()).append([1, 2, 3]);
    };
    await drop();
    assert.ok(await model.freePages() < all);
    for (let turn = 0; turn < 100 && await model.freePages() < all; turn++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(await model.freePages(), all);
    await model.dispose();
  });
});

describe("estimate in a worker", () => {
  it("crosses, and refuses what cannot", async () => {
    const model = await connect(await checkpointFiles("odd"));
    const { memory, fits } = await model.estimate(model.config, { maxSequences: 1 });
    assert.ok(fits && memory.total > 0);
    await rejectsKvasm(() => model.estimate(model.config, { limit: (() => 1) as unknown as number }), "type", "limit");
    await model.dispose();
  });
});
