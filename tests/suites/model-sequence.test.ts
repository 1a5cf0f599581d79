/** Sequence: prefill, decode, fork, truncate; what they refuse, and that a refused call changes nothing. */
import { load } from "../../bindings/index.ts";
import type { Model, Sequence } from "../../bindings/index.ts";
import { throwsKvasm } from "../support/errors.ts";
import { after, afterEach, assert, before, beforeEach, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_BOOLEAN, NOT_IDS, NOT_INTEGER, NOT_NUMBER, NOT_OPTIONS, badIds } from "../support/hostile.ts";
import { someIds, withBrokenPosition, withModel, withPositions } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

describe("a sequence", () => {
  let model: Model;
  let sequence: Sequence;
  let ids: number[];

  before(async () => {
    model = await load(await checkpointFiles("base"));
    ids = someIds(20, model.config.vocab_size);
  });
  after(() => model.dispose());
  beforeEach(() => { sequence = model.sequence(); });
  afterEach(() => {
    sequence.dispose();
    assert.equal(model.freePages, model.pages, "pages that were not given back");
  });

  it("takes arrays, Uint32Arrays and Int32Arrays, also views", () => {
    const expected = sequence.prefill(ids);
    for (const list of [Uint32Array.from(ids), Int32Array.from(ids), Uint32Array.from([7, ...ids, 7]).subarray(1, -1), Object.freeze([...ids])]) {
      sequence.truncate(0);
      sameBits(sequence.prefill(list), expected);
    }
    assert.deepEqual([...sequence.ids], ids);
  });

  it("returns copies", () => {
    const logits = sequence.prefill(ids);
    const before = logits.slice();
    sequence.decode(3);
    sameBits(logits, before, "after another step");
    const held = sequence.ids;
    held.fill(0);
    assert.deepEqual([...sequence.ids], [...ids, 3]);
    logits.fill(0);
    assert.equal(sequence.length, 21);
  });

  it("returns the last row, or all of them", () => {
    const { vocab_size } = model.config;
    const all = sequence.prefill(ids, { all: true });
    assert.equal(all.length, 20 * vocab_size);
    sequence.truncate(0);
    const last = sequence.prefill(ids, { all: false });
    assert.equal(last.length, vocab_size);
    sameBits(last, all.subarray(-vocab_size));
    sequence.truncate(0);
    sameBits(sequence.prefill(ids, {}), last);
    assert.equal(model.trace(ids).logits.length, all.length);
  });

  it("chooses by the last row after a prefill of all", () => {
    const { vocab_size } = model.config;
    const last = sequence.prefill(ids, { all: true }).subarray(-vocab_size);
    assert.equal(sequence.sample({ temperature: 0 }), last.indexOf(Math.max(...last)));
    assert.notEqual(sequence.sample({ temperature: 0 }), 0); // logits row 0 is not left from the first tokens
  });

  it("appends without copying logits out", () => {
    const expected = sequence.prefill(ids);
    const next = sequence.decode(5);
    sequence.truncate(0);
    assert.equal(sequence.append(ids), undefined);
    const choice = sequence.sample({ temperature: 0 });
    assert.equal(expected[choice], Math.max(...expected));
    assert.equal(sequence.append(5), undefined);
    assert.deepEqual([...sequence.ids], [...ids, 5]);
    assert.equal(next[sequence.sample({ temperature: 0 })], Math.max(...next));
    const appended = sequence.decode(7);
    sequence.truncate(0);
    sameBits(sequence.prefill([...ids, 5, 7]), appended, "the cache is the same too");
    throwsKvasm(() => sequence.append([]), "value", "ids");
    for (const bad of [-1, 1.5, NaN, model.config.vocab_size]) throwsKvasm(() => sequence.append(bad), "value", "ids");
    for (const bad of ["1", 1n, null, undefined, {}]) throwsKvasm(() => sequence.append(bad as number), "type", "ids");
    throwsKvasm(() => sequence.append(someIds(64, model.config.vocab_size)), "context", "ids");
    assert.equal(sequence.length, 22);
  });

  it("begins with decode, and may be emptied", () => {
    const first = sequence.decode(ids[0]);
    sequence.truncate(0);
    assert.equal(sequence.length, 0);
    assert.equal(model.freePages, model.pages);
    sequence.truncate(0);
    sameBits(sequence.prefill([ids[0]]), first);
  });

  it("is filled to the last token of the context, and no further", () => {
    const many = someIds(64, model.config.vocab_size);
    const { vocab_size } = model.config;
    const all = sequence.prefill(many, { all: true });
    for (const more of [1, 2, 1000]) {
      const error = throwsKvasm(() => sequence.prefill(someIds(more, vocab_size)), "context", "ids");
      assert.equal(error.value, more);
    }
    throwsKvasm(() => sequence.decode(1), "context", "id");
    assert.equal(sequence.length, 64);
    sequence.truncate(63);
    throwsKvasm(() => sequence.prefill([1, 2]), "context", "ids");
    sameBits(sequence.decode(many[63]), all.subarray(-vocab_size));
  });

  it("refuses ids that cannot be, before anything changes", () => {
    const { vocab_size } = model.config;
    sequence.prefill(ids);
    const [free, greedy] = [model.freePages, sequence.sample({ temperature: 0 })];
    for (const value of NOT_IDS) throwsKvasm(() => sequence.prefill(value as number[]), "type", "ids");
    for (const [value, code] of badIds(vocab_size)) throwsKvasm(() => sequence.prefill(value as number[]), code);
    for (const empty of [[], new Uint32Array(), new Int32Array()]) throwsKvasm(() => sequence.prefill(empty), "value", "ids");
    for (const value of NOT_NUMBER) throwsKvasm(() => sequence.decode(value as number), "type", "id");
    throwsKvasm(() => sequence.decode(undefined as unknown as number), "type", "id");
    for (const value of [...NOT_INTEGER, -1, vocab_size, 2 ** 32]) throwsKvasm(() => sequence.decode(value), "value", "id");
    assert.equal(throwsKvasm(() => sequence.prefill([1, vocab_size]), "value", "ids[1]").value, vocab_size);
    assert.deepEqual([sequence.length, model.freePages, sequence.sample({ temperature: 0 })], [20, free, greedy]);
    assert.deepEqual([...sequence.ids], ids);
  });

  it("refuses options that cannot be", () => {
    for (const value of NOT_OPTIONS) throwsKvasm(() => sequence.prefill(ids, value as object), "type", "prefill options");
    for (const value of NOT_BOOLEAN) throwsKvasm(() => sequence.prefill(ids, { all: value as boolean }), "type", "all");
    throwsKvasm(() => sequence.prefill(ids, { ALL: true } as object), "option", "ALL");
    assert.equal(sequence.length, 0);
  });

  it("refuses to be truncated to what it is not", () => {
    sequence.prefill(ids);
    for (const value of NOT_NUMBER) throwsKvasm(() => sequence.truncate(value as number), "type", "length");
    throwsKvasm(() => sequence.truncate(undefined as unknown as number), "type", "length");
    for (const value of [...NOT_INTEGER, -1, 21]) throwsKvasm(() => sequence.truncate(value), "value", "length");
    assert.equal(sequence.length, 20);
  });

  it("gives pages back as it is truncated", () => {
    sequence.prefill(someIds(40, model.config.vocab_size));
    const pages = (length: number) => {
      sequence.truncate(length);
      return model.pages - model.freePages;
    };
    assert.deepEqual([40, 33, 32, 17, 16, 1, 0].map(pages), [3, 3, 2, 2, 1, 1, 0]);
  });

  it("has no logits to choose by while it is empty or after it was truncated", () => {
    throwsKvasm(() => sequence.sample(), "state", "sample");
    sequence.prefill(ids);
    sequence.truncate(20);
    sequence.sample();
    sequence.truncate(19);
    throwsKvasm(() => sequence.sample(), "state", "sample");
    const fork = sequence.fork();
    throwsKvasm(() => fork.sample(), "state", "sample");
    fork.decode(1);
    fork.sample();
    throwsKvasm(() => sequence.sample(), "state", "sample");
    fork.dispose();
  });
});

