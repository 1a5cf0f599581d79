/**
 * Numbers that overflow somewhere inside, in every type of weights and cache: the call fails with `non-finite`, and whatever it
 * left in pages, scratch rows and logits never shows in what is computed afterwards.
 */
import type { Model } from "../../bindings/index.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { throwsKvasm } from "../support/errors.ts";
import { someIds, withBrokenPosition, withModel } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { withConfig, withTensors } from "../support/reference-edit.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const WEIGHTS = ["f32", "q8", "q4"] as const;
const CACHES = ["f32", "f16", "q8"] as const;
type Types = { weights: (typeof WEIGHTS)[number]; cache: (typeof CACHES)[number] };
const ALL: Types[] = WEIGHTS.flatMap((weights) => CACHES.map((cache) => ({ weights, cache })));

const SHAPE = { n_embd: 24, n_head: 2, n_layer: 2, n_inner: 40, vocab_size: 37, n_positions: 80 };
const V = SHAPE.vocab_size;
const ids = someIds(80, V, 3);

async function everywhere(files: Files, use: (model: Model, where: string) => void, types = ALL, options = {}): Promise<void> {
  for (const one of types) await withModel(files, (model) => use(model, `${one.weights} weights, ${one.cache} cache`), { ...one, ...options });
}

/** Logits of `list` in a sequence of its own, the last row. */
function fresh(model: Model, list: number[]): Float32Array {
  const sequence = model.sequence();
  const logits = sequence.prefill(list);
  sequence.dispose();
  return logits;
}

/** Tensors changed in place. */
const edited = (files: Files, changes: Record<string, (values: Float32Array) => void>): Files => withTensors(files, (tensors) => {
  for (const [name, change] of Object.entries(changes)) change(new Float32Array(tensors.get(name)!.bytes.buffer));
});

const plain = randomCheckpoint(SHAPE, 21);

describe("a step that overflows", () => {
  // Positions within a page, at its first and last place, and beyond a whole step.
  for (const broken of [1, 9, 15, 16, 17, 31, 32, 70]) {
    it(`at position ${broken}: what stays in a page or in scratch does not show`, async () => {
      const files = withBrokenPosition(plain, broken);
      const results = new Map<string, Float32Array>();
      await everywhere(plain, (model, where) => void results.set(where, model.trace(ids.slice(0, broken)).logits));
      await everywhere(files, (model, where) => {
        const expected = results.get(where)!;
        const row = (t: number): Float32Array => expected.subarray(t * V, (t + 1) * V);
        const from = Math.max(0, broken - 5);
        const sequence = model.sequence();
        if (from > 0) sameBits(sequence.prefill(ids.slice(0, from)), row(from - 1), `${where}: before`);
        // Rows before the broken one, it, and rows behind it: in one step, with all logits, and one at a time.
        throwsKvasm(() => sequence.prefill(ids.slice(from)), "non-finite");
        assert.equal(sequence.length, from);
        throwsKvasm(() => sequence.prefill(ids.slice(from, broken + 3), { all: true }), "non-finite");
        assert.equal(sequence.length, from);
        const branch = sequence.fork();
        for (let t = from; t < broken; t++) sameBits(sequence.decode(ids[t]), row(t), `${where}: position ${t} afterwards`);
        throwsKvasm(() => sequence.decode(ids[broken]), "non-finite");
        assert.equal(sequence.length, broken);
        // A fork of what was left, in one call; and a sequence that gets the pages that were given back.
        if (broken > from) sameBits(branch.prefill(ids.slice(from, broken), { all: true }), expected.subarray(from * V), `${where}: a fork`);
        sequence.truncate(broken - 1);
        sameBits(sequence.decode(ids[broken - 1]), row(broken - 1), `${where}: truncated`);
        sequence.dispose();
        branch.dispose();
        sameBits(fresh(model, ids.slice(0, broken)), row(broken - 1), `${where}: a new sequence`);
      }, ALL, { maxSequences: 2 });
    });
  }

  it("for one token only: the sequence goes on with another in its place", async () => {
    // Row 5 of the embedding is 3e38 throughout; int4's scales end at 65504, so that there a position must serve (above).
    // The head is another matrix: it would overflow for every token.
    const untied = withTensors(withConfig(plain, { tie_word_embeddings: false }), (tensors) => {
      const { dtype, shape, bytes } = tensors.get("wte.weight")!;
      tensors.set("lm_head.weight", { dtype, shape, bytes: bytes.slice() });
    });
    const files = edited(untied, { "wte.weight": (values) => void values.fill(3e38, 5 * 24, 6 * 24) });
    const types = ALL.filter(({ weights }) => weights !== "q4");
    const good = ids.map((id) => (id === 5 ? 6 : id));
    await everywhere(files, (model, where) => {
      for (const length of [0, 3, 15, 16, 31, 40]) {
        const sequence = model.sequence();
        if (length > 0) sequence.prefill(good.slice(0, length));
        throwsKvasm(() => sequence.decode(5), "non-finite");
        throwsKvasm(() => sequence.prefill([good[length], 5, good[length + 1], 5, 5, good[length + 2]]), "non-finite");
        throwsKvasm(() => sequence.prefill([...Array(20).fill(5)], { all: true }), "non-finite");
        assert.equal(sequence.length, length);
        const next = sequence.prefill(good.slice(length, length + 3));
        sameBits(next, fresh(model, good.slice(0, length + 3)), `${where}: three more after ${length}`);
        sequence.dispose();
      }
    }, types);
    // Where nothing failed before the bits are the same: what was compared above is no product of it.
    const before = new Map<string, Float32Array>();
    await everywhere(untied, (model, where) => void before.set(where, fresh(model, good.slice(0, 43))), types);
    await everywhere(files, (model, where) => {
      throwsKvasm(() => fresh(model, [5]), "non-finite");
      sameBits(fresh(model, good.slice(0, 43)), before.get(where)!, where);
      differentBits(fresh(model, good.slice(0, 42)), before.get(where)!, where);
    }, types);
  });
});

