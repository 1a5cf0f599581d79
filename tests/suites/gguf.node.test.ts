/** What GGUF files that fail have taken is given back. Runs with --expose-gc. */
import { setImmediate as turn } from "node:timers/promises";
import { load } from "../../bindings/index.ts";
import { KvasmError } from "../../bindings/errors.ts";
import { ggufOf, wideCheckpoint } from "../support/gguf.ts";
import { assert, describe, it } from "../support/harness.ts";

const gc = (globalThis as { gc?: () => void }).gc;

describe("GGUF: memory", () => {
  async function resident(): Promise<number> {
    for (let i = 0; i < 5; i++) {
      gc!();
      await turn();
    }
    return process.memoryUsage.rss();
  }

  it("does not grow over 150 files that break off in their last tensor", { timeout: 120_000 }, async () => {
    const good = ggufOf(wideCheckpoint()); // more than 4 MB of weights
    const damaged = good.slice();
    damaged.fill(0xff, damaged.length - 64, damaged.length - 60);
    const fail = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        await assert.rejects(() => load({ "model.gguf": damaged }), (error) => KvasmError.is(error) && error.code === "non-finite");
      }
    };
    await fail(20);
    const before = await resident();
    await fail(150);
    const grown = await resident() - before;
    assert.ok(grown < 64 << 20, `${grown} bytes`); // 150 models would be ten times that

    // Negative control: models that are held are seen.
    const held = [];
    for (let i = 0; i < 24; i++) held.push(await load({ "model.gguf": good }));
    assert.ok(await resident() - before > 64 << 20);
    for (const model of held) model.dispose();
  });
});
