/** The arena broken on purpose, one fault at a time: verify must report the ways that it shows in. */
import type { Arena } from "../../bindings/model/arena.ts";
import { load } from "../../bindings/model/load.ts";
import { VERIFY_WAYS } from "../../bindings/model/verify.ts";
import type { VerifyWay } from "../../bindings/model/verify.ts";
import type { KvasmExports } from "../../bindings/wasm/exports.ts";
import { throwsKvasm } from "../support/errors.ts";
import { PageTables, injectFault, regionOf } from "../support/faults.ts";
import { assert, describe, it } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

type Fault = (real: KvasmExports, arena: Arena) => Partial<KvasmExports>;

/** 60 tokens: four pages, the last not full, half of them at a page's middle. */
async function reported(fault: Fault): Promise<{ name: string; differingValues: number }[]> {
  const model = await load(await checkpointFiles("base"));
  try {
    injectFault(model, fault);
    const { identical, ways } = model.verify(someIds(60, model.config.vocab_size));
    assert.equal(identical, ways.every((way) => way.identical));
    return ways.filter((way) => !way.identical);
  } finally {
    model.dispose();
  }
}

/** The last bit of the first hidden number is wrong after every layer of steps of as many rows. */
const wrongRows = (isWrong: (rows: number) => boolean): Fault => (real, { memory, header }) => {
  let count = 0;
  return {
    beginStep(model, entries) {
      count = memory.u32[(real.stepEntries(header) >>> 0) / 4 + 1]; // of the one entry
      return real.beginStep(model, entries);
    },
    runLayer(model, layer, keep) {
      real.runLayer(model, layer, keep);
      if (isWrong(count)) memory.u32[(real.hiddenRows(header) >>> 0) / 4] ^= 1;
    },
  };
};

const FAULTS: [name: string, fault: Fault, ways: VerifyWay[]][] = [
  ["a fork that copies no page when one side writes", (real, arena) => ({
    forkSequence(model, slot) {
      const fork = real.forkSequence(model, slot);
      new PageTables(arena).forgetHolders(new PageTables(arena).pageOf(slot, real.sequenceLength(model, slot) - 1));
      return fork;
    },
  }), ["after a fork", "guessed ahead"]],

  ["a row that stays in the cache after truncate", (real, arena) => {
    let stale: Uint8Array | null = null;
    return {
      truncateSequence(model, slot, length) {
        if (length > 0 && real.sequenceLength(model, slot) > length + 1) stale = regionOf(arena, "pages").slice();
        real.truncateSequence(model, slot, length);
      },
      commitStep(model) {
        real.commitStep(model);
        if (stale !== null) regionOf(arena, "pages").set(stale);
        stale = null;
      },
    };
  }, ["after truncate and redo"]],

  ["a page that is handed out while another sequence holds it", (real, arena) => ({
    truncateSequence(model, slot, length) {
      real.truncateSequence(model, slot, length);
      if (length === 0) new PageTables(arena).handOut(new PageTables(arena).pageOf(slot === 0 ? 1 : 0, 0));
    },
  }), ["beside another sequence"]],

  ["rows of guesses that change what stands before them", (real, { memory, header }) => ({
    step(model, entries) {
      const [slot, , mode] = memory.u32.subarray((real.stepEntries(header) >>> 0) / 4);
      const status = real.step(model, entries);
      if (mode === 3) memory.u8[real.pageAddress(model, slot!, 1, 0, 1) >>> 0] ^= 1;
      return status;
    },
  }), ["guessed ahead"]],

  ["a page that is shared and was written to since", (real, { memory }) => ({
    openSharing(model, pages, length) {
      const slot = real.openSharing(model, pages, length);
      memory.u8[real.pageAddress(model, slot, 1, 0, 1) >>> 0] ^= 1;
      return slot;
    },
  }), ["on a shared prefix"]],

  ["a page that is not what was saved, behind the checksum's back", (real, { memory }) => ({
    pageIsFinite(model, slot, layer, index, values) {
      memory.u8[real.pageAddress(model, slot, layer, index, values) >>> 0] ^= 1;
      return 1;
    },
  }), ["restored"]],

  ["a step of one token that computes otherwise", wrongRows((rows) => rows === 1),
    ["token by token", "uneven chunks", "after a fork", "after truncate and redo"]],

  ["a step of an odd number of tokens that computes otherwise", wrongRows((rows) => rows % 2 === 1 && rows > 5), ["uneven chunks", "after a fork", "after truncate and redo"]],

  ["a step of more than 32 tokens that computes otherwise once", (real, arena) => {
    let steps = 0;
    const { beginStep, runLayer } = wrongRows((rows) => rows > 32 && steps === 2)(real, arena);
    const rows = () => arena.memory.u32[(real.stepEntries(arena.header) >>> 0) / 4 + 1];
    return { runLayer, beginStep: (model, entries) => (steps += Number(rows() > 32), beginStep!(model, entries)) };
  }, ["one prefill"]],
];

describe("verify reports", () => {
  it("nothing where nothing is broken", async () => {
    assert.deepEqual(await reported(() => ({})), []);
  });

  for (const [name, fault, ways] of FAULTS) {
    it(name, async () => {
      assert.deepEqual((await reported(fault)).map((way) => way.name), ways);
    });
  }

  it("logits of the last token that are other than the step's, in every way", async () => {
    let calls = 0;
    const wrong = await reported((real, { memory }) => ({
      sequenceLogits(model, slot) {
        const address = real.sequenceLogits(model, slot) >>> 0;
        if (calls++ > 0) memory.u32[address / 4 + 5] ^= 1; // the reference's are right
        return address;
      },
    }));
    assert.deepEqual(wrong.map(({ name, differingValues }) => [name, differingValues]), VERIFY_WAYS.map((name) => [name, 1]));
  });

  it("a host that flushes subnormal numbers, or has another dot product, with an error", async () => {
    for (const [found, argument] of [[1, "checkEngine"], [2, "checkEngine"], [3, "wasm"]] as const) {
      const model = await load(await checkpointFiles("base"));
      injectFault(model, () => ({ checkEngine: () => found }));
      assert.equal(throwsKvasm(() => model.verify([1, 2, 3]), "engine").argument, argument);
      model.dispose();
    }
  });
});
