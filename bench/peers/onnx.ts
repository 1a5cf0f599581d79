import type { Weights } from "../../bindings/index.ts";
import { elements, fillRandom, randomTensors, type RandomTensor } from "../../bindings/bench/random-model.ts";
import type { Shape } from "../../bindings/bench/shapes.ts";
import { blocks, int8, type Scales } from "./onnx-integers.ts";
import { outputRows } from "./outputs.ts";
import { bytes, float, integer, message, string, written, type Part } from "./protobuf.ts";

/**
 * Which of onnxruntime's fused operators computes attention: Attention (with the linear layer for queries, keys and values
 * inside it, and one tensor for keys and values) or GroupQueryAttention, which transformers.js' models have.
 */
export type AttentionForm = "Attention" | "GroupQueryAttention";

export interface OnnxForm {
  readonly attention: AttentionForm;
  readonly weights: Weights;
  /**
   * How integer weights are multiplied. DynamicQuantizeMatMul: int8, activations rounded to 8 bits (the "q8" and
   * "int8" of transformers.js; QAttention with AttentionForm "Attention"). MatMulNBits: blocks of 32 with a scale each, 8 or 4 bits
   * ("q4"); goes with GroupQueryAttention only. Default: the one that exists for 4 bits, the faster one for 8.
   */
  readonly linear?: LinearForm;
  /** What shares a scale with DynamicQuantizeMatMul. Default "output". */
  readonly scales?: Scales;
  /** accuracy_level of MatMulNBits: 4 lets it round activations to 8 bits, 1 does not. */
  readonly accuracy?: number;
}
export type LinearForm = "DynamicQuantizeMatMul" | "MatMulNBits";

/**
 * The random model as an ONNX graph with a KV cache, in the forms that onnxruntime runs fastest in f32: its fused operators for
 * attention, SkipLayerNormalization and FastGelu, linear layers as Gemm, and the head reading the embedding itself. With integer
 * weights the embedding stays f32 and the head is a matrix of its own.
 *
 *   input_ids int64 [1, S], num_logits_to_keep int64 scalar, cacheNames("past", …) f32 cacheShape(…) with P tokens
 *   → logits f32 [1, kept, vocab], cacheNames("present", …) with P + S tokens
 *
 * Positions come from the length of the past.
 */
