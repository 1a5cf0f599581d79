/** onnxruntime-web (WebAssembly, one thread) beside kvasm in this process: node bench/run.mjs bench/peers/onnxruntime-web.ts */
import type { Shape } from "../shapes.ts";
import { argmax, installed, runBeside, type Peer } from "./beside.ts";
import { cacheNames, onnxModel } from "./onnx.ts";

interface Tensor {
  readonly data: Float32Array;
  dispose(): void;
}
type Tensors = Record<string, Tensor>;

async function open(shape: Shape, seed: number): Promise<Peer> {
  const { module, version } = await installed("onnxruntime-web", "onnxruntime-web");
  const ort = module.InferenceSession ? module : module.default;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(onnxModel(shape, seed), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });

  const outputs = cacheNames("present", shape.n_layer);
  const inputs = cacheNames("past_key_values", shape.n_layer);
  const size = [1, shape.n_head, 0, shape.n_embd / shape.n_head];
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
    name: "onnxruntime-web", version, settings: "wasm, GroupQueryAttention, Gemm, f32",
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

await runBeside(open);
// onnxruntime-web keeps the process alive.
process.exit();
