/** A sequence that was saved and restored goes on to the same bits; what does not fit is a typed error and leaves nothing behind. */
import { load } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import type { Sequence } from "../../bindings/model/sequence.ts";
import { Region } from "../../bindings/wasm/exports.ts";
import { throwsKvasm } from "../support/errors.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_BOOLEAN, NOT_OPTIONS } from "../support/hostile.ts";
import { someIds, withPositions } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { CACHES, WEIGHTS, converted } from "../support/quantized.ts";
import { withConfig, withTensors } from "../support/reference-edit.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { checkpointFiles } from "../support/reference.ts";
import { resealed, sameFile } from "../support/saved.ts";

const SMALL = { n_embd: 32, n_head: 2, n_layer: 2, n_inner: 48, vocab_size: 40, n_positions: 48 };

/** Heads of one to three panels, whole and not; pages that are filled to the end and not. */
async function models(): Promise<[string, Files][]> {
  const shapes = [[7, 1, 9], [34, 2, 33], [51, 3, 17], [64, 2, 64]];
  const made = shapes.map(([n_embd, n_head, n_inner], i): [string, Files] =>
    [`${n_embd} wide`, randomCheckpoint({ n_embd, n_head, n_inner, n_layer: 2, vocab_size: 30 + i, n_positions: 45 }, 70 + i)]);
  return [...made, ...await Promise.all((["base", "untied", "head-size-10"] as const).map(async (folder): Promise<[string, Files]> => [folder, await checkpointFiles(folder)]))];
}

