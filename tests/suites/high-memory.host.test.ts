/** The arena anywhere in 4 GiB: across 2 GiB, where addresses become negative numbers in JavaScript, and up to the end. */
import { KvasmError, load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { concatenated, digest } from "../oracle/golden.ts";
import { assert, describe, it } from "../support/harness.ts";
import { readGolden } from "../support/reference-golden.ts";
import { checkpointFiles } from "../support/reference.ts";

/** An option for tests alone: bindings/model/load.ts. */
const at = (base: number): LoadOptions => ({ maxSequences: 2, [Symbol.for("kvasm.arenaBase")]: base } as LoadOptions);

const GIB = 2 ** 30;
const LIMIT = 2 ** 32 - 65536;

async function arenaBytes(): Promise<number> {
  const model = await load(await checkpointFiles("base"), at(0));
  const { total } = model.memory;
  model.dispose();
  return total;
}

async function assertGolden(model: Model): Promise<void> {
  const { models: [golden], sampling } = await readGolden();
  const { logits, hiddenStates } = model.trace(golden.ids, { hiddenStates: true, attentions: true });
  assert.equal(await digest(logits), golden.logits);
  assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates);
  const sequence = model.sequence();
  assert.equal(await digest(concatenated(golden.ids.map((id) => sequence.decode(id)))), golden.logits);
  sequence.truncate(20);
  const branch = sequence.fork();
  branch.decode(golden.ids[20]);
  assert.deepEqual(Array.from(branch.ids), golden.ids.slice(0, 21));
  for (const { ids, seed, settings, drawn } of sampling) {
    const generated: number[] = [];
    for await (const { id } of model.generate(ids, { ...settings, seed, maxTokens: drawn.length, ignoreEos: true })) generated.push(id);
    assert.deepEqual(generated, drawn);
  }
  const report = model.verify(golden.ids.slice(0, 40));
  assert.equal(report.identical, true);
}

describe("golden bits beyond 2 GiB", () => {
  for (const [where, base] of [
    ["across 2 GiB", async () => 2 * GIB - (await arenaBytes()) / 2],
    ["from 2 GiB on", async () => 2 * GIB],
    ["at 3.5 GiB", async () => 3.5 * GIB],
    ["up to the last address that is allowed", async () => LIMIT - Math.ceil((await arenaBytes()) / 64) * 64],
  ] as const) {
    it(where, async () => {
      const before = process.memoryUsage().rss;
      const model = await load(await checkpointFiles("base"), at(await base()));
      try {
        await assertGolden(model);
        const grown = process.memoryUsage().rss - before;
        assert.ok(grown < 256 * 2 ** 20, `untouched pages cost nothing, but ${(grown / 2 ** 20).toFixed(0)} MiB became resident`);
      } finally {
        model.dispose();
      }
    });
  }

  it("one step further is an error that says how much does not fit", async () => {
    const base = LIMIT - (await arenaBytes()) / 2;
    await assert.rejects(load(await checkpointFiles("base"), at(base)), (error: unknown) => {
      return KvasmError.is(error) && error.code === "memory" && /\d/.test(error.message);
    });
    await assertGolden(await load(await checkpointFiles("base"), at(2 * GIB)));
  });
});
