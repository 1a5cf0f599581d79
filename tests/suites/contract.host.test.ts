/** What the module and the bindings have to agree on, shown in what they do. */
import * as shared from "../../assembly/contract.ts";
import { load } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import * as contract from "../../bindings/wasm/exports.ts";
import { pieces } from "../support/checkpoint.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { assert, describe, it } from "../support/harness.ts";
import { someIds, withPositions } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { withTensors } from "../support/reference-edit.ts";
import { randomCheckpoint } from "../support/reference-random.ts";
import { checkpointFiles } from "../support/reference.ts";

const snake = (name: string): string => name.replace(/[A-Z]|(?<=[a-z])\d/g, (letter) => `_${letter}`).toUpperCase();

/** The numbers of assembly/contract.ts by their names there. */
const numbers: Readonly<Record<string, number>> = shared;

/** `values` have the numbers that the module's names for them have, and every one its own. */
function assertNamed(values: Readonly<Record<string, number>>, nameOf: (key: string) => string): void {
  assert.deepEqual(values, Object.fromEntries(Object.keys(values).map((key) => [key, numbers[nameOf(key)]])));
  assert.deepEqual(Object.values(values).sort((a, b) => a - b), Object.keys(values).map((_, i) => i));
}

describe("the names that the bindings have for the module's numbers", () => {
  it("go with the numbers that the module has under these names", () => {
    assertNamed(contract.Tensor, snake);
    assertNamed(contract.WeightType, (name) => `WEIGHTS_${name.toUpperCase()}`);
    assertNamed(contract.CacheType, (name) => `CACHE_${name.toUpperCase()}`);
    assertNamed(contract.Dtype, (name) => name);
    assertNamed(contract.Activation, (name) => name.toUpperCase());
    assertNamed(contract.Region, (name) => `REGION_${snake(name)}`);
    assertNamed(contract.Status, snake);
  });

  it("are compared: two names exchanged, and one number twice, are found", () => {
    const { f32, q8, q4 } = contract.WeightType;
    const nameOf = (name: string): string => `WEIGHTS_${name.toUpperCase()}`;
    assert.throws(() => assertNamed({ f32: q8, q8: f32, q4 }, nameOf));
    assert.throws(() => assertNamed({ f32, q8, q4: q8 }, nameOf));
  });
});

describe("model.memory", () => {
  /** Bytes of some f32, padded to 16 elements. */
  const floats = (count: number): number => Math.ceil(count / 16) * 64;

  function assertRegions(model: Model): void {
    const { exports, header, memory } = lifetimeOf(model).value;
    const { n_layer, n_embd, n_inner, vocab_size, n_positions, n_head } = model.config;
    const at = (name: keyof typeof contract.Region): number => exports.regionAddress(header, contract.Region[name]) >>> 0;
    const { total, header: headerBytes, weights, storedHead, pages, tables, activations, logits, sampler } = model.memory;
    assert.equal(total, memory.size);
    // One behind the other, in the order of their names, none over another.
    assert.equal(at("header"), header);
    assert.equal(at("weights"), header + headerBytes);
    assert.equal(at("pages"), at("weights") + weights + storedHead);
    assert.equal(at("tables"), at("pages") + pages);
    assert.equal(at("activations"), at("tables") + tables);
    assert.equal(at("logits"), at("activations") + activations);
    assert.equal(at("sampler"), at("logits") + logits);
    assert.ok(at("sampler") + sampler <= total && total - at("sampler") - sampler < 2 ** 17);
    assert.equal(logits, floats(vocab_size) * contract.HEAD_ROWS);
    if (model.cache === "f32") assert.equal(pages, model.pages * n_layer * 16 * 4 * (n_embd + n_head * Math.ceil(n_embd / n_head / 16) * 16));
    if (model.weights === "f32") {
      const matrix = (inputs: number, outputs: number): number => inputs * floats(outputs);
      const layer = matrix(n_embd, 3 * n_embd) + matrix(n_embd, n_embd) + matrix(n_embd, n_inner) + matrix(n_inner, n_embd) +
        floats(3 * n_embd) + floats(n_inner) + 6 * floats(n_embd);
      assert.equal(weights, n_layer * layer + matrix(n_embd, vocab_size) + (n_positions + 2) * floats(n_embd));
      assert.equal(storedHead, model.config.tie_word_embeddings ? 0 : matrix(n_embd, vocab_size));
    }
  }

  it("has every region's bytes", async () => {
    for (const folder of ["base", "odd", "head-size-10", "untied"] as const) {
      const files = await checkpointFiles(folder);
      for (const weights of WEIGHTS) {
        for (const cache of CACHES) {
          const model = await load(files, { weights, cache });
          assertRegions(model);
          model.dispose();
        }
      }
    }
  });
});

describe("a chunk of a prompt", () => {
  it("has at most 64 tokens, however fast the machine is", async () => {
    const model = await load(withPositions(await checkpointFiles("odd"), 400));
    const rows: number[] = [];
    injectFault(model, (real, { memory, header }) => ({
      step(...args) {
        rows.push(memory.u32[(real.stepEntries(header) >>> 0) / 4 + 1]); // of the one entry
        return real.step(...args);
      },
    }));
    for await (const _ of model.generate(someIds(390, model.config.vocab_size), { maxTokens: 1 })) break;
    assert.equal(rows[0], 64, "the first, whose size rests on the model's");
    assert.ok(Math.max(...rows) === 64 && rows.reduce((a, b) => a + b) >= 390, rows.join());
    model.dispose();
  });
});

describe("a number that is not finite", () => {
  it("is named by its place in the whole tensor, in whatever pieces that comes", async () => {
    const files = randomCheckpoint({ n_embd: 40, n_head: 2, n_inner: 64, n_layer: 1, vocab_size: 2000, n_positions: 8 }, 9);
    for (const element of [0, 5001, 70_001, 79_999]) { // staging takes 65536 at a time
      const damaged = withTensors(files, (tensors) => {
        const name = [...tensors.keys()].find((key) => key.endsWith("wte.weight"))!;
        new Float32Array(tensors.get(name)!.bytes.buffer)[element] = NaN;
      });
      for (const size of [damaged["model.safetensors"].length, 12_345]) {
        for (const weights of WEIGHTS) {
          const source = { ...damaged, "model.safetensors": pieces(damaged["model.safetensors"], size) };
          const error = await rejectsKvasm(() => load(source, { weights }), "non-finite");
          assert.equal(error.value, element, `pieces of ${size} bytes, ${weights}`);
          assert.ok(error.message.includes(`element ${element} `), error.message);
        }
      }
    }
  });
});
