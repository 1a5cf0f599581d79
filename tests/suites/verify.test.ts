/** verify: its report, the pages it takes, and that it does see what is wrong. */
import { load } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import { VERIFY_WAYS, compareWays } from "../../bindings/model/verify.ts";
import type { Way } from "../../bindings/model/verify.ts";
import { Region } from "../../bindings/wasm/exports.ts";
import { throwsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { NOT_IDS, NOT_OPTIONS, badIds } from "../support/hostile.ts";
import { regionOf } from "../support/faults.ts";
import { someIds, withPositions } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

// The module inside is reached, so the suite has the sources in its own bundle and not the shipped one.

describe("verify", () => {
  let model: Model;
  let ids: number[];

  before(async () => {
    model = await load(await checkpointFiles("base"));
    ids = someIds(37, model.config.vocab_size);
  });
  after(() => model.dispose());

  it("reports every layer, the logits and every way, all without a difference", () => {
    const report = model.verify(ids);
    assert.equal(report.identical, true);
    assert.equal(report.tokens, 37);
    assert.deepEqual(report.layers, [0, 1, 2, 3, "logits"].map((layer) => ({ layer, maxDifference: 0 })));
    assert.deepEqual(report.ways, VERIFY_WAYS.map((name) => ({ name, identical: true, maxDifference: 0, differingValues: 0 })));
  });

  it("finds nothing for any number of tokens, in any shape of model", async () => {
    for (const folder of ["base", "odd", "head-size-10", "untied"] as const) {
      const other = await load(await checkpointFiles(folder));
      for (const length of [1, 2, 3, 15, 16, 17, 40, 64]) {
        if (length <= other.contextLength) assert.ok(other.verify(someIds(length, other.config.vocab_size)).identical, `${folder}, ${length} tokens`);
      }
      other.dispose();
    }
  });

  it("finds nothing over more tokens than a step takes", async () => {
    const long = await load(withPositions(await checkpointFiles("odd"), 200));
    assert.ok(long.verify(someIds(200, long.config.vocab_size)).identical);
    long.dispose();
  });

  it("computes the ways that it is asked for", () => {
    const report = model.verify(new Uint32Array(ids), { ways: ["token by token", "after a fork"] });
    assert.deepEqual(report.ways.map(({ name }) => name), ["token by token", "after a fork"]);
    assert.ok(report.identical);
  });

  it("takes one page more than the tokens do, and gives all back", async () => {
    assert.equal(model.freePages, model.pages);
    const page = model.memory.pages / model.pages;
    for (const [length, pages] of [[1, 2], [16, 2], [17, 3], [64, 5]]) {
      const tight = await load(await checkpointFiles("base"), { cacheBytes: pages * page });
      assert.ok(tight.verify(ids.concat(ids).slice(0, length)).identical, `${length} tokens in ${pages} pages`);
      assert.equal(tight.freePages, pages);
      tight.dispose();
      const short = await load(await checkpointFiles("base"), { cacheBytes: (pages - 1) * page });
      const error = throwsKvasm(() => short.verify(ids.concat(ids).slice(0, length)), "pages", "ids");
      assert.equal(error.value, 1);
      assert.equal(short.freePages, pages - 1);
      short.dispose();
    }
  });

  it("leaves other sequences as they are", () => {
    const sequence = model.sequence();
    sequence.prefill(ids.slice(0, 5));
    const greedy = sequence.sample({ temperature: 0 });
    assert.ok(model.verify(ids).identical);
    assert.deepEqual([...sequence.ids], ids.slice(0, 5));
    assert.equal(sequence.sample({ temperature: 0 }), greedy);
    sequence.dispose();
  });

  it("refuses ids and options that cannot be", () => {
    const { vocab_size } = model.config;
    for (const value of NOT_IDS) throwsKvasm(() => model.verify(value as number[]), "type", "ids");
    for (const [value, code] of badIds(vocab_size)) throwsKvasm(() => model.verify(value as number[]), code);
    throwsKvasm(() => model.verify([]), "value", "ids");
    throwsKvasm(() => model.verify(someIds(65, vocab_size)), "context", "ids");
    for (const value of NOT_OPTIONS) throwsKvasm(() => model.verify(ids, value as object), "type", "verify options");
    throwsKvasm(() => model.verify(ids, { chunks: [1] } as object), "option", "chunks");
    for (const ways of [null, "token by token", {}, []]) throwsKvasm(() => model.verify(ids, { ways } as object), "type", "ways");
    for (const ways of [["one by one"], ["token by token", 1], [undefined]]) throwsKvasm(() => model.verify(ids, { ways } as object), "value");
  });
});

describe("verify sees", () => {
  let model: Model;
  let ids: Uint32Array;

  before(async () => {
    model = await load(await checkpointFiles("base"));
    ids = Uint32Array.from(someIds(20, model.config.vocab_size));
  });
  after(() => model.dispose());

  const prefill: Way = (run) => {
    const slot = run.open();
    run.observe(slot, 0, run.ids.length);
    return slot;
  };

  /** A prefill during which bit `bit` of weight number `weight` is flipped. */
  const flipped = (weight: number, bit: number): Way => (run) => {
    const { exports, header, memory } = run.arena;
    const at = (exports.regionAddress(header, Region.weights) >>> 0) / 4 + weight;
    memory.u32[at] ^= 1 << bit;
    try {
      return prefill(run);
    } finally {
      memory.u32[at] ^= 1 << bit;
    }
  };

  function report(way: Way) {
    return compareWays(lifetimeOf(model), ids, [["one prefill", prefill], ["wrong", way]]);
  }

  it("nothing in the control's control", () => {
    assert.equal(report(prefill).identical, true);
  });

  it("the last bit of one weight, from its layer on", () => {
    // The first weights are the position embeddings: row 0, used by token 0 alone.
    const { identical, layers, ways } = report(flipped(0, 0));
    assert.equal(identical, false);
    assert.equal(ways[0].identical, true);
    assert.equal(ways[1].identical, false);
    assert.ok(ways[1].differingValues > 0 && ways[1].maxDifference > 0 && ways[1].maxDifference < 1e-3);
    assert.ok(layers[0].maxDifference > 0, "the embedding");
    assert.ok(layers.at(-1)!.maxDifference > 0, "the logits");
  });

  it("a sign of zero, which no difference of values shows", () => {
    const report = compareWays(lifetimeOf(model), ids, [["negative zero", (run) => {
      const slot = prefill(run);
      const states = run.recorded.hiddenStates![1];
      states[3] = -0;
      return slot;
    }], ["positive zero", (run) => {
      const slot = prefill(run);
      run.recorded.hiddenStates![1][3] = 0;
      return slot;
    }]], (expected) => { expected.hiddenStates![1][3] = 0; });
    assert.deepEqual(report.ways, [
      { name: "negative zero", identical: false, maxDifference: 0, differingValues: 1 },
      { name: "positive zero", identical: true, maxDifference: 0, differingValues: 0 },
    ]);
    assert.equal(report.identical, false);
  });

  it("a row that was left out", () => {
    const { identical, ways } = report((run) => {
      const slot = run.open();
      run.observe(slot, 0, 7);
      slot.appendChunk(run.ids, 7, 8, 0);
      run.observe(slot, 8, run.ids.length);
      return slot;
    });
    assert.equal(identical, false);
    assert.equal(ways[1].maxDifference, Infinity);
    assert.equal(ways[1].differingValues, 4 * 64 + 331);
  });

  it("another token before", () => {
    const { identical, ways } = report((run) => {
      const slot = run.open();
      slot.appendOne(run.others[0]); // its row is not observed, the others are
      run.observe(slot, 1, run.ids.length);
      return slot;
    });
    assert.equal(identical, false);
    const [row, embeddings] = [4 * 64 + 331, 19 * 64];
    assert.ok(ways[1].differingValues > 0.9 * (20 * row - embeddings), `${ways[1].differingValues}`);
  });

  it("a page that lost its contents", () => {
    const { identical } = report((run) => {
      const slot = run.open();
      run.observe(slot, 0, 16);
      regionOf(run.arena, "pages").fill(0);
      run.observe(slot, 16, run.ids.length);
      return slot;
    });
    assert.equal(identical, false);
  });
});