describe("a fork", () => {
  let model: Model;
  let ids: number[];

  before(async () => {
    model = await load(await checkpointFiles("base"));
    ids = someIds(40, model.config.vocab_size);
  });
  after(() => model.dispose());

  it("shares full pages, and copies the last one when one side writes", () => {
    const trunk = model.sequence();
    trunk.prefill(ids.slice(0, 20));
    const used = () => model.pages - model.freePages;
    assert.equal(used(), 2);
    const forks = [trunk.fork(), trunk.fork()];
    assert.equal(used(), 2);
    const logits = forks.map((fork, i) => fork.decode(ids[20 + i]));
    assert.equal(used(), 4);
    differentBits(logits[0], logits[1], "different tokens");
    trunk.decode(ids[20]);
    assert.equal(used(), 4); // the last holder writes into the page itself
    trunk.dispose();
    assert.equal(used(), 3); // the full page is still shared
    for (const fork of forks) fork.dispose();
    assert.equal(used(), 0);
  });

  it("goes its own way, and leaves the other where it was", () => {
    const [trunk, alone] = [model.sequence(), model.sequence()];
    trunk.prefill(ids.slice(0, 20));
    const fork = trunk.fork();
    const branch = fork.prefill(ids.slice(25));
    const stem = trunk.prefill(ids.slice(20));
    sameBits(alone.prefill(ids), stem, "the trunk");
    alone.truncate(20);
    sameBits(alone.prefill(ids.slice(25)), branch, "the fork");
    assert.deepEqual([...fork.ids], [...ids.slice(0, 20), ...ids.slice(25)]);
    for (const sequence of [trunk, alone, fork]) sequence.dispose();
  });

  it("knows the logits and the seed of the moment", () => {
    const trunk = model.sequence();
    trunk.prefill(ids);
    const other = model.sequence();
    other.prefill([1, 2, 3]);
    const fork = trunk.fork();
    assert.equal(fork.seed, trunk.seed);
    assert.equal(fork.sample(), trunk.sample());
    assert.equal(fork.sample({ temperature: 0 }), trunk.sample({ temperature: 0 }));
    for (const sequence of [trunk, other, fork]) sequence.dispose();
  });

  it("of an empty sequence is an empty sequence", () => {
    const empty = model.sequence();
    const fork = empty.fork();
    assert.equal(fork.length, 0);
    fork.decode(1);
    assert.equal(empty.length, 0);
    empty.dispose();
    fork.dispose();
  });

  it("ends with a typed error when all slots are in use, and goes on when one is free", () => {
    const first = model.sequence();
    const all = [first];
    const error = throwsKvasm(() => { for (;;) all.push(first.fork()); }, "sequences", "sequence");
    assert.equal(error.value, all.length);
    assert.ok(all.length >= 256);
    throwsKvasm(() => model.sequence(), "sequences", "sequence");
    throwsKvasm(() => model.trace([1]), "sequences", "sequence");
    all.pop()!.dispose();
    all.push(model.sequence());
    for (const sequence of all) sequence.dispose();
    assert.equal(model.freePages, model.pages);
  });
});