/** As that of ../support/models.ts, by the sources, whose insides can be seen. */
async function withModel<T>(files: Files, use: (model: Model) => T | Promise<T>, options?: LoadOptions): Promise<T> {
  const model = await load(files, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

function saved(model: Model, ids: readonly number[], change: (sequence: Sequence) => void = () => {}): Uint8Array<ArrayBuffer> {
  const sequence = model.sequence();
  sequence.append(ids);
  change(sequence);
  const bytes = sequence.save();
  sequence.dispose();
  return bytes;
}

describe("a restored sequence", () => {
  it("goes on to the same bits, in all pairs of types, at lengths around a page's end", { timeout: 120_000 }, async () => {
    for (const [name, files] of await models()) {
      for (const weights of WEIGHTS) {
        for (const cache of CACHES) {
          const what = `${name}, ${weights}, ${cache}`;
          const [first, second] = [await load(files, { weights, cache, maxSequences: 3 }), await load(files, { weights, cache, maxSequences: 1 })];
          const { vocab_size } = first.config;
          const all = someIds(first.contextLength, vocab_size);
          const whole = first.sequence();
          const rows = whole.prefill(all, { all: true });
          const row = (at: number): Float32Array => rows.subarray(at * vocab_size, (at + 1) * vocab_size);
          for (const length of [1, 2, 15, 16, 17, 33, first.contextLength - 1]) {
            if (length >= first.contextLength) continue;
            const bytes = saved(first, all.slice(0, length));
            const restored = second.restore(bytes);
            assert.deepEqual([...restored.ids], all.slice(0, length));
            assert.equal(restored.sample({ temperature: 0 }), row(length - 1).indexOf(Math.max(...row(length - 1))), `${what}: sampled at once`);
            sameFile(restored.save(), bytes, what);
            sameBits(restored.decode(all[length]), row(length), `${what}, ${length}`);
            if (length + 1 < first.contextLength) sameBits(restored.prefill(all.slice(length + 1)), row(first.contextLength - 1), `${what}, ${length}, the rest`);
            restored.truncate(length);
            const other = (all[length] + 1) % vocab_size;
            differentBits(restored.decode(other), row(length), "another token");
            restored.dispose();
            assert.equal(second.freePages, second.pages);
          }
          whole.dispose();
          assert.equal(first.freePages, first.pages);
          first.dispose();
          second.dispose();
        }
      }
    }
  });

  it("is the same file wherever its pages lie, and whatever was in them", async () => {
    for (const [name, files] of await models()) {
      for (const cache of CACHES) {
        await withModel(files, (model) => {
          const ids = someIds(Math.min(20, model.contextLength - 1), model.config.vocab_size);
          const expected = saved(model, ids);
          const { exports, header, memory } = lifetimeOf(model).value;
          memory.u8.fill(0xff, exports.regionAddress(header, Region.pages) >>> 0);
          exports.initialiseCache(header);
          sameFile(saved(model, ids), expected, `${name}, ${cache}: where memory was dirty`);
          const long = someIds(model.contextLength, model.config.vocab_size, 5);
          const [a, b, c] = [model.sequence(), model.sequence(), model.sequence()];
          for (const id of long.slice(0, -1)) for (const sequence of [a, b]) sequence.append(id);
          c.append(long);
          b.dispose();
          c.dispose(); // its last page is handed out first
          sameFile(saved(model, ids), expected, `${name}, ${cache}: another order`);
          a.dispose();
          const trunk = model.sequence();
          trunk.append(ids);
          const fork = trunk.fork();
          trunk.truncate(ids.length - 1); // the page is shared, and has a token more
          trunk.append(ids.at(-1)!);
          sameFile(trunk.save(), expected, "after a fork");
          fork.append(long[0]);
          fork.truncate(ids.length);
          const shared = fork.fork();
          shared.truncate(ids.length - 3);
          sameFile(shared.save(), saved(model, ids.slice(0, -3), (sequence) => { sequence.append(1); sequence.truncate(ids.length - 3); }), "with tokens of another's behind");
          for (const sequence of [trunk, fork, shared]) sequence.dispose();
          assert.equal(model.freePages, model.pages);
        }, { cache, maxSequences: 4 });
      }
    }
  });

  it("has no logits where the saved one had none, and may be empty", async () => {
    await withModel(randomCheckpoint(SMALL, 1), (model) => {
      const truncated = model.restore(saved(model, [1, 2, 3], (sequence) => sequence.truncate(2)));
      assert.deepEqual([...truncated.ids], [1, 2]);
      throwsKvasm(() => truncated.sample(), "state", "sample");
      const empty = model.restore(saved(model, [1], (sequence) => sequence.truncate(0)));
      assert.equal(empty.length, 0);
      const fresh = model.sequence();
      const expected = fresh.prefill([1, 2, 9]);
      sameBits(truncated.decode(9), expected);
      sameBits(empty.prefill([1, 2, 9]), expected);
      for (const sequence of [truncated, empty, fresh]) sequence.dispose();
      assert.equal(model.freePages, model.pages);
    });
  });

  it("draws as the saved one would have, if that had chosen a seed", async () => {
    await withModel(randomCheckpoint(SMALL, 1), (model) => {
      const sequence = model.sequence();
      sequence.append([1, 2, 3]);
      const before = sequence.save();
      const { seed } = sequence;
      const restored = model.restore(sequence.save());
      assert.equal(restored.seed, seed);
      for (let i = 0; i < 10; i++) {
        const id = sequence.sample({ temperature: 3 });
        assert.equal(restored.sample({ temperature: 3 }), id);
        sequence.append(id);
        restored.append(id);
      }
      assert.notEqual(model.restore(before).seed, model.restore(before).seed, "none was chosen yet");
    });
  });

  it("shares nothing with the saved one, and is forked and truncated as any other", async () => {
    await withModel(randomCheckpoint(SMALL, 1), (model) => {
      const ids = someIds(40, SMALL.vocab_size);
      const bytes = saved(model, ids.slice(0, 20));
      const [one, two] = [model.restore(bytes), model.restore(bytes)];
      const fork = one.fork();
      const expected = restart(two, ids);
      one.append(7);
      one.truncate(16);
      sameBits(fork.prefill(ids.slice(20)), expected);
      sameBits(one.prefill(ids.slice(16)), expected);
      for (const sequence of [one, two, fork]) sequence.dispose();
      assert.equal(model.freePages, model.pages);
    });
  });

  it("fits a model with another room for its cache, from another form of the same weights, wherever that lies in memory", async () => {
    const files = randomCheckpoint(SMALL, 2);
    const ids = someIds(30, SMALL.vocab_size);
    for (const weights of WEIGHTS) {
      const bytes = await withModel(files, (model) => saved(model, ids), { weights });
      const expected = await withModel(files, (model) => model.trace(ids).logits.slice(-SMALL.vocab_size), { weights });
      const form: Files = weights === "f32" ? files : await converted(files, { weights });
      for (const options of [{ contextLength: 31, maxSequences: 1 }, { maxSequences: 7 }, { [Symbol.for("kvasm.arenaBase")]: 10_000_064 }]) {
        await withModel(form, (model) => {
          const sequence = model.restore(bytes);
          const last = ids.at(-1)!;
          sequence.truncate(29);
          sameBits(sequence.decode(last), expected, weights);
          sameFile(sequence.save(), bytes, weights);
        }, { weights, ...options });
      }
    }
  });
});

function restart(sequence: Sequence, ids: readonly number[]): Float32Array {
  sequence.truncate(0);
  return sequence.prefill(ids);
}

describe("a saved sequence that is refused", () => {
  const nothingTaken = (model: Model): void => {
    assert.equal(model.freePages, model.pages);
    const all = Array.from({ length: 256 }, () => model.sequence()); // every slot is free
    for (const sequence of all) sequence.dispose();
  };

  it("damaged in any byte, or cut short anywhere, or longer", async () => {
    for (const cache of CACHES) {
      await withModel(randomCheckpoint({ ...SMALL, n_layer: 1, n_embd: 8, n_head: 1 }, 3), (model) => {
        const bytes = saved(model, someIds(18, SMALL.vocab_size));
        const codes = new Map<string, number>();
        for (let at = 0; at < bytes.length; at++) {
          const damagedBytes = bytes.slice();
          damagedBytes[at]! ^= 1 << (at % 8);
          const { argument } = throwsKvasm(() => model.restore(damagedBytes), "saved");
          codes.set(argument!, (codes.get(argument!) ?? 0) + 1);
        }
        assert.deepEqual([...codes.keys()].sort(), ["checksum", "format", "version"]);
        assert.deepEqual([codes.get("format"), codes.get("version")], [8, 4]);
        for (let end = 0; end < bytes.length; end++) {
          assert.equal(throwsKvasm(() => model.restore(bytes.subarray(0, end)), "saved", "length").value, end);
        }
        const longer = new Uint8Array(bytes.length + 3);
        longer.set(bytes);
        assert.equal(throwsKvasm(() => model.restore(longer), "saved", "length").value, 3);
        nothingTaken(model);
        model.restore(bytes).dispose();
      }, { cache });
    }
  });

  it("of another model, which it names", async () => {
    const files = randomCheckpoint(SMALL, 4);
    const bytes = await withModel(files, (model) => saved(model, [1, 2, 3]));
    const changed = (change: Record<string, unknown>): Files => withConfig(files, change);
    const others: [argument: string, Files][] = [
      ["n_layer", randomCheckpoint({ ...SMALL, n_layer: 3 }, 4)], ["n_embd", randomCheckpoint({ ...SMALL, n_embd: 16 }, 4)],
      ["n_head", changed({ n_head: 1 })], ["n_inner", randomCheckpoint({ ...SMALL, n_inner: 47 }, 4)],
      ["vocab_size", randomCheckpoint({ ...SMALL, vocab_size: 41 }, 4)], ["n_positions", withPositions(files, 64)],
      ["activation_function", changed({ activation_function: "relu" })], ["attention scaling", changed({ scale_attn_weights: false })],
      ["attention scaling", changed({ scale_attn_by_inverse_layer_idx: true })], ["layer_norm_epsilon", changed({ layer_norm_epsilon: 1e-6 })],
      ["own head", withTensors(changed({ tie_word_embeddings: false }), (tensors) => {
        const { dtype, shape, bytes: data } = tensors.get("wte.weight")!;
        const head = data.slice();
        new Float32Array(head.buffer)[5]! += 1;
        tensors.set("lm_head.weight", { dtype, shape, bytes: head });
      })],
      ["weights", randomCheckpoint(SMALL, 5)],
      ["weights", withTensors(files, (tensors) => { new DataView(tensors.get("h.1.mlp.c_proj.bias")!.bytes.buffer).setUint8(0, 1); })],
    ];
    for (const [argument, other] of others) {
      await withModel(other, (model) => {
        for (const recompute of [false, true]) throwsKvasm(() => model.restore(bytes, { recompute }), "saved", argument);
        nothingTaken(model);
      });
    }
  });

  it("of other types, unless it may be recomputed", async () => {
    const files = randomCheckpoint(SMALL, 6);
    const ids = someIds(21, SMALL.vocab_size);
    for (const [from, to, argument] of [
      [{ cache: "f16" }, {}, "cache"], [{}, { cache: "q8" }, "cache"], [{ weights: "q8" }, {}, "weights"], [{ weights: "q4", cache: "q8" }, { weights: "q8" }, "weights"],
    ] as const) {
      const bytes = await withModel(files, (model) => saved(model, ids), from);
      await withModel(files, (model) => {
        throwsKvasm(() => model.restore(bytes), "saved", argument);
        throwsKvasm(() => model.restore(bytes.subarray(0, -1), { recompute: true }), "saved", "length");
        nothingTaken(model);
        const sequence = model.restore(bytes, { recompute: true });
        const fresh = model.sequence();
        fresh.append(ids);
        assert.equal(sequence.sample({ temperature: 0 }), fresh.sample({ temperature: 0 }));
        sameBits(sequence.decode(3), fresh.decode(3));
        sequence.dispose();
        fresh.dispose();
      }, to);
    }
  });

  it("with checksums that are right over what cannot be", async () => {
    for (const cache of CACHES) {
      await withModel(randomCheckpoint(SMALL, 7), (model) => {
        const bytes = saved(model, someIds(20, SMALL.vocab_size));
        sameFile(resealed(bytes), bytes, "the checksum as docs/FORMATS.md has it");
        const forged = (edit: (view: DataView) => void): Uint8Array => {
          const copy = bytes.slice();
          edit(new DataView(copy.buffer));
          return resealed(copy);
        };
        const pagesAt = 128 + 128 + 128;
        const { keyPageBytes } = lifetimeOf(model).value.exports;
        const keys = keyPageBytes(lifetimeOf(model).value.header);
        // A key of the first page, or its head's last scale; the last number of all, which is a value's or a scale.
        const places = cache === "q8" ? [pagesAt + keys / 2 - 4, bytes.length - 12] : [pagesAt, bytes.length - 12];
        for (const at of places) {
          const nan = cache === "f16" ? forged((view) => view.setUint16(at, 0x7e00, true)) : forged((view) => view.setFloat32(at, NaN, true));
          throwsKvasm(() => model.restore(nan), "saved", "numbers");
          const infinite = cache === "f16" ? forged((view) => view.setUint16(at, 0xfc00, true)) : forged((view) => view.setFloat32(at, -Infinity, true));
          throwsKvasm(() => model.restore(infinite), "saved", "numbers");
        }
        throwsKvasm(() => model.restore(forged((view) => view.setFloat32(256, NaN, true))), "saved", "numbers");
        throwsKvasm(() => model.restore(forged((view) => view.setUint32(128 + 4 * 19, SMALL.vocab_size, true))), "saved", "ids[19]");
        for (const [at, value] of [[12, 64], [88, 21 + 16], [92, 2]] as const) {
          const copy = bytes.slice();
          new DataView(copy.buffer).setUint32(at, value, true);
          const header = resealed(new Uint8Array([...copy, ...new Uint8Array(40_000)])).subarray(0, bytes.length);
          throwsKvasm(() => model.restore(header), "saved", "header");
        }
        // What is finite is taken for what it says.
        model.restore(forged((view) => view.setUint8(pagesAt, 1))).dispose();
        nothingTaken(model);
      }, { cache });
    }
  });

  it("for want of room", async () => {
    const files = randomCheckpoint(SMALL, 8);
    const bytes = await withModel(files, (model) => saved(model, someIds(33, SMALL.vocab_size)));
    await withModel(files, (model) => throwsKvasm(() => model.restore(bytes), "context"), { contextLength: 32 });
    await withModel(files, (model) => {
      const other = model.sequence();
      other.append([1]);
      assert.equal(throwsKvasm(() => model.restore(bytes), "pages").value, 1);
      other.dispose();
      const sequence = model.restore(bytes);
      sequence.dispose();
      nothingTaken(model);
      const many = Array.from({ length: 256 }, () => model.sequence());
      throwsKvasm(() => model.restore(bytes), "sequences");
      many.pop()!.dispose();
      model.restore(bytes).dispose();
      for (const one of many) one.dispose();
      assert.equal(model.freePages, model.pages);
    }, { maxSequences: 1 });
  });

  it("by arguments that cannot be", async () => {
    await withModel(randomCheckpoint(SMALL, 9), (model) => {
      const bytes = saved(model, [1]);
      for (const value of [null, undefined, "x", [], new ArrayBuffer(4), new Uint16Array(bytes.buffer)]) throwsKvasm(() => model.restore(value as never), "type", "bytes");
      for (const value of NOT_OPTIONS) throwsKvasm(() => model.restore(bytes, value as never), "type", "restore options");
      for (const value of NOT_BOOLEAN) throwsKvasm(() => model.restore(bytes, { recompute: value as never }), "type", "recompute");
      throwsKvasm(() => model.restore(bytes, { compute: true } as never), "option", "compute");
      const sequence = model.sequence();
      sequence.dispose();
      throwsKvasm(() => sequence.save(), "disposed");
      nothingTaken(model);
      model.dispose();
      throwsKvasm(() => model.restore(bytes), "disposed");
    });
  });
});

describe("the checksum of the weights", () => {
  it("is of every byte of them", async () => {
    await withModel(await checkpointFiles("untied"), (model) => {
      const { exports, header, memory } = lifetimeOf(model).value;
      for (const region of [Region.weights, Region.storedHead]) {
        const [start, bytes] = [exports.regionAddress(header, region) >>> 0, exports.regionBytes(header, region) >>> 0];
        const sum = exports.addChecksum(0n, start, bytes);
        for (let at = 0; at < bytes; at += 997) {
          memory.u8[start + at]! ^= 0x80;
          assert.notEqual(exports.addChecksum(0n, start, bytes), sum);
          memory.u8[start + at]! ^= 0x80;
        }
        assert.equal(exports.addChecksum(0n, start, bytes), sum);
      }
    });
  });
});
