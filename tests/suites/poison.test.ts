/**
 * Memory that holds NaN wherever it may hold anything: before the cache is initialised, and in every page that nobody holds. What has to
 * be cleared is cleared, or a NaN reaches a logit.
 */
import { load } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import type { Trace } from "../../bindings/model/trace.ts";
import { Region } from "../../bindings/wasm/exports.ts";
import { injectFault, regionOf } from "../support/faults.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import type { Folder } from "../support/reference.ts";
import { checkpointFiles } from "../support/reference.ts";

/** Bytes of ones: a NaN as binary32, binary16 and binary64, −1 as an integer. */
const NAN = 0xff;

/** Everything behind the weights, as a head that was given back, or a matrix in the making, may have left it; then initialised anew. */
function poison(model: Model): void {
  const { exports, header, memory } = lifetimeOf(model).value;
  memory.u8.fill(NAN, exports.regionAddress(header, Region.pages) >>> 0);
  exports.initialiseCache(header);
}

/** The pages, whenever a slot was closed or truncated and nobody holds any. */
function poisonFreePages(model: Model): void {
  injectFault(model, (real, arena) => {
    const poisoned = (): void => {
      if (arena.freePages === arena.pages) regionOf(arena, "pages").fill(NAN);
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

async function eachModel(use: (open: () => Promise<Model>, what: string) => Promise<void>): Promise<void> {
  for (const folder of ["odd", "head-size-10", "base"] as Folder[]) {
    const files = await checkpointFiles(folder);
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        const options: LoadOptions = { weights, cache, maxSequences: 3 };
        await use(() => load(files, options), `${folder}, ${weights}, ${cache}`);
      }
    }
  }
}

describe("memory full of NaN", () => {
  it("before the cache is initialised changes no bit", { timeout: 60_000 }, async () => {
    await eachModel(async (open, what) => {
      const [clean, dirty] = [await open(), await open()];
      const expected = everything(clean);
      poison(dirty);
      same(everything(dirty), expected, what);
      same(everything(dirty), expected, `${what}, again`);
      for (const model of [clean, dirty]) model.dispose();
    });
  });

  it("in pages that nobody holds changes no bit", { timeout: 60_000 }, async () => {
    await eachModel(async (open, what) => {
      const [clean, dirty] = [await open(), await open()];
      const expected = everything(clean);
      poison(dirty);
      poisonFreePages(dirty);
      same(everything(dirty), expected, what);
      same(everything(dirty), expected, `${what}, again`);
      for (const model of [clean, dirty]) model.dispose();
    });
  });
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
