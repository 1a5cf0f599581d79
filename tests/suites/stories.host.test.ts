/** The original of the model that ships is the one that was measured, and computes what was measured in float64; what ships is made of it. */
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { repositoryFile, repositoryUrl, storiesFile, storiesText } from "../support/files.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { converted } from "../support/quantized.ts";
import { WINDOW, loadOriginal, readExpected, readValidation, validationIds, windowLoss } from "../support/reference-stories.ts";
import { argmaxOf, assertWithin } from "../support/reference.ts";

const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> => {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

async function inflated(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([await repositoryFile(path)]).stream();
  return new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

/** Of a safetensors file: the metadata, the entries, the digest of the data. */
async function partsOf(file: Uint8Array<ArrayBuffer>): Promise<{ metadata: Record<string, string>; entries: object; data: string }> {
  const end = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  const { __metadata__: metadata, ...entries } = JSON.parse(new TextDecoder().decode(file.subarray(8, end)));
  return { metadata, entries, data: await sha256(file.slice(end)) };
}

describe("stories", () => {
  let model: Model;
  before(async () => {
    model = await loadOriginal();
  });
  after(() => model.dispose());

  it("has the weights and the validation text that were measured", async () => {
    const { model_sha256, validation_sha256 } = await readExpected();
    const weights = await inflated("models/stories/original/model.safetensors.gz");
    assert.equal(weights.length, 24841808);
    assert.equal(await sha256(weights), model_sha256);
    assert.equal(await sha256(await storiesFile("validation.txt")), validation_sha256);
    weights[weights.length - 1] ^= 1;
    assert.notEqual(await sha256(weights), model_sha256);
  });

  it("ships as what kvasm convert makes of them in int8, and loads as it, also in f32", { timeout: 60_000 }, async () => {
    const { "model.safetensors": weights, "config.json": config } = await converted(repositoryUrl("models/stories/original/"), { weights: "q8" });
    const [shipped, made] = await Promise.all([await inflated("models/stories/model.safetensors.gz"), weights].map(partsOf));
    // int8's rules are those of the first numerics still, and the file says which it was made by.
    assert.equal(shipped.metadata["numerics"], "1");
    assert.deepEqual({ ...made, metadata: { ...made.metadata, numerics: "1" } }, shipped);
    assert.equal(await storiesText("config.json"), new TextDecoder().decode(config));
    const [ids] = (await readExpected()).greedy.map(({ prompt_ids }) => prompt_ids);
    const logits = async (loading: Promise<Model>) => {
      const loaded = await loading;
      const result = loaded.sequence().prefill(ids, { all: true });
      loaded.dispose();
      return result;
    };
    sameBits(await logits(load()), await logits(loadOriginal({ weights: "q8" })));
    const inF32 = await logits(load(undefined, { weights: "f32" }));
    const original = model.sequence().prefill(ids, { all: true });
    const most = inF32.reduce((largest, value, i) => Math.max(largest, Math.abs(value - original[i])), 0);
    assert.ok(most > 0 && most < 0.5, `logits of the numbers that the integers stand for are within ${most} of the original's`);
  });

  it("tokenises validation.txt into the tokens that were counted, and back", async () => {
    const ids = await validationIds(model);
    const { windows, predictions } = await readExpected();
    assert.equal(Math.ceil(ids.length / WINDOW), windows);
    assert.equal(ids.length - windows, predictions);
    const text = await storiesText("validation.txt");
    assert.equal(ids.filter((id) => id === 50256).length, text.split("<|endoftext|>").length - 1);
    assert.equal(await sha256(new TextEncoder().encode(model.tokenizer!.decode(ids))), (await readExpected()).validation_sha256);
  });

  it("continues each prompt greedily as in float64", { timeout: 120_000 }, async () => {
    const { f32_max_abs_diff } = await readValidation();
    for (const { prompt, prompt_ids, ids, smallest_margin } of (await readExpected()).greedy) {
      assert.ok(smallest_margin > 4 * 2 * f32_max_abs_diff, "two logits, each off by 4 times numpy's error, cannot change places");
      assert.deepEqual(Array.from(model.tokenizer!.encode(prompt)), prompt_ids);
      const generated: number[] = [];
      let text = "";
      for await (const token of model.generate(prompt, { maxTokens: ids.length, temperature: 0, ignoreEos: true })) {
        generated.push(token.id);
        text += token.text;
      }
      assert.deepEqual(generated, ids, prompt);
      assert.equal(text, model.tokenizer!.decode(ids));
      // The same from one prefill of everything.
      const sequence = model.sequence();
      const logits = sequence.prefill([...prompt_ids, ...ids], { all: true });
      sequence.dispose();
      const width = model.config.vocab_size;
      ids.forEach((id, i) => {
        const at = (prompt_ids.length - 1 + i) * width;
        assert.equal(argmaxOf(logits.subarray(at, at + width)), id, `${prompt}: token ${i}`);
      });
    }
  });

  it("has the loss of the last, short window; the others: stories-validation", async () => {
    const ids = await validationIds(model);
    const { nll, f32_mean_diff } = await readValidation();
    const { loss, predictions } = windowLoss(model, ids, nll.length - 1);
    assertWithin([loss / predictions], [nll[nll.length - 1] / predictions], 4 * f32_mean_diff, "mean loss");
  });
});
