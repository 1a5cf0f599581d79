/**
 * The module, through the public API, against Hugging Face transformers in float64: tests/fixtures/README.md. What is easily
 * got wrong has a test each. The cache's keys and values and the last block's output before the final norm are not in the
 * API; the oracle's are compared with the truth in oracle.node.test.ts, and the module with the oracle to the last bit.
 */
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { withModel } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { safetensorsOf, tensorsOf, transposed, withConfig, withTensors } from "../support/reference-edit.ts";
import { probabilityBar, samplingCases } from "../support/reference-sampling.ts";
import type { SamplingCase } from "../support/reference-sampling.ts";
import { FOLDERS, argmaxOf, assertCase, assertWithin, bar, checkpointFiles, maxDifference, reference, rows } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

/** Logits of all positions of a folder's last case, which is its longest one but for `prefix`. */
async function lastLogits(folder: Folder, change: (files: Files) => Files = (files) => files): Promise<Float32Array> {
  const { cases } = await reference(folder);
  return withModel(change(await checkpointFiles(folder)), (model) => model.trace(cases.at(-1)!.input_ids).logits);
}

describe("reference: every case of every checkpoint", () => {
  for (const folder of FOLDERS) {
    it(folder, async () => {
      const truth = await reference(folder);
      await withModel(folder, (model) => {
        for (const of of truth.cases) {
          const traced = model.trace(of.input_ids, { hiddenStates: true, attentions: true });
          assert.equal(traced.hiddenStates!.length, model.config.n_layer + 1);
          assert.equal(traced.attentions!.length, model.config.n_layer);
          assertCase(folder, truth, of, traced);
          const sequence = model.sequence();
          sameBits(sequence.prefill(of.input_ids, { all: true }), traced.logits, `${folder} ${of.name} prefill`);
          sequence.dispose();
        }
      });
    });
  }

  it("base continues greedily as transformers does", async () => {
    const { cases } = await reference("base");
    const of = cases.find(({ greedy }) => greedy)!;
    const { tokens, smallest_margin } = of.greedy!;
    assert.ok(smallest_margin > 2 * bar(of, "logits"), "no rounding error can change a choice");
    await withModel("base", async (model) => {
      const generated: number[] = [];
      for await (const { id } of model.generate(of.input_ids, { maxTokens: tokens.length, temperature: 0, ignoreEos: true })) generated.push(id);
      assert.deepEqual(generated, tokens);
      const sequence = model.sequence();
      let logits = sequence.prefill(of.input_ids);
      for (const token of tokens) {
        assert.equal(argmaxOf(logits), token);
        assert.equal(sequence.sample({ temperature: 0 }), token);
        logits = sequence.decode(token);
      }
      sequence.dispose();
    });
  });
});

