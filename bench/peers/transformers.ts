/**
 * transformers.js in Node beside kvasm: node bench/run.mjs bench/peers/transformers.ts
 * In Node it runs the native onnxruntime, not WebAssembly. Goes through its model class, with one thread.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { randomConfig } from "../../bindings/bench/random-model.ts";
import { argmax, installed, runBeside, type Asked, type Peer } from "./beside.ts";
import { cacheNames, onnxModel } from "./onnx.ts";

async function open({ shape, seed, weights }: Asked): Promise<Peer> {
  if (weights !== "f32") throw new Error("transformers.js is measured in f32 only; onnxruntime-web.ts has its integer graphs.");
  const { module: transformers, version } = await installed("transformers", "@huggingface/transformers");
  const folder = fileURLToPath(new URL(`../../build/peers/random.${process.pid}/`, import.meta.url));
  mkdirSync(`${folder}onnx`, { recursive: true });
  writeFileSync(`${folder}config.json`, JSON.stringify(randomConfig(shape)));
  writeFileSync(`${folder}generation_config.json`, "{}");
  writeFileSync(`${folder}onnx/model.onnx`, onnxModel(shape, seed, { attention: "GroupQueryAttention", weights: "f32" }));
  transformers.env.allowRemoteModels = false;
  transformers.env.localModelPath = fileURLToPath(new URL("../../build/peers/", import.meta.url));
  const model = await transformers.AutoModelForCausalLM.from_pretrained(`random.${process.pid}`, {
    dtype: "fp32", device: "cpu", session_options: { intraOpNumThreads: 1, interOpNumThreads: 1 },
  });
  rmSync(folder, { recursive: true });

  const inputs = cacheNames("past", shape, "GroupQueryAttention");
  const outputs = cacheNames("present", shape, "GroupQueryAttention");
  const tensor = (ids: readonly number[]) => new transformers.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
  const step = async (ids: readonly number[], before: unknown, length: number): Promise<{ logits: Float32Array; after: unknown }> => {
    const attended = new transformers.Tensor("int64", new BigInt64Array(length + ids.length).fill(1n), [1, length + ids.length]);
    const output = await model.forward({ input_ids: tensor(ids), attention_mask: attended, num_logits_to_keep: new transformers.Tensor("int64", [1n], []), past_key_values: before });
    return { logits: output.logits.data, after: Object.fromEntries(inputs.map((name, index) => [name, output[outputs[index]!]])) };
  };
  let past: unknown = null;
  let length = 0;
  return {
    name: "transformers.js", version, settings: "native onnxruntime-node, f32",
    async prefill(ids) {
      const { logits, after } = await step(ids, null, 0);
      past = after;
      length = ids.length;
      return logits;
    },
    async decode(id, count) {
      let before = past;
      for (let done = 0; done < count; done++) {
        const { logits, after } = await step([id], before, length + done);
        before = after;
        id = argmax(logits);
      }
    },
    async close() { await model.dispose(); },
  };
}

await runBeside(open);
process.exit();
