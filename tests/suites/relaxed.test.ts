/**
 * The two modules, kvasm.wasm and kvasm.relaxed.wasm: the same bits of everything. Each is handed to `load`, so that both are tested
 * wherever relaxed SIMD is, whichever `load` takes by itself.
 */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { concatenated, digest } from "../oracle/golden.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, before, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds, withBrokenPosition, withPositions } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { CACHES, WEIGHTS, converted } from "../support/quantized.ts";
import { readGolden } from "../support/reference-golden.ts";
import { withTensors } from "../support/reference-edit.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { checkpointFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";
import { hasRelaxedSimd } from "../support/relaxed.ts";

let plainBytes: Uint8Array<ArrayBuffer>;
let relaxedBytes: Uint8Array<ArrayBuffer>;
let plain: WebAssembly.Module;
let relaxed: WebAssembly.Module;

before(async () => {
  plainBytes = await repositoryFile("dist/kvasm.wasm");
  relaxedBytes = await repositoryFile("dist/kvasm.relaxed.wasm");
  plain = await WebAssembly.compile(plainBytes);
  if (hasRelaxedSimd) relaxed = await WebAssembly.compile(relaxedBytes);
});

/** One model in each module. */
async function withBoth(files: Files | undefined, options: LoadOptions, use: (plain: Model, relaxed: Model) => void | Promise<void>): Promise<void> {
  const models = [await load(files, { ...options, wasm: plain }), await load(files, { ...options, wasm: relaxed })] as const;
  assert.deepEqual(models.map(({ relaxedSimd }) => relaxedSimd), [false, true]);
  assert.deepEqual(models.map(({ weights, cache }) => [weights, cache]), Array.from(models, () => [options.weights ?? models[0].weights, options.cache ?? "f32"]));
  try {
    await use(...models);
  } finally {
    for (const model of models) model.dispose();
  }
}

function prefilled(model: Model, ids: number[], chunk: number): Float32Array {
  const sequence = model.sequence();
  const parts: Float32Array[] = [];
  for (let at = 0; at < ids.length; at += chunk) parts.push(sequence.prefill(ids.slice(at, at + chunk), { all: true }));
  sequence.dispose();
  return concatenated(parts);
}

function decoded(model: Model, ids: number[]): Float32Array {
  const sequence = model.sequence();
  const rows = ids.map((id) => sequence.decode(id));
  sequence.dispose();
  return concatenated(rows);
}

/** Around what either module does with 1 row, 2 rows, an odd one, few and many of them (10 and 12), and a step's most (128). */
const LENGTHS = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 17, 64, 127, 128, 129, 131];
const CHUNKS = [2, 3, 4, 5, 9, 10, 11, 12, 13, 64];

/** Every way of computing in the relaxed module against kvasm.wasm, token by token. */
function assertSame(one: Model, other: Model, ids: number[], what: string): void {
  const rows = decoded(one, ids);
  const { vocab_size } = one.config;
  sameBits(decoded(other, ids), rows, `${what}: one at a time`);
  for (const length of LENGTHS.filter((length) => length <= ids.length)) {
    sameBits(prefilled(other, ids.slice(0, length), length), rows.subarray(0, length * vocab_size), `${what}: ${length} at once`);
  }
  for (const chunk of CHUNKS.filter((chunk) => chunk < ids.length)) sameBits(prefilled(other, ids, chunk), rows, `${what}: chunks of ${chunk}`);
  const [a, b] = [one, other].map((model) => model.trace(ids, { hiddenStates: true }));
  a.hiddenStates!.forEach((states, layer) => sameBits(b.hiddenStates![layer], states, `${what}: hidden states ${layer}`));
  sameBits(b.logits, rows, `${what}: trace`);
  assert.ok(other.verify(ids).identical, what);
  if (one.config.n_embd < 4) return; // the normalised state of a token is then nearly every other's
  const changed = [...ids.slice(0, -1), (ids.at(-1)! + 1) % vocab_size];
  differentBits(prefilled(other, changed, ids.length).slice(-vocab_size), rows.slice(-vocab_size), `${what}: another last token`);
}

/** Neither sizes that are multiples of 16 nor of 32; padded heads; a head of its own; scores without scale; another activation. */
const FOLDERS: readonly Folder[] = ["base", "odd", "head-size-10", "untied", "no-scale", "activation-relu", "prefix"];

