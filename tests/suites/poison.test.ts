/**
 * Memory that holds NaN, or numbers as bad, wherever it may hold anything: before the cache is initialised, and in pages that nobody holds.
 * What has to be cleared is cleared, and nothing else is.
 */
import { load } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import type { Trace } from "../../bindings/model/trace.ts";
import { MODE_LAST, MODE_NONE, Region, Status } from "../../bindings/wasm/exports.ts";
import { injectFault, regionOf } from "../support/faults.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { checkpointFiles } from "../support/reference.ts";

/** NaN as binary32, binary16 and binary64, −1 as an integer; 3e38, NaN in binary16, the largest int8; the smallest int8. */
const BYTES = [0xff, 0x7f, 0x80];

/** Everything behind the weights, as a head that was given back, or a matrix in the making, may have left it; then initialised anew. */
function poison(model: Model, byte: number): void {
  const { exports, header, memory } = lifetimeOf(model).value;
  memory.u8.fill(byte, exports.regionAddress(header, Region.pages) >>> 0);
  exports.initialiseCache(header);
}

/** The pages, whenever a slot was closed or truncated and nobody holds any. */
function poisonFreePages(model: Model, byte: number): void {
  injectFault(model, (real, arena) => {
    const poisoned = (): void => {
      if (arena.freePages === arena.pages) regionOf(arena, "pages").fill(byte);
    };
    return {
      closeSequence(...args) { real.closeSequence(...args); poisoned(); },
      truncateSequence(...args) { real.truncateSequence(...args); poisoned(); },
    };
  });
}

interface All extends Trace { all: Float32Array; row: Float32Array; drawn: number[]; probabilities: Float32Array }

/** Everything that a model computes: in steps of several sizes, after a fork, after truncate, and what is drawn. */
function everything(model: Model): All {
  const ids = someIds(Math.min(41, model.contextLength - 1), model.config.vocab_size);
  const sampling = { temperature: 0.9, topK: 20, topP: 0.95, repetitionPenalty: 1.2, frequencyPenalty: 0.1, seed: 7 };
  const traced = model.trace(ids, { hiddenStates: true, attentions: true });
  const sequence = model.sequence();
  const all = sequence.prefill(ids.slice(0, 11), { all: true });
  for (const id of ids.slice(11)) sequence.decode(id);
  const fork = sequence.fork();
  fork.decode(ids[0]);
  sequence.truncate(ids.length - 7);
  const row = sequence.prefill(ids.slice(0, 3));
  const drawn = [fork, sequence].map((one) => one.sample(sampling));
  fork.dispose();
  sequence.truncate(0);
  sequence.prefill(ids.slice(0, 5));
  drawn.push(sequence.sample(sampling));
  const { seed: _, ...settings } = sampling;
  const probabilities = model.distribution(row, settings, ids);
  sequence.dispose();
  return { ...traced, all, row, drawn, probabilities };
}

function same(found: All, expected: All, what: string): void {
  for (const name of ["logits", "all", "row", "probabilities"] as const) {
    assert.ok(expected[name].every(Number.isFinite), `${what}: ${name}`);
    sameBits(found[name], expected[name], `${what}: ${name}`);
  }
  for (const name of ["hiddenStates", "attentions"] as const) expected[name]!.forEach((values, i) => sameBits(found[name]![i], values, `${what}: ${name} ${i}`));
  assert.deepEqual(found.drawn, expected.drawn, what);
}

/** Widths that are multiples of nothing, heads of one to three panels, one page to three. */
async function models(): Promise<[string, Files][]> {
  const shapes = [[1, 1, 2], [7, 1, 9], [34, 2, 33], [40, 1, 70], [51, 3, 17]];
  const made = shapes.map(([n_embd, n_head, n_inner], i): [string, Files] =>
    [`${n_embd} wide`, randomCheckpoint({ n_embd, n_head, n_inner, n_layer: 2, vocab_size: 30 + i, n_positions: 45 }, 40 + i)]);
  return [...made, ...await Promise.all((["odd", "base"] as const).map(async (folder): Promise<[string, Files]> => [folder, await checkpointFiles(folder)]))];
}

/** Every model in every pair of types, as it is and with each kind of dirt, computes the same. */
async function unchanged(dirty: (model: Model, byte: number) => void): Promise<void> {
  for (const [name, files] of await models()) {
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        const open = () => load(files, { weights, cache, maxSequences: 3 });
        const clean = await open();
        const expected = everything(clean);
        clean.dispose();
        for (const byte of BYTES) {
          const model = await open();
          dirty(model, byte);
          for (const time of ["first", "again"]) same(everything(model), expected, `${name}, ${weights}, ${cache}, ${byte.toString(16)}, ${time}`);
          model.dispose();
        }
      }
    }
  }
}

describe("dirty memory", () => {
  it("before the cache is initialised changes no bit", { timeout: 120_000 }, () => unchanged(poison));

  it("in pages that nobody holds changes no bit", { timeout: 120_000 }, () => unchanged((model, byte) => {
    poison(model, byte);
    poisonFreePages(model, byte);
  }));
});

describe("a sequence's logits", () => {
  it("are its own where its slot was another's that was closed", async () => {
    const model = await load(await checkpointFiles("base"));
    const [first, other] = [model.sequence(), model.sequence()];
    const logits = other.prefill([1, 2, 3]);
    const others = first.prefill([9, 8, 7]); // these logits stand in memory
    const largest = (row: Float32Array): number => row.indexOf(Math.max(...row));
    assert.notEqual(largest(others), largest(logits), "the control");
    first.dispose();
    const fork = other.fork(); // in the first slot
    assert.equal(fork.sample({ temperature: 0 }), largest(logits));
    model.dispose();
  });
});

describe("the history of a distribution", () => {
  it("is no history of a sequence that is sampled next", async () => {
    const model = await load(await checkpointFiles("base"));
    const sequence = model.sequence();
    const row = sequence.prefill([1, 2, 3]);
    const greedy = sequence.sample({ temperature: 0, presencePenalty: 100 });
    model.distribution(row, { presencePenalty: 100 }, [greedy]);
    assert.equal(sequence.sample({ temperature: 0, presencePenalty: 100 }), greedy);
    model.dispose();
  });
});

describe("logits that are not known", () => {
  it("are not those of a token that was cut off, where as many tokens stand there again", async () => {
    const model = await load(await checkpointFiles("base"));
    const { exports, header, memory } = lifetimeOf(model).value;
    const slot = exports.openSequence(header);
    const append = (mode: number): void => {
      memory.u32.set([slot, 3, mode], (exports.stepEntries(header) >>> 0) / 4);
      memory.u32.set([4, 5, 6], (exports.stepIds(header) >>> 0) / 4);
      assert.equal(exports.step(header, 1), Status.ok);
    };
    append(MODE_LAST);
    assert.notEqual(exports.sequenceLogits(header, slot), 0);
    exports.truncateSequence(header, slot, 0);
    append(MODE_NONE);
    assert.equal(exports.sequenceLogits(header, slot), 0);
    exports.closeSequence(header, slot);
    assert.equal(exports.openSequence(header), slot);
    append(MODE_NONE);
    assert.equal(exports.sequenceLogits(header, slot), 0);
    model.dispose();
  });
});