describe("a full cache", () => {
  it("is an error that says how many pages are short and changes nothing", async () => {
    const files = await checkpointFiles("base");
    const page = 3 * 2 * 64 * 16 * 4;
    await withModel(files, (model) => {
      const ids = someIds(64, model.config.vocab_size);
      const [a, b] = [model.sequence(), model.sequence()];
      const expected = a.prefill(ids.slice(0, 15));
      a.prefill(ids.slice(15, 30));
      for (const [rows, short] of [[17, 1], [32, 1], [33, 2], [64, 3]]) {
        const error = throwsKvasm(() => b.prefill(ids.slice(0, rows)), "pages", "ids");
        assert.equal(error.value, short, `${rows} rows`);
        assert.deepEqual([a.length, b.length, model.freePages], [30, 0, 1]);
      }
      b.prefill(ids.slice(0, 16));
      assert.equal(throwsKvasm(() => b.decode(1), "pages", "id").value, 1);
      assert.deepEqual([b.length, model.freePages], [16, 0]);
      a.prefill(ids.slice(30, 32));
      assert.equal(throwsKvasm(() => a.decode(1), "pages", "id").value, 1);
      // A fork that would have to copy its last page needs one as well.
      a.truncate(30);
      const fork = a.fork();
      assert.equal(throwsKvasm(() => fork.decode(1), "pages", "id").value, 1);
      assert.equal(throwsKvasm(() => fork.prefill(ids.slice(0, 3)), "pages", "ids").value, 2);
      assert.equal(throwsKvasm(() => a.decode(1), "pages", "id").value, 1);
      b.dispose();
      fork.decode(1);
      a.truncate(0);
      sameBits(a.prefill(ids.slice(0, 15)), expected, "afterwards");
      a.dispose();
      fork.dispose();
      assert.equal(model.freePages, 3);
    }, { cacheBytes: 3 * page });
  });
});