function equalBits(): void {
  for (const cache of CACHES) {
    it(`int4 weights, ${cache} cache: logits and hidden states, however tokens are divided over calls`, async () => {
      for (const folder of FOLDERS) {
        await withBoth(await checkpointFiles(folder), { weights: "q4", cache }, (one, other) => {
          assertSame(one, other, someIds(one.contextLength, one.config.vocab_size), folder);
        });
      }
    });
  }

  it("int4 weights: lengths around a step's 128 rows", async () => {
    for (const folder of ["odd", "head-size-10"] as const) {
      await withBoth(withPositions(await checkpointFiles(folder), 131), { weights: "q4" }, (one, other) => {
        assertSame(one, other, someIds(131, one.config.vocab_size, 3), folder);
      });
    }
  });

  it("int4 weights: widths from 1 on, last groups of any length, one panel to many", async () => {
    const widths = [[1, 1], [2, 3], [7, 9], [8, 31], [15, 32], [16, 33], [17, 47], [31, 48], [33, 49], [40, 65], [63, 100], [65, 127]];
    for (const [i, [n_embd, n_inner]] of widths.entries()) {
      const shape = { n_embd, n_inner, n_head: 1, n_layer: 2, vocab_size: 5 + 9 * i, n_positions: 20 };
      await withBoth(randomCheckpoint(shape, 500 + i), { weights: "q4", cache: CACHES[i % 3] }, (one, other) => {
        assertSame(one, other, someIds(20, shape.vocab_size, i), `${n_embd} wide, ${n_inner} in the inner layer`);
      });
    }
  });

  it("f32 and int8 weights, every cache", async () => {
    for (const weights of WEIGHTS) {
      if (weights === "q4") continue;
      for (const cache of CACHES) {
        for (const folder of ["base", "odd", "head-size-10"] as const) {
          await withBoth(await checkpointFiles(folder), { weights, cache }, (one, other) => {
            assertSame(one, other, someIds(Math.min(one.contextLength, 33), one.config.vocab_size), `${folder}, ${weights}, ${cache}`);
          });
        }
      }
    }
  });

  it("the embedded model in int4", { timeout: 120_000 }, async () => {
    await withBoth(undefined, { weights: "q4", cache: "q8", contextLength: 64 }, (one, other) => {
      const ids = someIds(14, one.config.vocab_size);
      const rows = decoded(one, ids);
      sameBits(decoded(other, ids), rows, "one at a time");
      for (const chunk of [3, 4, 11, 14]) sameBits(prefilled(other, ids, chunk), rows, `chunks of ${chunk}`);
    });
  });

  it("golden bits of int4: what the oracle computed", async () => {
    const recorded = (await readGolden()).integers.filter(({ folder, weights }) => folder !== "stories" && weights === "q4");
    assert.ok(recorded.length >= 6);
    for (const { folder, weights, cache, ids, ...golden } of recorded) {
      await withBoth(await checkpointFiles(folder as Folder), { weights, cache }, async (_, model) => {
        const { logits, hiddenStates } = model.trace(ids, { hiddenStates: true });
        assert.equal(await digest(logits), golden.logits, `${folder}, ${cache} cache: logits`);
        assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates, `${folder}, ${cache} cache: hidden states`);
        assert.equal(await digest(decoded(model, ids)), golden.logits, `${folder}, ${cache} cache: one token at a time`);
        logits[0] = -logits[0];
        assert.notEqual(await digest(logits), golden.logits, "a sign shows");
      });
    }
  });

  it("what is drawn from a seed", async () => {
    await withBoth(await checkpointFiles("base"), { weights: "q4", cache: "q8" }, async (one, other) => {
      const draw = async (model: Model, seed: number): Promise<number[]> => {
        const ids: number[] = [];
        for await (const { id } of model.generate([1, 2, 3], { maxTokens: 50, seed, temperature: 1.1, topP: 0.95, ignoreEos: true })) ids.push(id);
        return ids;
      };
      const drawn = await draw(one, 11);
      assert.equal(drawn.length, 50);
      assert.deepEqual(await draw(other, 11), drawn);
      assert.notDeepEqual(await draw(other, 12), drawn);
    });
  });
}

