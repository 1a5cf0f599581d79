/**
 * onnxruntime-web (WebAssembly, one thread) beside kvasm in this process: node bench/run.mjs bench/peers/onnxruntime-web.ts
 * --form GroupQueryAttention: the graph as transformers.js' models have it; the default is faster.
 */
import type { Shape } from "../shapes.ts";
import { argmax, installed, runBeside, type Peer } from "./beside.ts";
import { cacheNames, cacheShape, onnxModel, type AttentionForm } from "./onnx.ts";

interface Tensor {
  readonly data: Float32Array;
  dispose(): void;
}
type Tensors = Record<string, Tensor>;

async function open(shape: Shape, seed: number, form: AttentionForm): Promise<Peer> {
  const { module, version } = await installed("onnxruntime-web", "onnxruntime-web");
  const ort = module.InferenceSession ? module : module.default;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(onnxModel(shape, seed, form), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });

  const outputs = cacheNames("present", shape, form);
  const inputs = cacheNames("past", shape, form);
  const size = cacheShape(shape, form, 1, 0);
  const empty: Tensors = Object.fromEntries(inputs.map((name) => [name, new ort.Tensor("float32", new Float32Array(0), size)]));
  let past = empty;

  const step = async (ids: readonly number[], before: Tensors): Promise<{ logits: Float32Array; after: Tensors }> => {
    const result: Tensors = await session.run({
      input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      num_logits_to_keep: new ort.Tensor("int64", BigInt64Array.of(1n), []),
      ...before,
    });
    const after = Object.fromEntries(inputs.map((name, index) => [name, result[outputs[index]!]!]));
    return { logits: result["logits"]!.data, after };
  };
  return {
    name: "onnxruntime-web", version, settings: `wasm, ${form}, Gemm, f32`,
    async prefill(ids) {
      const { logits, after } = await step(ids, empty);
      past = after;
      return logits;
    },
    async decode(id, count) {
      let before = past;
      for (let done = 0; done < count; done++) {
        const { logits, after } = await step([id], before);
        before = after;
        id = argmax(logits);
      }
    },
    async close() { await session.release(); },
  };
}

const FORMS: readonly AttentionForm[] = ["Attention", "GroupQueryAttention"];
await runBeside((shape, seed, { form = FORMS[0] }) => {
  if (!FORMS.includes(form as AttentionForm)) throw new Error(`--form: expected one of ${FORMS.join(", ")}, got ${form}.`);
  return open(shape, seed, form as AttentionForm);
}, ["form"]);
// onnxruntime-web keeps the process alive.
process.exit();