describe("reference: what is easily got wrong", () => {
  it("the last hidden state is after the final norm", async () => {
    const { cases, tensors } = await reference("base");
    const of = cases[0];
    await withModel("base", (model) => {
      const last = model.trace(of.input_ids, { hiddenStates: true }).hiddenStates!.at(-1)!;
      assertWithin(last, tensors[`${of.name}.hidden.3`].values, bar(of, "hidden"), "after the norm");
      assert.ok(maxDifference(last, tensors[`${of.name}.pre_ln_f`].values) > 0.1, "and it is not what is before it");
    });
  });

  it("Conv1D weights are [in, out]: a transposed square one is another model", async () => {
    const name = "transformer.h.0.attn.c_proj.weight";
    const { cases, tensors } = await reference("untied");
    const of = cases.at(-1)!;
    const logits = await lastLogits("untied", (files) => withTensors(files, (all) => void all.set(name, transposed(all.get(name)!))));
    assert.ok(maxDifference(logits, tensors[`${of.name}.logits`].values) > 1000 * bar(of, "logits"));
    for (const nonSquare of ["transformer.h.0.attn.c_attn.weight", "transformer.h.1.mlp.c_fc.weight", "transformer.h.1.mlp.c_proj.weight"]) {
      const files = withTensors(await checkpointFiles("untied"), (all) => void all.set(nonSquare, transposed(all.get(nonSquare)!)));
      const error = await rejectsKvasm(() => load(files), "weights");
      assert.ok(error.message.includes(nonSquare.slice("transformer.".length)));
    }
  });

  // Folder, field, what an engine takes it for that ignores it.
  for (const [folder, field, value] of [
    ["activation-gelu", "activation_function", "gelu_new"], ["activation-quick_gelu", "activation_function", "gelu_new"],
    ["activation-relu", "activation_function", "gelu_new"], ["activation-silu", "activation_function", "gelu_new"],
    ["activation-tanh", "activation_function", "gelu_new"], ["no-scale", "scale_attn_weights", true],
    ["inverse-layer", "scale_attn_by_inverse_layer_idx", false], ["epsilon", "layer_norm_epsilon", 1e-5],
    ["epsilon-large", "layer_norm_epsilon", 1e-5],
  ] as const) {
    it(`${folder}: ignoring ${field} is off by the stated amount`, async () => {
      const { cases, tensors, flag_ignored_wrong_by } = await reference(folder);
      const of = cases.at(-1)!;
      const logits = await lastLogits(folder, (files) => withConfig(files, { [field]: value }));
      const wrong = maxDifference(logits, tensors[`${of.name}.logits`].values);
      assertWithin([wrong], [flag_ignored_wrong_by![field]], bar(of, "logits"), "wrong by");
      assert.ok(wrong > 50 * bar(of, "logits"), "far beyond any rounding");
    });
  }

  it("the two scale flags are independent", async () => {
    const both = { scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true };
    const logits = await lastLogits("base", (files) => withConfig(files, both));
    for (const one of [{ scale_attn_weights: false }, { scale_attn_by_inverse_layer_idx: true }]) {
      differentBits(await lastLogits("base", (files) => withConfig(files, one)), logits);
    }
    // Without 1 / √16 but with c_attn's queries a quarter as large, a power of two: the same scores, to the last bit.
    const quartered = (files: Files): Files => withTensors(withConfig(files, both), (all) => {
      for (const [name, tensor] of all) {
        if (!/attn\.c_attn\.(weight|bias)$/.test(name)) continue;
        const values = new Float32Array(tensor.bytes.buffer);
        values.forEach((x, i) => { if (i % 192 < 64) values[i] = x / 4; });
      }
    });
    sameBits(await lastLogits("base", quartered), await lastLogits("base", (files) => withConfig(files, { scale_attn_by_inverse_layer_idx: true })));
  });

  it("reorder_and_upcast_attn, an alias, a default and n_ctx change no bit", async () => {
    const plain = await lastLogits("activation-gelu_new");
    for (const folder of ["reorder-upcast", "activation-gelu_pytorch_tanh", "activation-gelu_fast", "sparse-config"] as const) {
      sameBits(await lastLogits(folder), plain, folder);
    }
    for (const change of [{ activation_function: "gelu_accurate" }, { n_ctx: 3 }, { n_inner: 96 }, { reorder_and_upcast_attn: true }]) {
      sameBits(await lastLogits("activation-gelu_new", (files) => withConfig(files, change)), plain, JSON.stringify(change));
    }
    sameBits(await lastLogits("activation-swish"), await lastLogits("activation-silu"), "swish");
    differentBits(await lastLogits("activation-gelu"), plain, "gelu is not gelu_new");
  });

  it("an unknown activation is an error that lists the known ones", async () => {
    const files = withConfig(await checkpointFiles("activation-silu"), { activation_function: "mish" });
    const { value, message } = await rejectsKvasm(() => load(files), "unsupported", "activation_function");
    assert.equal(value, "mish");
    for (const name of ["gelu", "gelu_new", "gelu_fast", "quick_gelu", "relu", "silu", "swish", "tanh"]) assert.ok(message.includes(name), name);
  });

  it("names, files and buffers make no difference to base", async () => {
    const plain = await withModel("base", async (model) => model.trace((await reference("base")).cases[0].input_ids).logits);
    for (const folder of ["base-bare", "base-f64", "base-sharded"] as const) sameBits(await lastLogits(folder), plain, folder);
    for (const folder of ["base-f16", "base-bf16"] as const) differentBits(await lastLogits(folder), plain, folder);
  });

  it("an untied head is used, and leaving it out is off by the stated amount", async () => {
    const { cases, tensors, flag_ignored_wrong_by } = await reference("untied");
    const of = cases.at(-1)!;
    const tied = (files: Files): Files => withConfig(withTensors(files, (all) => void all.delete("lm_head.weight")), { tie_word_embeddings: true });
    assertWithin(
      [maxDifference(await lastLogits("untied", tied), tensors[`${of.name}.logits`].values)], [flag_ignored_wrong_by!["tie_word_embeddings"]],
      bar(of, "logits"), "wrong by",
    );
  });

  it("a stored head that equals the embedding is the tied model, and one that differs is used", async () => {
    const files = await checkpointFiles("untied");
    const head = tensorsOf(files["model.safetensors"]).get("lm_head.weight")!;
    const stored = (bytes: Uint8Array<ArrayBuffer>) => (all: Map<string, typeof head>) => void all.set("lm_head.weight", { ...head, bytes });
    const tied = await lastLogits("activation-gelu_new");
    const embedding = tensorsOf((await checkpointFiles("activation-gelu_new"))["model.safetensors"]).get("transformer.wte.weight")!;
    sameBits(await lastLogits("activation-gelu_new", (all) => withTensors(all, stored(embedding.bytes))), tied, "equal");
    const other = await lastLogits("activation-gelu_new", (all) => withTensors(all, stored(head.bytes)));
    sameBits(other, await lastLogits("untied"), "different: the folders share all other weights");
    differentBits(other, tied);
  });

  it("each missing weight is an error that names it, and leaves nothing behind", async () => {
    const files = await checkpointFiles("sparse-config");
    const names = [...tensorsOf(files["model.safetensors"]).keys()];
    assert.equal(names.length, 4 + 2 * 12);
    for (const name of names) {
      const without = tensorsOf(files["model.safetensors"]);
      without.delete(name);
      const error = await rejectsKvasm(() => load({ ...files, "model.safetensors": safetensorsOf(without) }), "weights");
      assert.ok(error.message.includes(name.slice("transformer.".length)), error.message);
    }
    sameBits(await lastLogits("sparse-config"), await lastLogits("activation-gelu_new"));
  });

  it("an untied config without a head is an error", async () => {
    const files = withTensors(await checkpointFiles("untied"), (all) => void all.delete("lm_head.weight"));
    assert.ok((await rejectsKvasm(() => load(files), "weights")).message.includes("lm_head.weight"));
  });

  it("positions count from 0 in each sequence, whatever is computed between its tokens", async () => {
    const truth = await reference("batch");
    await withModel("batch", (model) => {
      const alone = truth.cases.map((of) => model.trace(of.input_ids).logits);
      const sequences = truth.cases.map(() => model.sequence());
      const logits: Float32Array[][] = truth.cases.map(() => []);
      for (let t = 0; t < 27; t++) {
        truth.cases.forEach(({ input_ids }, i) => {
          if (t < input_ids.length) logits[i].push(sequences[i].decode(input_ids[t]));
        });
      }
      truth.cases.forEach((of, i) => {
        rows(alone[i], model.config.vocab_size).forEach((row, t) => sameBits(logits[i][t], row, `${of.name} ${t}`));
        sequences[i].dispose();
      });
      // Padding on the left moves the positions: 6.4 off, as in transformers without position_ids.
      const { input_ids, name } = truth.cases[0];
      const padded = model.trace([...new Array(22).fill(198), ...input_ids]).logits.subarray(22 * model.config.vocab_size);
      assert.ok(maxDifference(padded, truth.tensors[`${name}.logits`].values) > 1);
    });
  });
});