/** Activations of the inner layer are its bias alone; `mlp.c_proj` sums what is set here. */
const sums = (activation: (k: number) => number, weight: (k: number, n: number) => number): Files =>
  withTensors(randomCheckpoint({ n_embd: 4, n_head: 1, n_layer: 1, n_inner: 128, vocab_size: 5, n_positions: 14, activation_function: "tanh" }, 600), (tensors) => {
    const fill = (name: string, value: (i: number) => number): void => {
      const { bytes } = tensors.get(name)!;
      new Float32Array(bytes.buffer).forEach((_, i, all) => { all[i] = value(i); });
    };
    fill("h.0.mlp.c_fc.weight", () => 0);
    fill("h.0.mlp.c_fc.bias", activation);
    fill("h.0.mlp.c_proj.weight", (i) => weight(Math.floor(i / 4), i % 4));
  });

/** tanh of it is 1 in binary32. */
const HIGH = 20;

function extremes(): void {
  it("activations that are ±127 throughout beside weights of −8 and 7", async () => {
    const signs: ((k: number) => number)[] = [() => 1, () => -1, ...[0, 1, 2, 3, 4].map((bit) => (k: number) => ((k >> bit) & 1 ? 1 : -1))];
    for (const [i, sign] of signs.entries()) {
      // The 7s need a −8 in their group: the scale is then exactly 1/8.
      const sevens = (k: number, value: number): number => (k % 32 === 0 ? -8 : value);
      const weight = (k: number, n: number): number => [-8, sevens(k, 7), sevens(k, sign(k) > 0 ? 7 : -8), sevens(k, sign(k) < 0 ? 7 : -8)][n] / 8;
      await withBoth(sums((k) => sign(k) * HIGH, weight), { weights: "q4" }, (one, other) => {
        assertSame(one, other, someIds(14, 5, i), `pattern ${i}`);
      });
    }
  });

  it("activations of every magnitude, groups that are zeros or too small for a scale among them", async () => {
    const sizes = [1, 0, 2 ** -20, 2 ** -99, 2 ** -101, 1e-44, 127 / 128, 1e-6];
    for (let shift = 0; shift < sizes.length; shift++) {
      const activation = (k: number): number => sizes[(shift + (k >> 5)) % sizes.length] * (((k * 37) % 64) - 32) / 32;
      await withBoth(sums(activation, (k, n) => Math.sin(k * 4 + n)), { weights: "q4", cache: CACHES[shift % 3] }, (one, other) => {
        assertSame(one, other, someIds(14, 5, shift), `sizes from ${shift} on`);
      });
    }
  });

  it("weights of every magnitude and of a single sign", async () => {
    const sizes = [1, 2 ** -120, 3e-7, 1e-4, 30, 1e-9];
    const files = withTensors(randomCheckpoint({ n_embd: 64, n_head: 4, n_layer: 2, n_inner: 96, vocab_size: 48, n_positions: 20 }, 610), (tensors) => {
      for (const [name, { bytes, shape: [, columns] }] of tensors) {
        if (!/c_fc|c_proj.weight/.test(name) || columns === undefined) continue;
        new Float32Array(bytes.buffer).forEach((value, i, all) => {
          const n = i % columns;
          all[i] = (n % 5 === 0 ? Math.abs(value) : n % 5 === 1 ? -Math.abs(value) : value) * sizes[(n + (Math.floor(i / columns) >> 5)) % sizes.length];
        });
      }
    });
    await withBoth(files, { weights: "q4" }, (one, other) => assertSame(one, other, someIds(20, 48), "magnitudes"));
  });

  it("numbers that are not finite are the same error, at the same token", async () => {
    for (const folder of ["base", "odd"] as const) {
      const files = withBrokenPosition(await checkpointFiles(folder), 5);
      await withBoth(files, { weights: "q4" }, (one, other) => {
        const ids = someIds(12, one.config.vocab_size);
        const errors = [one, other].map((model) => [
          throwsKvasm(() => model.sequence().prefill(ids), "non-finite"),
          throwsKvasm(() => model.trace(ids), "non-finite"),
          throwsKvasm(() => {
            const sequence = model.sequence();
            for (const id of ids) sequence.decode(id);
          }, "non-finite"),
        ].map(({ message, value }) => ({ message, value })));
        assert.deepEqual(errors[1], errors[0]);
        sameBits(prefilled(other, ids.slice(0, 5), 5), decoded(one, ids.slice(0, 5)), `${folder}: the tokens before`);
      });
    }
    const infinite = withTensors(await checkpointFiles("odd"), (tensors) => {
      new Float32Array(tensors.get([...tensors.keys()].find((name) => name.endsWith("mlp.c_fc.weight"))!)!.bytes.buffer)[77] = Infinity;
    });
    const refusals = [await rejectsKvasm(() => load(infinite, { weights: "q4", wasm: plain }), "non-finite"), await rejectsKvasm(() => load(infinite, { weights: "q4", wasm: relaxed }), "non-finite")];
    assert.equal(refusals[1].message, refusals[0].message);
  });
}

