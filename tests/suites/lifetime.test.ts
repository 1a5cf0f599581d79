/** dispose: once and for all, everywhere, with nothing left behind. */
import { KvasmError, load } from "../../bindings/index.ts";
import type { Model, Sequence } from "../../bindings/index.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

let files: Files;

before(async () => { files = await checkpointFiles("odd"); });

/** Symbol.dispose, or what stands in for it in engines that have none. */
const disposeSymbol: symbol = Symbol.dispose ?? Symbol.for("Symbol.dispose");

const disposeBySymbol = (object: Model | Sequence): void => (object as unknown as Record<symbol, () => void>)[disposeSymbol]();

/** Every public member: none may be forgotten below. */
function membersOf(object: object): string[] {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor").sort();
}

describe("a disposed sequence", () => {
  let model: Model;
  before(async () => { model = await load(files); });
  after(() => model.dispose());

  const uses: Record<string, (sequence: Sequence) => unknown> = {
    length: (sequence) => sequence.length,
    ids: (sequence) => sequence.ids,
    prefill: (sequence) => sequence.prefill([1]),
    decode: (sequence) => sequence.decode(1),
    append: (sequence) => sequence.append(1),
    sample: (sequence) => sequence.sample(),
    score: (sequence) => sequence.score([1]),
    save: (sequence) => sequence.save(),
    fork: (sequence) => sequence.fork(),
    truncate: (sequence) => sequence.truncate(0),
  };

  it("throws `disposed` from every member, and nothing changes", async () => {
    const sequence = model.sequence();
    assert.deepEqual(membersOf(sequence), [...Object.keys(uses), "dispose", "seed", "reusedTokens", "saveTo"].sort());
    sequence.prefill([1, 2, 3]);
    sequence.dispose();
    assert.equal(model.freePages, model.pages);
    for (const [name, use] of Object.entries(uses)) {
      const error = throwsKvasm(() => use(sequence), "disposed", "sequence");
      assert.ok(error instanceof KvasmError, name);
    }
    await rejectsKvasm(() => sequence.saveTo(new WritableStream()), "disposed", "sequence");
    assert.equal(model.freePages, model.pages);
  });

  it("may be disposed again, by either name, and gives its slot back once", () => {
    const sequence = model.sequence();
    sequence.decode(1);
    disposeBySymbol(sequence);
    const heir = model.sequence(); // has the slot now
    const logits = heir.decode(5);
    sequence.dispose();
    disposeBySymbol(sequence);
    assert.equal(heir.length, 1);
    heir.truncate(0);
    sameBits(heir.decode(5), logits);
    heir.dispose();
    assert.equal(model.freePages, model.pages);
  });

  it("leaves its forks alone", () => {
    const trunk = model.sequence();
    const ids = someIds(20, 257);
    trunk.prefill(ids.slice(0, 10));
    const fork = trunk.fork();
    trunk.dispose();
    const alone = model.sequence();
    sameBits(fork.prefill(ids.slice(10)), alone.prefill(ids));
    fork.dispose();
    alone.dispose();
    assert.equal(model.freePages, model.pages);
  });

  it("is what a thousand of them leave: nothing", () => {
    for (let i = 0; i < 1000; i++) {
      const sequence = model.sequence();
      sequence.decode(i % 257);
      const fork = sequence.fork();
      fork.decode(1);
      (i % 2 === 0 ? sequence : fork).dispose();
      (i % 2 === 0 ? fork : sequence).dispose();
    }
    assert.equal(model.freePages, model.pages);
    const many = Array.from({ length: 256 }, () => model.sequence());
    throwsKvasm(() => model.sequence(), "sequences");
    for (const sequence of many) sequence.dispose();
  });
});

describe("a disposed model", () => {
  it("has a test for each of its members", async () => {
    const model = await load(files);
    // suites/model.test.ts uses each of these after dispose.
    assert.deepEqual(membersOf(model), ["dispose", "distribution", "freePages", "generate", "restore", "restoreFrom", "score", "sequence", "step", "trace", "verify"]);
    disposeBySymbol(model);
    throwsKvasm(() => model.sequence(), "disposed", "model");
    disposeBySymbol(model);
  });

  it("ends its sequences, which may still be disposed", async () => {
    const model = await load(files);
    const sequence = model.sequence();
    sequence.prefill([1, 2]);
    const fork = sequence.fork();
    model.dispose();
    for (const one of [sequence, fork]) {
      throwsKvasm(() => one.length, "disposed", "model");
      throwsKvasm(() => one.ids, "disposed", "model");
      throwsKvasm(() => one.prefill([1]), "disposed", "model");
      throwsKvasm(() => one.decode(1), "disposed", "model");
      throwsKvasm(() => one.sample(), "disposed", "model");
      throwsKvasm(() => one.fork(), "disposed", "model");
      throwsKvasm(() => one.truncate(0), "disposed", "model");
      one.dispose();
      one.dispose();
    }
  });

  it("leaves other models alone", async () => {
    const [a, b] = [await load(files), await load(files)];
    const sequence = b.sequence();
    const logits = sequence.prefill([4, 5, 6]);
    a.dispose();
    sequence.truncate(0);
    sameBits(sequence.prefill([4, 5, 6]), logits);
    b.dispose();
  });

  it("keeps its tokenizer, which needs no memory of it", async () => {
    const model = await load(await checkpointFiles("prefix"));
    model.dispose();
    assert.deepEqual([...model.tokenizer!.encode(" fox")], [21831]);
  });

  it("ends its generators, wherever they are", async () => {
    const model = await load(files);
    const [begun, fresh] = [model.generate([1], { ignoreEos: true }), model.generate([1])];
    await begun.next();
    model.dispose();
    await rejectsKvasm(() => begun.next(), "disposed", "model");
    await rejectsKvasm(() => fresh.next(), "disposed", "model");
  });
});

describe("a call that disposes what it is called on", () => {
  it("is a typed error, or done before", async () => {
    const model = await load(files);
    const sequence = model.sequence();
    sequence.decode(1);
    // Options and lists are read before anything else; what they do then has been done.
    throwsKvasm(() => sequence.prefill([1], { get all() { sequence.dispose(); return true; } }), "disposed", "sequence");
    const other = model.sequence();
    const ids = [1, 2, 3];
    Object.defineProperty(ids, 1, { get() { model.dispose(); return 2; } });
    throwsKvasm(() => other.prefill(ids), "disposed", "model");
    throwsKvasm(() => model.trace(ids), "disposed", "model");
  });
});