export function onnxModel(shape: Shape, seed: number, { attention: form, weights, linear = weights === "q4" ? "MatMulNBits" : "DynamicQuantizeMatMul", scales = "output", accuracy = 4 }: OnnxForm): Uint8Array<ArrayBuffer> {
  const { n_layer, n_head, n_embd: C, n_inner: F, vocab_size } = shape;
  const graph = new Graph(seed, randomTensors(shape), weights, linear, scales, accuracy);
  const D = C / n_head;

  graph.input("input_ids", INT64, ["batch_size", "sequence_length"]);
  graph.input("num_logits_to_keep", INT64, []);
  const fused = form === "Attention";
  const pasts = cacheNames("past", shape, form);
  const presents = cacheNames("present", shape, form);
  for (const name of pasts) graph.input(name, FLOAT, cacheShape(shape, form, "batch_size", "past_sequence_length"));

  graph.integers("zero", [0]);
  graph.integers("one", [1]);
  graph.integers("two", [2]);
  graph.integers("beyond", [2 ** 40]);
  graph.node("Shape", [pasts[0]!], ["past_length"], fused ? { start: 3, end: 4 } : { start: 2, end: 3 });
  graph.node("Shape", ["input_ids"], ["ids_shape"]);
  graph.node("Slice", ["ids_shape", "one", "two"], ["length"]);
  graph.node("Add", ["past_length", "length"], ["total_length"]);
  if (!fused) {
    graph.integers("no_axes", []);
    graph.node("Sub", ["total_length", "one"], ["last_position"]);
    graph.node("Cast", ["last_position"], ["seqlens_k"], { to: INT32 });
    graph.node("Reshape", ["total_length", "no_axes"], ["total_scalar"]);
    graph.node("Cast", ["total_scalar"], ["total_i32"], { to: INT32 });
  }

  graph.weight("wte.weight");
  graph.weight("wpe.weight");
  graph.node("Gather", ["wte.weight", "input_ids"], ["tokens"]);
  graph.node("Slice", ["wpe.weight", "past_length", "total_length", "zero"], ["positions"]);
  graph.node("Add", ["tokens", "positions"], ["hidden"]);
  graph.node("LayerNormalization", ["hidden", graph.weight("h.0.ln_1.weight"), graph.weight("h.0.ln_1.bias")], ["h.0.normed"], { axis: -1, epsilon: { float: EPSILON } });

  let residual = "hidden";
  for (let layer = 0; layer < n_layer; layer++) {
    const h = `h.${layer}.`;
    const each = pasts.length / n_layer;
    const past = pasts.slice(each * layer, each * (layer + 1));
    const present = presents.slice(each * layer, each * (layer + 1));
    for (const name of present) graph.output(name, FLOAT, cacheShape(shape, form, "batch_size", "total_sequence_length"));
    if (fused && weights !== "f32") {
      // It wants rows that are integers already.
      graph.node("DynamicQuantizeLinear", [`${h}normed`], [`${h}normed.q`, `${h}normed.s`, `${h}normed.z`]);
      const { integers, scales, zeros } = graph.int8(`${h}attn.c_attn`);
      graph.node("QAttention", [`${h}normed.q`, integers, graph.weight(`${h}attn.c_attn.bias`), `${h}normed.s`, scales, "", `${h}normed.z`, zeros, ...past],
        [`${h}attended`, ...present], { num_heads: n_head, unidirectional: 1 }, MICROSOFT);
    } else if (fused) {
      graph.node("Attention", [`${h}normed`, graph.weight(`${h}attn.c_attn.weight`), graph.weight(`${h}attn.c_attn.bias`), "", ...past], [`${h}attended`, ...present],
        { num_heads: n_head, unidirectional: 1 }, MICROSOFT);
    } else {
      graph.linear(`${h}attn.c_attn`, `${h}normed`, C, 3 * C, true);
      graph.node("GroupQueryAttention", [`${h}attn.c_attn`, "", "", ...past, "seqlens_k", "total_i32"], [`${h}attended`, ...present],
        { num_heads: n_head, kv_num_heads: n_head, scale: { float: 1 / Math.sqrt(D) } }, MICROSOFT);
    }
    graph.linear(`${h}attn.c_proj`, `${h}attended`, C, C, true);
    graph.node("SkipLayerNormalization", [residual, `${h}attn.c_proj`, graph.weight(`${h}ln_2.weight`), graph.weight(`${h}ln_2.bias`)],
      [`${h}normed_2`, "", "", `${h}between`], { epsilon: { float: EPSILON } }, MICROSOFT);
    // FastGelu is the tanh form and adds c_fc's bias.
    graph.linear(`${h}mlp.c_fc`, `${h}normed_2`, C, F, false);
    graph.node("FastGelu", [`${h}mlp.c_fc`, graph.weight(`${h}mlp.c_fc.bias`)], [`${h}activated`], {}, MICROSOFT);
    graph.linear(`${h}mlp.c_proj`, `${h}activated`, F, C, true);
    const last = layer === n_layer - 1;
    const norm = last ? "ln_f" : `h.${layer + 1}.ln_1`;
    graph.node("SkipLayerNormalization", [`${h}between`, `${h}mlp.c_proj`, graph.weight(`${norm}.weight`), graph.weight(`${norm}.bias`)],
      last ? ["normed"] : [`h.${layer + 1}.normed`, "", "", `${h}after`], { epsilon: { float: EPSILON } }, MICROSOFT);
    residual = `${h}after`;
  }

  graph.node("Neg", ["num_logits_to_keep"], ["minus_kept"]);
  graph.node("Reshape", ["minus_kept", "one"], ["first_kept"]); // −0 slices from 0: all rows
  graph.node("Slice", ["normed", "first_kept", "beyond", "one"], ["kept"]);
  graph.head("kept", C, vocab_size);
  graph.output("logits", FLOAT, ["batch_size", "kept", vocab_size]);
  return written(graph.model());
}

