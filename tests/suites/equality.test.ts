/** The promise: the same bits, however tokens are divided over calls, forks, truncations and sequences. */
import fc from "fast-check";
import { load } from "../../bindings/index.ts";
import type { Model, Sequence } from "../../bindings/index.ts";
import { assertKvasmError } from "../support/errors.ts";
import { after, assert, before, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds, withModel, withPositions } from "../support/models.ts";
import { tensorsOf, withTensors } from "../support/reference-edit.ts";
import { checkpointFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

/** Head sizes 16, 16 (odd widths all over) and 10. */
const FOLDERS: Folder[] = ["base", "odd", "head-size-10"];

/** Of the order in which properties are tried; a failure prints the path to it. */
const SEED = 20260611;

/** Logits by the tokens before: each list is computed once, alone, in one prefill, by a model of its own. */
class Truth {
  readonly #model: Model;
  readonly #known = new Map<string, Float32Array>();

  constructor(model: Model) {
    this.#model = model;
  }

  of(ids: readonly number[]): Float32Array {
    const key = ids.join();
    let logits = this.#known.get(key);
    if (logits === undefined) {
      const sequence = this.#model.sequence();
      logits = sequence.prefill(ids);
      sequence.dispose();
      this.#known.set(key, logits);
    }
    return logits;
  }
}

/** What a random run does: `on` picks one of the open sequences, `tokens` are appended, `share` is a part of the length. */
type Action =
  | { kind: "prefill" | "prefillAll"; on: number; tokens: number[] }
  | { kind: "decode"; on: number; token: number }
  | { kind: "fork" | "dispose"; on: number }
  | { kind: "truncate"; on: number; share: number };

// Few different tokens and lengths around a page's 16: so that runs meet each other's prefixes and borders.
const token = fc.integer({ min: 0, max: 3 });
const tokens = fc.oneof(fc.array(token, { minLength: 1, maxLength: 5 }), fc.constantFrom(15, 16, 17, 31).chain((n) => fc.array(token, { minLength: n, maxLength: n })));
const on = fc.nat(7);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constantFrom("prefill" as const, "prefillAll" as const), on, tokens }),
  fc.record({ kind: fc.constant("decode" as const), on, token }),
  fc.record({ kind: fc.constantFrom("fork" as const, "dispose" as const), on }),
  fc.record({ kind: fc.constant("truncate" as const), on, share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

interface Open { sequence: Sequence; ids: number[] }

/** Does one action; what cannot be done must be a typed error that changes nothing. Returns the logits to compare. */
function act(model: Model, truth: Truth, open: Open[], action: Action): void {
  const { vocab_size } = model.config;
  const one = open[action.on % open.length];
  const { sequence, ids } = one;
  const free = model.freePages;
  const append = (more: number[], run: () => Float32Array, all: boolean): void => {
    let logits: Float32Array;
    try {
      logits = run();
    } catch (error) {
      assertKvasmError(error, ids.length + more.length > model.contextLength ? "context" : "pages");
      assert.equal(model.freePages, free, "pages after a failed step");
      assert.deepEqual([...sequence.ids], ids, "ids after a failed step");
      return;
    }
    more.forEach((id, i) => {
      ids.push(id);
      if (all) sameBits(logits.subarray(i * vocab_size, (i + 1) * vocab_size), truth.of(ids), `row ${i} of ${more.length}, token ${ids.length - 1}`);
    });
    if (!all) sameBits(logits, truth.of(ids), `${action.kind}, ${ids.length} tokens`);
  };
  switch (action.kind) {
    case "prefill": return append(action.tokens, () => sequence.prefill(action.tokens), false);
    case "prefillAll": return append(action.tokens, () => sequence.prefill(action.tokens, { all: true }), true);
    case "decode": return append([action.token], () => sequence.decode(action.token), false);
    case "fork":
      if (open.length < 6) open.push({ sequence: sequence.fork(), ids: [...ids] });
      return assert.equal(model.freePages, free, "a fork takes no page");
    case "truncate":
      ids.length = Math.floor(action.share * ids.length);
      return sequence.truncate(ids.length);
    case "dispose":
      sequence.dispose();
      open.splice(open.indexOf(one), 1);
      if (open.length === 0) open.push({ sequence: model.sequence(), ids: [] });
  }
}

for (const folder of FOLDERS) {
  describe(`the same bits: ${folder}`, () => {
    let model: Model;
    let truth: Truth;
    let other: Model;
    /** f32[vocab_size][n_embd] */
    let embedding: Float32Array;

    before(async () => {
      const files = await checkpointFiles(folder);
      const tensors = tensorsOf(files["model.safetensors"]);
      embedding = new Float32Array((tensors.get("wte.weight") ?? tensors.get("transformer.wte.weight"))!.bytes.buffer);
      // Two sequences' pages: runs also meet the end of the pool.
      model = await load(files, { maxSequences: 2 });
      other = await load(files);
      truth = new Truth(other);
    });
    after(() => {
      model.dispose();
      other.dispose();
    });

    it("in any run of prefills, decodes, forks, truncations and disposals over several sequences", () => {
      fc.assert(fc.property(fc.array(action, { minLength: 1, maxLength: 14 }), (actions) => {
        const open: Open[] = [{ sequence: model.sequence(), ids: [] }, { sequence: model.sequence(), ids: [] }];
        try {
          for (const one of actions) act(model, truth, open, one);
        } finally {
          for (const { sequence } of open) sequence.dispose();
        }
        assert.equal(model.freePages, model.pages, "all pages came back");
      }), { seed: SEED, numRuns: 60 });
    });

    it("wherever a text is cut in two", () => {
      const { vocab_size } = model.config;
      const ids = someIds(Math.min(40, model.contextLength), vocab_size);
      const whole = rowsOf(other, ids);
      for (let cut = 0; cut <= ids.length; cut++) {
        const sequence = model.sequence();
        const parts = [ids.slice(0, cut), ids.slice(cut)].filter((part) => part.length > 0);
        const rows = parts.map((part) => sequence.prefill(part, { all: true }));
        sequence.dispose();
        let at = 0;
        for (const part of rows) {
          sameBits(part, whole.subarray(at, at + part.length), `cut at ${cut}`);
          at += part.length;
        }
        assert.equal(at, whole.length);
      }
    });

    it("in sequences that take turns", () => {
      const { vocab_size, n_positions } = model.config;
      const length = Math.min(20, n_positions);
      const texts = [1, 2, 3].map((seed) => someIds(length, vocab_size, seed));
      const expected = texts.map((ids) => rowsOf(other, ids));
      fc.assert(fc.property(fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 7 })), { minLength: 3, maxLength: 12 }), (turns) => {
        const sequences = texts.map(() => other.sequence());
        try {
          for (const [which, count] of turns) {
            const sequence = sequences[which];
            const at = sequence.length;
            const part = texts[which].slice(at, at + count);
            if (part.length === 0) continue;
            const logits = part.length === 1 ? sequence.decode(part[0]) : sequence.prefill(part, { all: true });
            sameBits(logits, expected[which].subarray(at * vocab_size, (at + part.length) * vocab_size), `sequence ${which} at ${at}`);
          }
          // The greedy choice uses the logits kept for each, wherever the shared row of logits is by now.
          sequences.forEach((sequence, which) => {
            if (sequence.length === 0) return;
            const row = expected[which].subarray((sequence.length - 1) * vocab_size, sequence.length * vocab_size);
            assert.equal(sequence.sample({ temperature: 0 }), row.indexOf(Math.max(...row)), `greedy after ${sequence.length}`);
          });
        } finally {
          for (const sequence of sequences) sequence.dispose();
        }
      }), { seed: SEED, numRuns: 40 });
    });

    it("but not of a model with one weight a bit different", async () => {
      const files = withTensors(await checkpointFiles(folder), (tensors) => {
        const name = [...tensors.keys()].find((key) => key.endsWith("h.0.mlp.c_fc.weight"))!;
        new Uint32Array(tensors.get(name)!.bytes.buffer)[5] ^= 1 << 12;
      });
      const ids = someIds(16, model.config.vocab_size);
      await withModel(files, (changed) => differentBits(rowsOf(changed, ids.slice(0, model.contextLength)), rowsOf(model, ids.slice(0, model.contextLength)), "a changed weight"));
    });

    it("but not of the same sums in another order", () => {
      const { n_embd, vocab_size } = model.config;
      const ids = someIds(8, vocab_size);
      const { logits, hiddenStates } = model.trace(ids, { hiddenStates: true });
      const last = hiddenStates!.at(-1)!;
      const summed = (order: (terms: Float32Array) => number) => Float32Array.from({ length: ids.length * vocab_size }, (_, i) => {
        const [t, v] = [Math.floor(i / vocab_size), i % vocab_size];
        return order(Float32Array.from({ length: n_embd }, (_, c) => last[t * n_embd + c] * embedding[v * n_embd + c]));
      });
      const ascending = (terms: Float32Array) => terms.reduce((sum, term) => Math.fround(sum + term), 0);
      sameBits(summed(ascending), logits, "ascending");
      differentBits(summed((terms) => ascending(terms.reverse())), logits, "descending");
      const half = n_embd >> 1;
      differentBits(summed((terms) => Math.fround(ascending(terms.subarray(0, half)) + ascending(terms.subarray(half)))), logits, "two halves");
    });
  });
}