describe("an overflow inside", () => {
  const columns = (n: number, value: (k: number) => number) => (values: Float32Array): void => {
    for (let k = 0; k < 24; k++) values[k * 72 + n] = value(k);
  };
  const CASES: [string, Record<string, (values: Float32Array) => void>][] = [
    ["a query that is infinite", { "h.1.attn.c_attn.weight": columns(3, () => 3e38) }],
    ["a key that is infinite", { "h.0.attn.c_attn.weight": columns(24 + 3, () => 3e38) }],
    ["a key that is NaN, or infinite where sums are integers", { "h.1.attn.c_attn.weight": columns(24 + 15, (k) => (k % 2 ? 3e38 : -3e38)) }],
    ["a value that is infinite", { "h.0.attn.c_attn.weight": columns(48 + 3, () => -3e38) }],
    ["a value that is NaN, or infinite where sums are integers", { "h.1.attn.c_attn.weight": columns(48 + 23, (k) => (k % 2 ? 3e38 : -3e38)) }],
    ["an inner layer", { "h.0.mlp.c_fc.weight": (values) => void values.fill(3e38) }],
    ["a residual", { "h.0.mlp.c_proj.bias": (values) => void values.fill(3e38), "h.1.mlp.c_proj.bias": (values) => void values.fill(3e38) }],
    // Finite, and so far apart that the squares are not: 1 / √∞ would leave nothing of the row but its bias.
    ["the variance of a layer norm", { "h.0.mlp.c_proj.bias": (values) => values.forEach((_, c) => (values[c] = c % 2 ? 1e20 : -1e20)) }],
    ["the final layer norm", { "ln_f.weight": (values) => void values.fill(3e38) }],
    ["the head", { "ln_f.weight": (values) => void values.fill(3e37), "ln_f.bias": (values) => void values.fill(2e38) }],
  ];
  for (const [what, changes] of CASES) {
    it(`${what} is an error`, async () => {
      // int4 has no weights as large: its cases are those of vectors, which are f32.
      const vectors = Object.keys(changes).every((name) => name.endsWith(".bias") || name.startsWith("ln_f"));
      await everywhere(edited(plain, changes), (model, where) => {
        for (const list of [[1], [1, 2, 3], ids]) {
          const sequence = model.sequence();
          throwsKvasm(() => sequence.prefill(list), "non-finite");
          throwsKvasm(() => model.trace(list), "non-finite");
          assert.equal(sequence.length, 0, where);
          sequence.dispose();
        }
      }, vectors ? ALL : ALL.filter(({ weights }) => weights !== "q4"));
    });
  }

  it("keys of ±65504 and beyond are no error in a cache of binary16; the unchanged model is none anywhere", async () => {
    const large = edited(plain, { "h.0.attn.c_attn.bias": (values) => void values.fill(1e5, 24, 25).fill(-7e4, 50, 51) });
    await everywhere(large, (model, where) => assert.ok(fresh(model, ids).every(Number.isFinite), where));
    await everywhere(plain, (model, where) => assert.ok(fresh(model, ids).every(Number.isFinite), where));
  });

  it("in pages that another sequence held before", async () => {
    // Room for one sequence: the pages of the broken one are those of the next.
    const files = edited(plain, { "wpe.weight": (values) => void values.fill(3e38, 60 * 24, 61 * 24) });
    await everywhere(files, (model, where) => {
      const expected = fresh(model, ids.slice(0, 60));
      for (const length of [61, 62, 75]) {
        const sequence = model.sequence();
        throwsKvasm(() => sequence.prefill(ids.slice(0, length)), "non-finite");
        throwsKvasm(() => sequence.prefill(ids.slice(0, length), { all: true }), "non-finite");
        sequence.dispose();
        sameBits(fresh(model, ids.slice(0, 60)), expected, `${where}: after ${length}`);
      }
    }, ALL, { maxSequences: 1 });
  });
});