/** Names of the cache's inputs or outputs, layer by layer: one tensor for keys and values, or a key and a value. */
export function cacheNames(side: "past" | "present", { n_layer }: Shape, form: AttentionForm): string[] {
  return Array.from({ length: n_layer }, (_, layer) => {
    if (form === "Attention") return [`${side}_${layer}`];
    const prefix = side === "past" ? "past_key_values" : side;
    return [`${prefix}.${layer}.key`, `${prefix}.${layer}.value`];
  }).flat();
}

/** Dimensions of each of them. */
export function cacheShape<T>({ n_head, n_embd }: Shape, form: AttentionForm, batch: T, tokens: T): (T | number)[] {
  const one = [batch, n_head, tokens, n_embd / n_head];
  return form === "Attention" ? [2, ...one] : one;
}

const EPSILON = 1e-5;
const MICROSOFT = "com.microsoft";
const FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6, INT64 = 7; // TensorProto.DataType

type Attribute = number | { readonly float: number };

/** Fields are numbered as in onnx.proto: NodeProto, TensorProto, ValueInfoProto, GraphProto, ModelProto. */
class Graph {
  private readonly seed: number;
  private readonly tensors: ReadonlyMap<string, RandomTensor>;
  private readonly nodes: Part[] = [];
  private readonly initializers: Part[] = [];
  private readonly inputs: Part[] = [];
  private readonly outputs: Part[] = [];
  private readonly known = new Set<string>();
  private readonly weights: Weights;
  private readonly form: LinearForm;
  private readonly scales: Scales;
  private readonly accuracy: number;