/** Logits of all tokens, alone in one prefill. */
function rowsOf(model: Model, ids: number[]): Float32Array {
  const sequence = model.sequence();
  try {
    return sequence.prefill(ids, { all: true });
  } finally {
    sequence.dispose();
  }
}

describe("the same bits over more tokens than a step takes", () => {
  const LENGTH = 300; // a step takes 128
  let model: Model;
  let ids: number[];
  let whole: Float32Array;

  before(async () => {
    model = await load(withPositions(await checkpointFiles("base"), LENGTH), { maxSequences: 2 });
    ids = someIds(LENGTH, model.config.vocab_size);
    whole = rowsOf(model, ids);
  });
  after(() => model.dispose());

  it("in one prefill and token by token", () => {
    const sequence = model.sequence();
    const { vocab_size } = model.config;
    ids.forEach((id, t) => sameBits(sequence.decode(id), whole.subarray(t * vocab_size, (t + 1) * vocab_size), `token ${t}`));
    sequence.dispose();
  });

  it("in any two prefills around the borders of pages and steps", () => {
    const { vocab_size } = model.config;
    for (const cut of [1, 15, 16, 17, 64, 127, 128, 129, 255, 256, 257, 299]) {
      const sequence = model.sequence();
      sameBits(sequence.prefill(ids.slice(0, cut)), whole.subarray((cut - 1) * vocab_size, cut * vocab_size), `first ${cut}`);
      sameBits(sequence.prefill(ids.slice(cut), { all: true }), whole.subarray(cut * vocab_size), `after ${cut}`);
      sequence.dispose();
    }
  });

  it("but not after another first token", () => {
    const changed = rowsOf(model, [(ids[0] + 1) % model.config.vocab_size, ...ids.slice(1)]);
    differentBits(changed.subarray(-model.config.vocab_size), whole.subarray(-model.config.vocab_size), "the last row");
  });
});