function files(): void {
  it("a converted file is the same byte for byte, and each reads the other's", async () => {
    for (const folder of ["base", "odd", "head-size-10", "untied"] as const) {
      const source = await checkpointFiles(folder);
      const written = await converted(source, { weights: "q4", wasm: plain });
      const other = await converted(source, { weights: "q4", wasm: relaxed });
      assert.deepEqual(Object.keys(other), Object.keys(written));
      for (const name of Object.keys(written)) assert.ok(equalBytes(other[name], written[name]), `${folder}: ${name}`);
      assert.ok(!equalBytes((await converted(source, { weights: "q8", wasm: relaxed }))["model.safetensors"], written["model.safetensors"]), "the control");

      // Through integers as they are in the file, back to floats, and from int8 to int4.
      for (const weights of ["q4", "f32"] as const) {
        const again = await converted(written, { weights, wasm: relaxed });
        const wanted = await converted(written, { weights, wasm: plain });
        for (const name of Object.keys(wanted)) assert.ok(equalBytes(again[name], wanted[name]), `${folder} as ${weights} again: ${name}`);
      }
      await withBoth(written, {}, (one, same) => assertSame(one, same, someIds(Math.min(20, one.contextLength), one.config.vocab_size), `${folder}, from the file`));
    }
  });

  it("a GGUF file of Q4_0 too", async () => {
    const source = await checkpointFiles("base");
    const written = await converted(source, { weights: "q4", format: "gguf", wasm: plain });
    const other = await converted(source, { weights: "q4", format: "gguf", wasm: relaxed });
    for (const name of Object.keys(written)) assert.ok(equalBytes(other[name], written[name]), name);
    await withBoth(written, { weights: "q4" }, (one, same) => assertSame(one, same, someIds(20, one.config.vocab_size), "GGUF"));
  });

  it("a cut module, and one that is no module, is refused", async () => {
    for (const bytes of [relaxedBytes.slice(0, -1), relaxedBytes.slice(0, 4), relaxedBytes.slice(1)]) {
      await rejectsKvasm(async () => load(await checkpointFiles("odd"), { wasm: bytes }), "value", "wasm");
    }
  });
}

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

if (hasRelaxedSimd) {
  describe("kvasm.relaxed.wasm has the bits of kvasm.wasm", equalBits);
  describe("kvasm.relaxed.wasm at the ends of its integers", extremes);
  describe("kvasm.relaxed.wasm and files", files);
} else {
  describe("kvasm.relaxed.wasm where relaxed SIMD is not (its bits are not compared here)", () => {
    it("is refused with an error that says what it needs; kvasm.wasm is what load takes", async () => {
      const source = await checkpointFiles("odd");
      assert.equal(WebAssembly.validate(relaxedBytes), false);
      const error = await rejectsKvasm(() => load(source, { wasm: relaxedBytes }), "value", "wasm");
      assert.match(error.message, /relaxed SIMD/);
      await rejectsKvasm(() => converted(source, { weights: "q4", wasm: relaxedBytes }), "value", "wasm");
      const [own, given] = [await load(source, { weights: "q4" }), await load(source, { weights: "q4", wasm: plainBytes })];
      assert.deepEqual([own.relaxedSimd, given.relaxedSimd], [false, false]);
      assertSame(given, own, someIds(20, own.config.vocab_size), "odd");
      own.dispose();
      given.dispose();
    });
  });
}

describe("load without `wasm`", () => {
  it("takes one of the two, and says which", async () => {
    const source = await checkpointFiles("odd");
    const model = await load(source, { weights: "q4" });
    assert.equal(typeof model.relaxedSimd, "boolean");
    assert.ok(hasRelaxedSimd || !model.relaxedSimd, "the relaxed module only where it runs");
    const wasm = model.relaxedSimd ? relaxedBytes : plainBytes;
    const same = await load(source, { weights: "q4", wasm });
    assert.equal(same.relaxedSimd, model.relaxedSimd);
    sameBits(prefilled(model, [1, 2, 3, 4, 5], 5), prefilled(same, [1, 2, 3, 4, 5], 5));
    const again = await load(source);
    assert.equal(again.relaxedSimd, model.relaxedSimd, "whatever the weights");
    for (const one of [model, same, again]) one.dispose();
  });
});
