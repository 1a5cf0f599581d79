/** A step of several sequences: each row has the bits that it has alone, and a step that fails changes nothing. */
import fc from "fast-check";
import { load } from "../../bindings/index.ts";
import type { Model, Sequence } from "../../bindings/index.ts";
import { load as loadSource } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { KvasmErrorCode } from "../../bindings/index.ts";
import { throwsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds, withBrokenPosition, withModel, withPositions } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { checkpointFiles } from "../support/reference.ts";

const SEED = 20261127;

interface Open { sequence: Sequence; ids: number[] }
type Wanted = "none" | "last" | "all";
type Entry = { ids: number[]; logits: Wanted };
type Action = { kind: "step"; entries: (Entry | null)[] } | { kind: "fork"; on: number } | { kind: "truncate"; on: number; share: number } | { kind: "prefill"; on: number; ids: number[] };

const token = fc.integer({ min: 0, max: 3 });
const ids = fc.oneof(fc.array(token, { minLength: 1, maxLength: 3 }), fc.constantFrom(15, 16, 17, 31).chain((n) => fc.array(token, { minLength: n, maxLength: n })));
const on = fc.nat(5);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("step" as const), entries: fc.array(fc.option(fc.record({ ids, logits: fc.constantFrom<Wanted>("none", "last", "all") })), { minLength: 1, maxLength: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork" as const), on }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), on, share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("prefill" as const), on, ids }) },
);

/** Logits of each list of tokens, computed once, alone, in one prefill, by a model of its own. */
function truthOf(model: Model): (ids: readonly number[]) => Float32Array {
  const known = new Map<string, Float32Array>();
  return (ids) => {
    const key = ids.join();
    let logits = known.get(key);
    if (logits === undefined) {
      const sequence = model.sequence();
      known.set(key, logits = sequence.prefill(ids));
      sequence.dispose();
    }
    return logits;
  };
}

function act(model: Model, truth: (ids: readonly number[]) => Float32Array, open: Open[], action: Action): void {
  const { vocab_size } = model.config;
  const one = open[(action.kind === "step" ? 0 : action.on) % open.length];
  if (action.kind === "fork") {
    if (open.length < 6) open.push({ sequence: one.sequence.fork(), ids: [...one.ids] });
  } else if (action.kind === "truncate") {
    one.ids.length = Math.floor(action.share * one.ids.length);
    one.sequence.truncate(one.ids.length);
  } else if (action.kind === "prefill") {
    if (one.ids.length + action.ids.length > model.contextLength) return;
    one.ids.push(...action.ids);
    sameBits(one.sequence.prefill(action.ids), truth(one.ids), "prefill");
  } else {
    const parts = action.entries.flatMap((entry, i) => entry === null || i >= open.length ? [] : [{ open: open[i], ...entry }]);
    const free = model.freePages;
    const fits = parts.every((part) => part.open.ids.length + part.ids.length <= model.contextLength);
    const run = (): (Float32Array | null)[] => model.step(parts.map((part) => ({ sequence: part.open.sequence, ids: part.ids, logits: part.logits })));
    if (!fits) {
      throwsKvasm(run, "context");
      assert.equal(model.freePages, free);
      for (const part of parts) assert.deepEqual([...part.open.sequence.ids], part.open.ids);
      return;
    }
    const results = run();
    assert.equal(results.length, parts.length);
    parts.forEach((part, i) => {
      part.ids.forEach((id, row) => {
        part.open.ids.push(id);
        if (part.logits === "all") sameBits(results[i]!.subarray(row * vocab_size, (row + 1) * vocab_size), truth(part.open.ids), `entry ${i}, row ${row}`);
      });
      if (part.logits === "none") assert.equal(results[i], null);
      if (part.logits === "last") sameBits(results[i]!, truth(part.open.ids), `entry ${i}`);
    });
  }
}

describe("model.step", () => {
  for (const weights of WEIGHTS) for (const cache of CACHES) {
    it(`any mix of sequences, lengths and wishes: ${weights} weights, ${cache} cache`, async () => {
      const files = withPositions(await checkpointFiles("odd"), 64);
      const options = { weights, cache, maxSequences: 7 } as const;
      const model = await load(files, options);
      const alone = await load(files, options);
      const truth = truthOf(alone);
      fc.assert(fc.property(fc.array(action, { minLength: 1, maxLength: 12 }), (actions) => {
        const open: Open[] = [0, 1, 2].map(() => ({ sequence: model.sequence(), ids: [] }));
        try {
          for (const one of actions) act(model, truth, open, one);
        } finally {
          for (const { sequence } of open) sequence.dispose();
        }
        assert.equal(model.freePages, model.pages);
      }), { numRuns: 60, seed: SEED });
      model.dispose();
      alone.dispose();
    });
  }

  it("a needle at any place among others, ragged, has the same logits and log probabilities", async () => {
    await withModel(withPositions(await checkpointFiles("base"), 200), (model) => {
      const { vocab_size } = model.config;
      const needle = someIds(37, vocab_size, 5);
      const alone = model.sequence();
      const expected = alone.prefill(needle, { all: true });
      const drawn = alone.sample({ seed: 9, temperature: 0.7 });
      for (let place = 0; place < 6; place++) {
        const sequences = Array.from({ length: 6 }, () => model.sequence());
        const results = model.step(sequences.map((sequence, i) => i === place
          ? { sequence, ids: needle, logits: "all" as const } : { sequence, ids: someIds(1 + 13 * i, vocab_size, 20 + i), logits: (["none", "last", "all"] as const)[i % 3] }));
        sameBits(results[place]!, expected, `place ${place}`);
        assert.equal(sequences[place].sample({ seed: 9, temperature: 0.7 }), drawn);
        for (const sequence of sequences) sequence.dispose();
      }
      alone.dispose();
    }, { maxSequences: 10 });
  });

  it("more rows than a step of the module has, and more sequences than it keeps logits of", async () => {
    await withModel(withPositions(await checkpointFiles("odd"), 300), (model) => {
      const { vocab_size } = model.config;
      const prompts = Array.from({ length: 40 }, (_, i) => someIds(i % 5 === 0 ? 150 + i : 1 + i % 7, vocab_size, i));
      const sequences = prompts.map(() => model.sequence());
      const results = model.step(prompts.map((ids, i) => ({ sequence: sequences[i], ids, logits: i % 2 === 0 ? "last" : "all" })));
      const other = model.sequence();
      prompts.forEach((ids, i) => {
        other.truncate(0);
        sameBits(results[i]!, other.prefill(ids, { all: i % 2 === 1 }), `prompt ${i}`);
        assert.deepEqual([...sequences[i].ids], ids);
      });
    }, { maxSequences: 45 });
  });

  it("logits that stood in another row before are not taken for a sequence's own", async () => {
    await withModel(await checkpointFiles("odd"), (model) => {
      const sequences = [0, 1, 2, 3].map(() => model.sequence());
      const last = sequences[3];
      model.step(sequences.map((sequence, i) => ({ sequence, ids: [i + 1] }))); // its logits in the fourth row
      const [mine] = model.step([{ sequence: last, ids: [9] }]); // in the first
      model.step([{ sequence: sequences[0], ids: [10] }]); // which another takes
      const expected = model.distribution(mine!, { temperature: 1 });
      const draws = Array.from({ length: 40 }, (_, seed) => last.sample({ seed }));
      const alone = model.sequence();
      alone.prefill([4, 9]);
      assert.deepEqual(draws, Array.from({ length: 40 }, (_, seed) => alone.sample({ seed })));
      assert.ok(new Set(draws).size > 1 && expected.length === model.config.vocab_size);
    }, { maxSequences: 6 });
  });

  it("is refused with a name, and then nothing has changed", async () => {
    const broken = withBrokenPosition(await checkpointFiles("odd"), 20);
    const model = await load(broken, { maxSequences: 3 });
    const other = await load(broken);
    const [a, b, c] = [model.sequence(), model.sequence(), model.sequence()];
    const before = a.prefill([1, 2, 3]);
    b.append([4]);
    const free = model.freePages;
    const refused = (entries: unknown, code: KvasmErrorCode, argument: string): void => {
      assert.equal(throwsKvasm(() => model.step(entries as never), code).argument, argument);
      assert.deepEqual([a.length, b.length, c.length, model.freePages], [3, 1, 0, free]);
    };
    refused("x", "type", "entries");
    refused([1], "type", "entries[0]");
    refused([{ sequence: a, ids: [1] }, { sequence: {}, ids: [1] }], "type", "entries[1].sequence");
    refused([{ sequence: other.sequence(), ids: [1] }], "value", "entries[0].sequence");
    refused([{ sequence: a, ids: [1] }, { sequence: b, ids: [1] }, { sequence: a, ids: [2] }], "value", "entries[2].sequence");
    refused([{ sequence: a, ids: [] }], "value", "entries[0].ids");
    refused([{ sequence: a, ids: [1] }, { sequence: b, ids: [-1] }], "value", "entries[1].ids[0]");
    refused([{ sequence: a, ids: [1], logits: "some" }], "value", "entries[0].logits");
    refused([{ sequence: a, ids: [1], logit: "last" }], "option", "logit");
    refused([{ sequence: a, ids: [1] }, { sequence: b, ids: Array(model.contextLength).fill(1) }], "context", "entries[1].ids");
    refused([{ sequence: a, ids: [1] }, { sequence: c, ids: Array(22).fill(1) }, { sequence: b, ids: [1] }], "non-finite", "entries[1]");
    refused([{ sequence: a, ids: [1], logits: "all" }, { sequence: c, ids: Array(22).fill(1), logits: "all" }], "non-finite", "entries[1]");
    assert.deepEqual(model.step([]), []);
    assert.equal(a.sample({ temperature: 0 }), before.indexOf(Math.max(...before)));
    const fork = a.fork();
    sameBits(fork.prefill([7]), other.sequence().prefill([1, 2, 3, 7]));
    fork.dispose();
    assert.equal(model.freePages, free);
    const gone = model.sequence();
    gone.dispose();
    throwsKvasm(() => model.step([{ sequence: gone, ids: [1] }]), "disposed");
    model.dispose();
    throwsKvasm(() => model.step([]), "disposed");
    other.dispose();
  });

  it("that fails in a later step of the module takes back the ones before, logits included", async () => {
    const model = await load(withBrokenPosition(withPositions(await checkpointFiles("odd"), 300), 250), { maxSequences: 3 });
    const [a, b] = [model.sequence(), model.sequence()];
    const before = a.prefill([5, 6, 7]);
    const free = model.freePages;
    throwsKvasm(() => model.step([{ sequence: a, ids: [1, 2] }, { sequence: b, ids: Array(260).fill(3) }]), "non-finite");
    assert.deepEqual([a.length, b.length, model.freePages], [3, 0, free]);
    assert.equal(a.sample({ temperature: 0 }), before.indexOf(Math.max(...before)));
    model.dispose();
  });

  it("negative control: a batch in which two sequences share a row differs", async () => {
    const files = await checkpointFiles("odd");
    const model = await loadSource(files);
    const { header, memory } = lifetimeOf(model).value;
    injectFault(model, (real) => ({
      step(address, entries) {
        // The second sequence gets the first one's token.
        const at = (real.stepIds(header) >>> 0) / 4;
        memory.u32[at + 1] = memory.u32[at];
        return real.step(address, entries);
      },
    }));
    const [first, second] = [model.sequence(), model.sequence()];
    const [, wrong] = model.step([{ sequence: first, ids: [1] }, { sequence: second, ids: [2] }]);
    const right = (await load(files)).sequence().prefill([2]);
    differentBits(wrong!, right);
    model.dispose();
  });
});