describe("reference: sampling", () => {
  const withCases = async (use: (model: Model, cases: SamplingCase[]) => void): Promise<void> => {
    const cases = await samplingCases();
    await withModel("base", (model) => use(model, cases));
  };

  it("every distribution is within the error of its roundings, and within 4 times PyTorch's", async () => {
    await withCases((model, cases) => {
      assert.equal(cases.length, 21);
      for (const { name, logits, options, history, truth, torchDifference } of cases.filter(({ inOrder }) => inOrder)) {
        const probabilities = model.distribution(logits, options, history);
        const limits = probabilityBar(truth);
        assert.ok(probabilities.every((p, v) => Math.abs(p - truth[v]) <= limits[v]), name);
        assertWithin(probabilities, truth, 4 * torchDifference, name);
        assert.ok(truth.every((p, v) => p !== 0 || probabilities[v] === 0), `${name}: keeps a token that it should remove`);
      }
    });
  });

  it("top-k keeps all ties with the k-th, min-p its threshold's", async () => {
    await withCases((model, cases) => {
      for (const [name, kept] of [["ties_top_k_5", 7], ["ties_min_p", 12]] as const) {
        const { logits, options } = cases.find((one) => one.name === name)!;
        assert.equal(model.distribution(logits, options).filter((p) => p > 0).length, kept, name);
      }
    });
  });

  it("temperature comes before top-p", async () => {
    await withCases((model, cases) => {
      const { logits, options, truth } = cases.find(({ inOrder }) => !inOrder)!;
      assert.ok(maxDifference(model.distribution(logits, options), truth) > 0.02);
    });
  });

  it("the repetition penalty counts a token once, presence and frequency as often as it occurs", async () => {
    await withCases((model, cases) => {
      const { logits, options, history } = cases.find(({ name }) => name === "repetition_penalty")!;
      const once = [...new Set(history)];
      assert.ok(once.length < history.length);
      sameBits(model.distribution(logits, options, once), model.distribution(logits, options, history));
      const { options: frequency } = cases.find(({ name }) => name === "frequency_penalty")!;
      differentBits(model.distribution(logits, frequency, once), model.distribution(logits, frequency, history));
      const { options: presence } = cases.find(({ name }) => name === "presence_penalty")!;
      sameBits(model.distribution(logits, presence, once), model.distribution(logits, presence, history));
    });
  });
});
