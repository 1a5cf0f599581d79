/** trace: shapes, agreement with prefill, attention, and steps that do not show. Truth in float64 is another suite's. */
import fc from "fast-check";
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { throwsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_BOOLEAN, NOT_IDS, NOT_INTEGER, NOT_NUMBER, NOT_OPTIONS, badIds } from "../support/hostile.ts";
import { someIds, withBrokenPosition, withModel, withPositions } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

describe("trace", () => {
  let model: Model;
  let ids: number[];

  before(async () => {
    model = await load(await checkpointFiles("odd"));
    ids = someIds(37, model.config.vocab_size);
  });
  after(() => model.dispose());

  it("has the shapes of Hugging Face's outputs, and only what was asked for", () => {
    const { n_layer, n_head, n_embd, vocab_size } = model.config;
    const { logits, hiddenStates, attentions } = model.trace(ids, { hiddenStates: true, attentions: true });
    assert.equal(logits.length, 37 * vocab_size);
    assert.deepEqual(hiddenStates!.map(({ length }) => length), Array(n_layer + 1).fill(37 * n_embd));
    assert.deepEqual(attentions!.map(({ length }) => length), Array(n_layer).fill(n_head * 37 * 37));
    assert.deepEqual(Object.keys(model.trace(ids)), ["logits"]);
    assert.deepEqual(Object.keys(model.trace(ids, { attentions: true, hiddenStates: false })).sort(), ["attentions", "logits"]);
  });

  it("has prefill's logits", () => {
    const sequence = model.sequence();
    sameBits(model.trace(ids, { attentions: true }).logits, sequence.prefill(ids, { all: true }));
    sequence.dispose();
  });

  it("is the same in steps of any sizes", () => {
    const whole = model.trace(ids, { hiddenStates: true, attentions: true });
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }), (steps) => {
      const other = model.trace(ids, { hiddenStates: true, attentions: true, steps });
      sameBits(other.logits, whole.logits, "logits");
      other.hiddenStates!.forEach((state, layer) => sameBits(state, whole.hiddenStates![layer], `hidden state ${layer}`));
      other.attentions!.forEach((rows, layer) => sameBits(rows, whole.attentions![layer], `attention ${layer}`));
    }), { seed: 20260611, numRuns: 40 });
  });

  it("is the same over more tokens than a step takes", async () => {
    await withModel(withPositions(await checkpointFiles("odd"), 200), (long) => {
      const many = someIds(200, long.config.vocab_size);
      const whole = long.trace(many, { hiddenStates: true, attentions: true });
      const other = long.trace(many, { hiddenStates: true, attentions: true, steps: many.map(() => 1) });
      sameBits(other.logits, whole.logits, "logits");
      whole.attentions!.forEach((rows, layer) => sameBits(other.attentions![layer], rows, `attention ${layer}`));
      whole.hiddenStates!.forEach((state, layer) => sameBits(other.hiddenStates![layer], state, `hidden state ${layer}`));
      // A row is what it is inside a shorter text.
      const short = long.trace(many.slice(0, 70), { hiddenStates: true });
      short.hiddenStates!.forEach((state, layer) => sameBits(state, whole.hiddenStates![layer].subarray(0, state.length), `prefix, layer ${layer}`));
    });
  });

  it("differs when a token does, from that token on and not before", () => {
    const changed = [...ids];
    changed[20] = (changed[20] + 1) % model.config.vocab_size;
    const { vocab_size } = model.config;
    const [a, b] = [model.trace(ids), model.trace(changed)];
    sameBits(a.logits.subarray(0, 20 * vocab_size), b.logits.subarray(0, 20 * vocab_size), "before");
    for (let t = 20; t < 37; t++) {
      differentBits(a.logits.subarray(t * vocab_size, (t + 1) * vocab_size), b.logits.subarray(t * vocab_size, (t + 1) * vocab_size), `row ${t}`);
    }
  });

  it("has attention rows that add up to 1 and are +0 above the diagonal", () => {
    const { attentions } = model.trace(ids, { attentions: true });
    for (const rows of attentions!) {
      for (let row = 0; row < rows.length / 37; row++) {
        const query = row % 37;
        let sum = 0;
        for (let key = 0; key < 37; key++) {
          const p = rows[row * 37 + key];
          if (key > query) assert.ok(Object.is(p, 0), `row ${row}, key ${key}: ${p}`);
          else assert.ok(p >= 0 && p <= 1);
          sum += p;
        }
        // 37 roundings of quotients and the divisor's own, each of 2⁻²⁴.
        assert.ok(Math.abs(sum - 1) < 40 * 2 ** -24, `row ${row}: ${sum}`);
      }
    }
  });

  it("gives its pages back, also when it fails", async () => {
    assert.equal(model.freePages, model.pages);
    await withModel(withBrokenPosition(await checkpointFiles("odd"), 30), (broken) => {
      throwsKvasm(() => broken.trace(ids, { hiddenStates: true }), "non-finite", "logits");
      assert.equal(broken.freePages, broken.pages);
      assert.equal(broken.trace(ids.slice(0, 30)).logits.length, 30 * broken.config.vocab_size);
    });
    await withModel("odd", (small) => {
      throwsKvasm(() => small.trace(ids), "pages", "ids");
      assert.equal(small.freePages, small.pages);
    }, { cacheBytes: 30_000 });
  });

  it("refuses ids and options that cannot be", () => {
    for (const value of NOT_IDS) throwsKvasm(() => model.trace(value as number[]), "type", "ids");
    for (const [value, code] of badIds(model.config.vocab_size)) throwsKvasm(() => model.trace(value as number[]), code);
    throwsKvasm(() => model.trace([]), "value", "ids");
    throwsKvasm(() => model.trace(someIds(41, model.config.vocab_size)), "context", "ids");
    for (const value of NOT_OPTIONS) throwsKvasm(() => model.trace(ids, value as object), "type", "trace options");
    for (const value of NOT_BOOLEAN) {
      throwsKvasm(() => model.trace(ids, { hiddenStates: value as boolean }), "type", "hiddenStates");
      throwsKvasm(() => model.trace(ids, { attentions: value as boolean }), "type", "attentions");
    }
    throwsKvasm(() => model.trace(ids, { hidden_states: true } as object), "option", "hidden_states");
    for (const steps of [null, 1, "1", {}, new Uint32Array(1)]) throwsKvasm(() => model.trace(ids, { steps: steps as number[] }), "type", "steps");
    for (const size of NOT_NUMBER) throwsKvasm(() => model.trace(ids, { steps: [1, size as number] }), "type", "steps[1]");
    for (const size of [...NOT_INTEGER, 0, 65]) throwsKvasm(() => model.trace(ids, { steps: [size] }), "value", "steps[0]");
    assert.equal(model.freePages, model.pages);
  });
});
