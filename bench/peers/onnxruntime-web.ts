/**
 * onnxruntime-web (WebAssembly, one thread) beside kvasm in this process: node bench/run.mjs bench/peers/onnxruntime-web.ts
 * [--weights q8|q4] [--form Attention|GroupQueryAttention] [--linear DynamicQuantizeMatMul|MatMulNBits] [--scales output|tensor]
 * [--accuracy 0|1|4]
 * GroupQueryAttention is the graph as transformers.js' models have it; the defaults are the fastest that were found.
 */
import { argmax, installed, runBeside, type Asked, type Peer } from "./beside.ts";
import type { Scales } from "./onnx-integers.ts";
import { cacheNames, cacheShape, onnxModel, type AttentionForm, type LinearForm } from "./onnx.ts";

interface Tensor {
  readonly data: Float32Array;
  dispose(): void;
}
type Tensors = Record<string, Tensor>;

async function open({ shape, seed, weights }: Asked, flags: Record<string, string | undefined>): Promise<Peer> {
  const one = <T extends string>(name: string, choices: readonly T[], otherwise: T): T => {
    const value = (flags[name] ?? otherwise) as T;
    if (!choices.includes(value)) throw new Error(`--${name}: expected one of ${choices.join(", ")}, got ${value}.`);
    return value;
  };
  const linear = one<LinearForm>("linear", ["DynamicQuantizeMatMul", "MatMulNBits"], weights === "q4" ? "MatMulNBits" : "DynamicQuantizeMatMul");
  const form = one<AttentionForm>("form", ["Attention", "GroupQueryAttention"], linear === "MatMulNBits" && weights !== "f32" ? "GroupQueryAttention" : "Attention");
  const scales = one<Scales>("scales", ["output", "tensor"], "output");
  const accuracy = Number(one("accuracy", ["0", "1", "4"], "4"));
  const { module, version } = await installed("onnxruntime-web", "onnxruntime-web");
  const ort = module.InferenceSession ? module : module.default;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(onnxModel(shape, seed, { attention: form, weights, linear, scales, accuracy }), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });

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
    name: "onnxruntime-web", version, settings: `wasm, ${form}, ${weights === "f32" ? "Gemm, f32" : `${linear}${linear === "MatMulNBits" ? `, accuracy level ${accuracy}` : `, a scale for each ${scales}`}, ${weights === "q8" ? 8 : 4} bits`}`,
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

await runBeside(open, ["form", "linear", "scales", "accuracy"]);
// onnxruntime-web keeps the process alive.
process.exit();
