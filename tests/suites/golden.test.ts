/**
 * Golden bits: what every runtime on every processor must compute, recorded once by the oracle (tests/oracle/record-golden.ts).
 * A failure is a bug or a new version of the numerics; recording again is no cure.
 */
import { concatenated, digest } from "../oracle/golden.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { withModel } from "../support/models.ts";
import { readGolden } from "../support/reference-golden.ts";
import type { Folder } from "../support/reference.ts";

/** Tiny models only: under an emulated processor these take seconds. The stories model has a suite of its own. */
const FOLDERS: Folder[] = [
  "base", "base-bf16", "odd", "head-size-10", "activation-gelu", "activation-quick_gelu", "activation-relu", "activation-silu",
  "activation-tanh", "no-scale", "inverse-layer", "epsilon-large", "untied", "prefix",
];

describe("golden bits", () => {
  it("are recorded for all of these models", async () => {
    const { models, integers, numerics } = await readGolden();
    assert.equal(numerics, 2);
    assert.deepEqual(models.map(({ folder }) => folder), [...FOLDERS, "stories"]);
    const types = integers.map(({ weights, cache }) => `${weights} ${cache}`);
    for (const weights of ["f32", "q8", "q4"]) {
      for (const cache of ["f32", "f16", "q8"]) assert.equal(types.includes(`${weights} ${cache}`), weights !== cache || weights === "q8", `${weights} ${cache}`);
    }
  });

  for (const folder of FOLDERS) {
    it(folder, async () => {
      const golden = (await readGolden()).models.find((one) => one.folder === folder)!;
      await withModel(folder, async (model) => {
        const { logits, hiddenStates } = model.trace(golden.ids, { hiddenStates: true });
        assert.equal(await digest(logits), golden.logits, "logits");
        assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates, "hidden states");
        const sequence = model.sequence();
        const oneByOne = concatenated(golden.ids.map((id) => sequence.decode(id)));
        sequence.dispose();
        assert.equal(await digest(oneByOne), golden.logits, "one token at a time");
      });
    });
  }

  it("of integer weights and of caches in binary16 and int8", async () => {
    for (const golden of (await readGolden()).integers.filter(({ folder }) => folder !== "stories")) {
      const { folder, weights, cache, ids } = golden;
      const what = `${folder}, ${weights} weights, ${cache} cache`;
      await withModel(folder as Folder, async (model) => {
        const { logits, hiddenStates } = model.trace(ids, { hiddenStates: true });
        assert.equal(await digest(logits), golden.logits, `${what}: logits`);
        assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates, `${what}: hidden states`);
        const sequence = model.sequence();
        assert.equal(await digest(concatenated(ids.map((id) => sequence.decode(id)))), golden.logits, `${what}: one token at a time`);
        sequence.dispose();
        assert.equal(model.verify(ids).identical, true, `${what}: every way`);
      }, { weights, cache });
    }
  });

  it("are missed by a single bit, and by a single other token", async () => {
    const golden = (await readGolden()).models[0];
    await withModel("base", async (model) => {
      const { logits } = model.trace(golden.ids);
      new Uint32Array(logits.buffer)[logits.length - 1] ^= 1;
      assert.notEqual(await digest(logits), golden.logits);
      assert.notEqual(await digest(model.trace([...golden.ids.slice(0, -1), 0]).logits), golden.logits);
    });
  });

  it("draws and the distributions that they are from", async () => {
    const { sampling } = await readGolden();
    await withModel("base", async (model) => {
      for (const { folder, ids, seed, settings, drawn, distributions } of sampling) {
        assert.equal(folder, "base");
        const sequence = model.sequence();
        let logits = sequence.prefill(ids);
        const history = [...ids];
        const all: Float32Array[] = [];
        for (const expected of drawn) {
          all.push(model.distribution(logits, settings, history));
          const id = sequence.sample({ ...settings, seed });
          assert.equal(id, expected, `draw ${history.length - ids.length}`);
          history.push(id);
          logits = sequence.decode(id);
        }
        sequence.dispose();
        assert.equal(await digest(concatenated(all)), distributions);

        const generated: number[] = [];
        for await (const { id } of model.generate(ids, { ...settings, seed, maxTokens: drawn.length, ignoreEos: true })) generated.push(id);
        assert.deepEqual(generated, drawn, "generate");
        generated.length = 0;
        for await (const { id } of model.generate(ids, { ...settings, seed: seed === 0 ? 1 : 0, maxTokens: drawn.length, ignoreEos: true })) generated.push(id);
        assert.notDeepEqual(generated, drawn, "another seed");
      }
    });
  });

  it("hold whatever the length of a chunk", async () => {
    const golden = (await readGolden()).models[0];
    await withModel("base", async (model) => {
      const whole = model.trace(golden.ids).logits;
      for (const chunk of [1, 7, 16, 17, 33]) {
        const sequence = model.sequence();
        const parts: Float32Array[] = [];
        for (let at = 0; at < golden.ids.length; at += chunk) parts.push(sequence.prefill(golden.ids.slice(at, at + chunk), { all: true }));
        sequence.dispose();
        sameBits(concatenated(parts), whole, `chunks of ${chunk}`);
      }
    });
  });
});