  constructor(seed: number, tensors: readonly RandomTensor[], weights: Weights, form: LinearForm, scales: Scales, accuracy: number) {
    this.seed = seed;
    this.weights = weights;
    this.form = form;
    this.scales = scales;
    this.accuracy = accuracy;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  node(operator: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ""): void {
    const body = [
      ...inputs.flatMap((name) => string(1, name)), ...outputs.flatMap((name) => string(2, name)),
      ...string(3, `node_${outputs[0]}`), ...string(4, operator),
      ...Object.entries(attributes).flatMap(([name, value]) => message(5, [
        ...string(1, name), ...(typeof value === "number" ? [...integer(3, value), ...integer(20, 2)] : [...float(2, value.float), ...integer(20, 1)]),
      ])),
      ...(domain ? string(7, domain) : []),
    ];
    this.nodes.push(...message(1, body));
  }

  /** `name` = x · W + b on x [1, S, K], W being Conv1D's [K, N]. */
  linear(name: string, x: string, K: number, N: number, biased: boolean): void {
    if (this.weights !== "f32") {
      this.integerLinear(name, name, x, K, N, biased);
      return;
    }
    this.node("Reshape", [x, this.sizes(-1, K)], [`${name}.x`]);
    const weights = [this.weight(`${name}.weight`), ...(biased ? [this.weight(`${name}.bias`)] : [])];
    this.node("Gemm", [`${name}.x`, ...weights], [`${name}.y`]);
    this.node("Reshape", [`${name}.y`, this.sizes(1, -1, N)], [name]);
  }

  /** `logits` = x · the embedding, transposed. */
  head(x: string, K: number, N: number): void {
    if (this.weights !== "f32") {
      this.integerLinear("wte", "logits", x, K, N, false);
      return;
    }
    this.node("Reshape", [x, this.sizes(-1, K)], ["kept_rows"]);
    this.node("Gemm", ["kept_rows", this.weight("wte.weight")], ["logit_rows"], { transB: 1 });
    this.node("Reshape", ["logit_rows", this.sizes(1, -1, N)], ["logits"]);
  }

  private integerLinear(name: string, out: string, x: string, K: number, N: number, biased: boolean): void {
    const bias = biased ? this.weight(`${name}.bias`) : "";
    if (this.form === "DynamicQuantizeMatMul") {
      const { integers, scales, zeros } = this.int8(name);
      this.node("DynamicQuantizeMatMul", [x, integers, scales, zeros, bias], [out], {}, MICROSOFT);
      return;
    }
    const bits = this.weights === "q8" ? 8 : 4;
    const { integers, scales } = blocks(outputRows(this.tensor(`${name}.weight`), this.seed), bits);
    const inputs = [
      x, this.initializer(`${name}.blocks`, UINT8, [N, K / 32, 4 * bits], bytes(9, integers)),
      this.initializer(`${name}.scales`, FLOAT, [N * K / 32], bytes(9, new Uint8Array(scales.buffer))),
    ];
    this.node("MatMulNBits", biased ? [...inputs, "", "", bias] : inputs, [out], { K, N, bits, block_size: 32, accuracy_level: this.accuracy }, MICROSOFT);
  }

  /** The matrix as int8 [K, N]; names of the three initializers. */
  int8(name: string): { integers: string; scales: string; zeros: string } {
    const rows = outputRows(this.tensor(`${name}.weight`), this.seed);
    const { integers, scales } = int8(rows, this.scales);
    const size = this.scales === "tensor" ? [] : [rows.outputs];
    return {
      integers: this.initializer(`${name}.int8`, INT8, [rows.inputs, rows.outputs], bytes(9, new Uint8Array(integers.buffer))),
      scales: this.initializer(`${name}.scales`, FLOAT, size, bytes(9, new Uint8Array(scales.buffer))),
      zeros: this.initializer(`${name}.zeros`, INT8, size, bytes(9, new Uint8Array(scales.length))),
    };
  }

  private tensor(name: string): RandomTensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`The checkpoint has no ${name}.`);
    return tensor;
  }

  /** A tensor of the checkpoint; returns its name. */
  weight(name: string): string {
    const tensor = this.tensor(name);
    const raw = {
      length: 4 * elements(tensor.shape),
      write: (out: Uint8Array): void => {
        const part = new Float32Array(1 << 18);
        for (let first = 0; first < out.length / 4; first += part.length) {
          fillRandom(part, this.seed, tensor, first);
          const count = Math.min(part.length, out.length / 4 - first);
          out.set(new Uint8Array(part.buffer, 0, 4 * count), 4 * first);
        }
      },
    };
    return this.initializer(name, FLOAT, tensor.shape, bytes(9, raw));
  }

  integers(name: string, values: readonly number[]): string {
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.initializer(name, INT64, [values.length], bytes(9, raw));
  }

  sizes(...values: number[]): string {
    return this.integers(`sizes_${values.join("_")}`, values);
  }

  input(name: string, type: number, dimensions: readonly (string | number)[]): void {
    this.inputs.push(...message(11, valueInfo(name, type, dimensions)));
  }

  output(name: string, type: number, dimensions: readonly (string | number)[]): void {
    this.outputs.push(...message(12, valueInfo(name, type, dimensions)));
  }

  model(): Part[] {
    const graph = [...this.nodes, ...string(2, "gpt2"), ...this.initializers, ...this.inputs, ...this.outputs];
    const operators = (domain: string, version: number): Part[] => message(8, [...string(1, domain), ...integer(2, version)]);
    return [...integer(1, 9), ...string(2, "kvasm bench"), ...message(7, graph), ...operators("", 18), ...operators(MICROSOFT, 1)];
  }

  private initializer(name: string, type: number, shape: readonly number[], data: Part[]): string {
    if (this.known.has(name)) return name;
    this.known.add(name);
    this.initializers.push(...message(5, [...shape.flatMap((size) => integer(1, size)), ...integer(2, type), ...string(8, name), ...data]));
    return name;
  }
}

function valueInfo(name: string, type: number, dimensions: readonly (string | number)[]): Part[] {
  const shape = message(2, dimensions.flatMap((size) => message(1, typeof size === "number" ? integer(1, size) : string(2, size))));
  return [...string(1, name), ...message(2, message(1, [...integer(1, type), ...shape]))];
}
