/** Prefixes that sequences share by themselves: no bit is another, nothing known is computed again, and no page in use is given up. */
import { load } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import type { GeneratedToken } from "../../bindings/generate/generate.ts";
import type { GenerateOptions } from "../../bindings/generate/options.ts";
import type { Sequence } from "../../bindings/model/sequence.ts";
import { connect } from "../../bindings/entries/worker.ts";
import { randomOf } from "../support/damage.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_BOOLEAN, NOT_IDS, NOT_OPTIONS } from "../support/hostile.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { CACHES } from "../support/quantized.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { checkpointFiles } from "../support/reference.ts";

const SHAPE = { n_embd: 32, n_head: 2, n_layer: 2, n_inner: 48, vocab_size: 40, n_positions: 64 };

async function withModel<T>(files: Files, use: (model: Model) => T | Promise<T>, options?: LoadOptions): Promise<T> {
  const model = await load(files, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

/** Counts the rows of all steps from now on. */
function countRows(model: Model): { rows: number; steps: number } {
  const count = { rows: 0, steps: 0 };
  injectFault(model, (real, { memory }) => ({
    step(header, entries) {
      const status = real.step(header, entries);
      if (status === 0) {
        count.steps++;
        for (let i = 0; i < entries; i++) count.rows += memory.u32[(real.stepEntries(header) >>> 0) / 4 + 8 * i + 1]!;
      }
      return status;
    },
  }));
  return count;
}

const idle = (model: Model): number => lifetimeOf(model).value.exports.idlePages(lifetimeOf(model).value.header);

async function all(generation: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const items = [];
  for await (const item of generation) items.push(item);
  return items;
}

describe("a known prefix", () => {
  it("of any length is one step, and changes no bit, in every type of cache", { timeout: 120_000 }, async () => {
    for (const [name, files] of [["base", await checkpointFiles("base")], ["heads of 10", randomCheckpoint({ ...SHAPE, n_embd: 30, n_head: 3 }, 3)]] as const) {
      for (const cache of CACHES) {
        await withModel(files, (model) => {
          const { vocab_size } = model.config;
          const whole = someIds(64, vocab_size);
          model.sequence({ ids: whole }).dispose();
          const count = countRows(model);
          for (let length = 0; length < 64; length++) {
            const ids = [...whole.slice(0, length), ...someIds(64 - length, vocab_size, length + 2)];
            ids[length] = (whole[length]! + 1) % vocab_size;
            const fresh = model.sequence();
            const expected = fresh.prefill(ids.slice(0, 63));
            const after = fresh.decode(ids[63]!);
            fresh.dispose();
            count.rows = count.steps = 0;
            const sequence = model.sequence({ ids: ids.slice(0, 63) });
            const reused = Math.min(length, 62);
            assert.deepEqual([sequence.reusedTokens, count.steps, count.rows], [reused, 1, 63 - reused], `${name}, ${cache}, ${length}`);
            assert.equal(sequence.sample({ temperature: 0 }), expected.indexOf(Math.max(...expected)));
            sameBits(sequence.decode(ids[63]!), after, `${name}, ${cache}, ${length}`);
            assert.deepEqual([...sequence.ids], ids);
            sequence.truncate(62);
            differentBits(sequence.decode((ids[62]! + 1) % vocab_size), expected, "another token");
            sequence.dispose();
          }
          assert.equal(model.freePages, model.pages);
        }, { cache, maxSequences: 80 }); // room for all of them: none is given up
      }
    }
  });

  it("of generate: the same tokens and log probabilities, and how many were reused", async () => {
    await withModel(await checkpointFiles("base"), async (model) => {
      const ids = someIds(50, model.config.vocab_size);
      for (const length of [1, 2, 15, 16, 17, 18, 33, 48, 50]) {
        const options: GenerateOptions = { maxTokens: 9, logprobs: true, seed: length, ignoreEos: true };
        const prompt = ids.slice(0, length);
        const plain = model.generate(prompt, { ...options, prefixCache: false });
        const expected = await all(plain);
        assert.equal(plain.reusedTokens, 0);
        for (const time of ["first", "again"]) {
          const generation = model.generate(prompt, options);
          assert.equal(generation.reusedTokens, 0, "none has come yet");
          assert.deepEqual(await all(generation), expected, `${length}, ${time}`);
          if (time === "again") assert.equal(generation.reusedTokens, length - 1);
        }
        // What was generated is known too.
        const more = [...prompt, ...expected.map(({ id }) => id), 5];
        const next = model.generate(more, options);
        const [first] = await all(next);
        assert.equal(next.reusedTokens, length + 8, "the last token was drawn, not computed");
        assert.deepEqual(first, (await all(model.generate(more, { ...options, prefixCache: false })))[0]);
      }
      assert.equal(model.freePages, model.pages);
      assert.ok(idle(model) > 0);
    });
  });

  it("is shared: pages are held once, by those that run at the same time too", async () => {
    await withModel(randomCheckpoint(SHAPE, 4), (model) => {
      const ids = someIds(40, SHAPE.vocab_size);
      const first = model.sequence({ ids });
      assert.equal(model.pages - model.freePages, 3);
      const second = model.sequence({ ids });
      assert.equal(second.reusedTokens, 32, "the last page is still written to");
      assert.equal(model.pages - model.freePages, 4);
      const third = model.sequence({ ids: ids.slice(0, 20), prefixCache: false });
      assert.equal(model.pages - model.freePages, 6);
      // One that computed the same by itself takes what is known when it becomes known.
      const fourth = model.sequence({ ids: ids.slice(0, 20) });
      assert.equal(fourth.reusedTokens, 19);
      for (const sequence of [first, second, third, fourth]) sequence.dispose();
      assert.equal(model.freePages, model.pages);
      assert.equal(idle(model), 3, "two full pages and the end, each once");
      assert.equal(model.sequence({ ids }).reusedTokens, 39);
    });
  });

  it("that two compute at the same time is held once in the end", async () => {
    await withModel(randomCheckpoint({ ...SHAPE, n_positions: 200 }, 11), async (model) => {
      const ids = someIds(150, SHAPE.vocab_size);
      const [one, two] = [model.generate(ids, { seed: 1 }), model.generate(ids, { seed: 1 })];
      const [a, b] = await Promise.all([one.next(), two.next()]);
      assert.deepEqual(a, b);
      assert.deepEqual([one.reusedTokens, two.reusedTokens], [0, 0], "both began before anything was known");
      assert.equal(model.pages - model.freePages, 11, "nine full pages of both, and two ends");
      assert.deepEqual(await one.next(), await two.next());
      await one.return();
      await two.return();
      assert.equal(model.freePages, model.pages);
    });
  });

  it("is not written to by who holds it and goes another way", async () => {
    await withModel(randomCheckpoint(SHAPE, 5), (model) => {
      const ids = someIds(40, SHAPE.vocab_size);
      const fresh = model.sequence();
      const expected = fresh.prefill(ids, { all: true });
      fresh.dispose();
      const row = (at: number): Float32Array => expected.subarray(at * SHAPE.vocab_size, (at + 1) * SHAPE.vocab_size);
      const one = model.sequence({ ids });
      one.truncate(20);
      one.prefill(someIds(20, SHAPE.vocab_size, 9)); // into the second page, which is known
      const two = model.sequence({ ids: ids.slice(0, 33) });
      assert.equal(two.reusedTokens, 32);
      sameBits(two.decode(ids[33]!), row(33));
      const fork = two.fork();
      fork.truncate(18);
      fork.append([1, 2, 3]);
      one.dispose();
      two.dispose();
      fork.dispose();
      const three = model.sequence({ ids: ids.slice(0, 35) });
      assert.equal(three.reusedTokens, 34);
      sameBits(three.decode(ids[35]!), row(35));
      three.dispose();
      assert.equal(model.freePages, model.pages);
    });
  });

  it("is nobody's who does not want it, and another salt's alone", async () => {
    await withModel(randomCheckpoint(SHAPE, 6), async (model) => {
      const ids = someIds(40, SHAPE.vocab_size);
      const reused = (options: object): number => {
        const sequence = model.sequence({ ids, ...options });
        const { reusedTokens } = sequence;
        sequence.dispose();
        return reusedTokens;
      };
      assert.deepEqual([reused({ prefixCache: false }), reused({})], [0, 0]);
      assert.deepEqual([reused({ prefixCache: false }), reused({})], [0, 39]);
      assert.deepEqual([reused({ cacheSalt: "a" }), reused({ cacheSalt: "b" }), reused({ cacheSalt: "" })], [0, 0, 0]);
      assert.deepEqual([reused({ cacheSalt: "a" }), reused({ cacheSalt: "b" }), reused({ cacheSalt: "" }), reused({})], [39, 39, 39, 39]);
      const generation = model.generate(ids, { cacheSalt: "c", maxTokens: 1 });
      await all(generation);
      assert.equal(generation.reusedTokens, 0);
      const plain = model.sequence();
      plain.append(someIds(33, SHAPE.vocab_size, 8));
      plain.dispose();
      assert.equal(model.sequence({ ids: someIds(33, SHAPE.vocab_size, 8) }).reusedTokens, 0, "a sequence that was not begun with ids keeps what it has for itself");
    });
  });
});

describe("a full cache", () => {
  it("gives up what was used least recently, and nothing that a sequence holds", async () => {
    await withModel(randomCheckpoint(SHAPE, 7), (model) => { // 4 pages
      const ids = (seed: number, count: number): number[] => someIds(count, SHAPE.vocab_size, seed);
      const use = (list: number[]): number => {
        const sequence = model.sequence({ ids: list });
        sequence.dispose();
        return sequence.reusedTokens;
      };
      for (const seed of [1, 2, 3, 4]) use([seed, ...ids(seed, 15)]);
      assert.deepEqual([idle(model), model.freePages], [4, 4]);
      use([1, ...ids(1, 15)]); // now 2 is the oldest; nothing is taken for the copy that could be spared
      const held = model.sequence({ ids: [5, ...ids(5, 15)] });
      const knownOf = (seed: number): number => lifetimeOf(model).value.prefixes.find(undefined, Uint32Array.from([seed, ...ids(seed, 15)]), 16).length;
      assert.deepEqual([knownOf(2), knownOf(3), knownOf(4), knownOf(1)], [0, 16, 16, 16]);
      const [three, two] = [model.sequence({ ids: [3, ...ids(3, 15), 7] }), model.sequence()];
      assert.equal(three.reusedTokens, 16);
      assert.equal(model.freePages, 1, "held, and two of the third");
      two.append(1);
      assert.deepEqual([model.freePages, idle(model)], [0, 0]);
      throwsKvasm(() => model.sequence({ ids: [9] }), "pages", "ids");
      throwsKvasm(() => two.append(someIds(16, SHAPE.vocab_size)), "pages");
      assert.deepEqual([held.length, three.length, two.length], [16, 17, 1]);
    }, { maxSequences: 1 });
  });

  it("loses nothing in any order of use", { timeout: 120_000 }, async () => {
    for (const cache of CACHES) {
      await withModel(randomCheckpoint({ ...SHAPE, n_layer: 1 }, 8), async (model) => {
        const { vocab_size } = SHAPE;
        const truth = new Map<string, Float32Array>();
        const other = await load(randomCheckpoint({ ...SHAPE, n_layer: 1 }, 8), { cache, maxSequences: 1 });
        const logitsOf = (ids: readonly number[]): Float32Array => {
          const key = ids.join();
          let logits = truth.get(key);
          if (logits === undefined) truth.set(key, logits = other.trace(ids).logits.slice(-vocab_size));
          return logits;
        };
        const random = randomOf(CACHES.indexOf(cache) + 1);
        const held: { sequence: Sequence; ids: number[] }[] = [];
        let refused = 0, reused = 0;
        const begin = (): number[] => [...someIds(1 + random(48), vocab_size, 1 + random(2)), ...Array.from({ length: random(12) }, () => random(vocab_size))];
        for (let turn = 0; turn < 600; turn++) {
          const pick = held[random(Math.max(1, held.length))];
          try {
            switch (random(7)) {
              case 0: case 1: {
                const ids = begin();
                const sequence = model.sequence({ ids, ...random(5) === 0 && { prefixCache: false } });
                reused += sequence.reusedTokens;
                held.push({ sequence, ids });
                break;
              }
              case 2: if (pick !== undefined) {
                const id = random(vocab_size);
                sameBits(pick.sequence.decode(id), logitsOf([...pick.ids, id]), `turn ${turn}`);
                pick.ids.push(id);
                break;
              } else break;
              case 3: if (pick !== undefined) {
                const length = random(pick.ids.length + 1);
                pick.sequence.truncate(length);
                pick.ids.length = length;
              } break;
              case 4: if (pick !== undefined) held.push({ sequence: pick.sequence.fork(), ids: [...pick.ids] }); break;
              case 5: if (pick !== undefined) {
                const file = pick.sequence.save();
                const restored = model.restore(file);
                held.push({ sequence: restored, ids: [...pick.ids] });
              } break;
              default: if (pick !== undefined) {
                pick.sequence.dispose();
                held.splice(held.indexOf(pick), 1);
              }
            }
          } catch (error) {
            if (!["pages", "context"].includes((error as { code: string }).code)) throw error;
            refused++;
            const some = held.shift();
            some?.sequence.dispose();
          }
          if (held.length > 6) held.shift()!.sequence.dispose();
        }
        for (const { sequence, ids } of held) {
          assert.deepEqual([...sequence.ids], ids);
          sequence.dispose();
        }
        assert.ok(refused > 5 && reused > 500, `${refused} refused, ${reused} reused`);
        assert.equal(model.freePages, model.pages);
        other.dispose();
      }, { cache, maxSequences: 3 });
    }
  });
});

describe("what is wrong", () => {
  it("is refused before anything is taken", async () => {
    await withModel(randomCheckpoint(SHAPE, 9), async (model) => {
      for (const value of NOT_OPTIONS) throwsKvasm(() => model.sequence(value as never), "type", "sequence options");
      for (const value of NOT_IDS.filter((one) => one !== undefined)) throwsKvasm(() => model.sequence({ ids: value as never }), "type", "ids");
      for (const value of NOT_BOOLEAN) throwsKvasm(() => model.sequence({ ids: [1], prefixCache: value as never }), "type", "prefixCache");
      for (const value of [null, 1, {}, []]) throwsKvasm(() => model.sequence({ ids: [1], cacheSalt: value as never }), "type", "cacheSalt");
      throwsKvasm(() => model.generate([1], { cacheSalt: 1 as never }), "type", "cacheSalt");
      throwsKvasm(() => model.sequence({ ids: [SHAPE.vocab_size] }), "value", "ids[0]");
      throwsKvasm(() => model.sequence({ ids: someIds(65, SHAPE.vocab_size) }), "context", "ids");
      throwsKvasm(() => model.sequence({ salt: "x" } as never), "option", "salt");
      assert.equal(model.sequence({ ids: [] }).length, 0);
    });
  });
});

describe("a model in a worker", () => {
  it("shares prefixes as here", async () => {
    const there = await connect(randomCheckpoint(SHAPE, 10));
    const ids = someIds(40, SHAPE.vocab_size);
    const first = await there.sequence({ ids });
    assert.deepEqual([first.reusedTokens, first.length], [0, 40]);
    await first.dispose();
    const second = await there.sequence({ ids });
    assert.equal(second.reusedTokens, 39);
    await second.dispose();
    const generation = there.generate(ids, { maxTokens: 2 });
    await all(generation);
    assert.equal(generation.reusedTokens, 39);
    await rejectsKvasm(() => there.sequence({ ids: [1], cacheSalt: 1 as never }), "type", "cacheSalt");
    assert.equal(await there.freePages(), there.pages);
    await there.dispose();
  });
});