describe("logits that are not finite", () => {
  it("are an error that leaves the sequence, its logits and its pages as they were", async () => {
    await withModel(withBrokenPosition(await checkpointFiles("base"), 20), (model) => {
      const { vocab_size } = model.config;
      const ids = someIds(30, vocab_size);
      const sequence = model.sequence();
      throwsKvasm(() => sequence.prefill(ids), "non-finite", "logits");
      throwsKvasm(() => sequence.prefill(ids, { all: true }), "non-finite", "logits");
      assert.deepEqual([sequence.length, model.freePages], [0, model.pages]);
      sequence.prefill(ids.slice(0, 20));
      const greedy = sequence.sample({ temperature: 0 });
      const free = model.freePages;
      throwsKvasm(() => sequence.decode(ids[20]), "non-finite", "logits");
      throwsKvasm(() => sequence.prefill([1, 2, 3]), "non-finite", "logits");
      throwsKvasm(() => sequence.prefill([1], { all: true }), "non-finite", "logits");
      assert.deepEqual([sequence.length, model.freePages, sequence.sample({ temperature: 0 })], [20, free, greedy]);
      const fork = sequence.fork();
      throwsKvasm(() => fork.decode(1), "non-finite", "logits");
      assert.equal(model.freePages, free, "the copied page came back");
      fork.dispose();
      sequence.truncate(19);
      sequence.decode(ids[19]);
      assert.equal(sequence.sample({ temperature: 0 }), greedy);
      sequence.dispose();
      assert.equal(model.freePages, model.pages);
    });
  });

  it("in a later part of a long prefill undo the parts before", async () => {
    const files = withBrokenPosition(withPositions(await checkpointFiles("base"), 320), 290);
    await withModel(files, (model) => {
      const ids = someIds(320, model.config.vocab_size);
      const sequence = model.sequence();
      const free = model.freePages;
      // Without `all` only the last row's logits are computed: it must be the one that sees the broken position.
      throwsKvasm(() => sequence.prefill(ids), "non-finite", "logits");
      assert.deepEqual([sequence.length, model.freePages], [0, free]);
      for (const start of [1, 16, 21]) {
        sequence.prefill(ids.slice(0, start));
        const greedy = sequence.sample({ temperature: 0 });
        const used = model.freePages;
        throwsKvasm(() => sequence.prefill(ids.slice(start), { all: true }), "non-finite", "logits");
        throwsKvasm(() => sequence.prefill(ids.slice(start, 291)), "non-finite", "logits");
        assert.deepEqual([sequence.length, model.freePages, sequence.sample({ temperature: 0 })], [start, used, greedy]);
        assert.deepEqual([...sequence.ids], ids.slice(0, start));
        sequence.truncate(0);
      }
      // After truncate there are no logits to restore.
      sequence.prefill(ids.slice(0, 10));
      sequence.truncate(5);
      throwsKvasm(() => sequence.prefill(ids.slice(5), { all: true }), "non-finite", "logits");
      assert.equal(sequence.length, 5);
      throwsKvasm(() => sequence.sample(), "state", "sample");
      sequence.dispose();
    });
  });
});
