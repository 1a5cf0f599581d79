/** The sampling truth of tests/fixtures/sampling in the terms of SamplerOptions. */
import { readSafetensors } from "../oracle/checkpoint.ts";
import { fixture, fixtureText } from "./files.ts";

export interface SamplingOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  typicalP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: Record<number, number>;
}

export interface SamplingCase {
  name: string;
  logits: Float32Array;
  options: SamplingOptions;
  history: number[];
  /** Probabilities in float64. */
  truth: Float64Array;
  kept: number;
  /** What float32 PyTorch differs from it by. */
  torchDifference: number;
  /** False for the one case whose steps are in an order that is not the sampler's. */
  inOrder: boolean;
}

interface Step { op: string; value: number; presence: number; frequency: number; bias: Record<number, number> }

const ORDER = ["logit_bias", "repetition_penalty", "presence_frequency_penalty", "temperature", "top_k", "top_p", "min_p", "typical_p"];

function optionsOf(steps: Step[]): SamplingOptions {
  const of = (op: string): Partial<Step> => steps.find((step) => step.op === op) ?? {};
  return {
    temperature: of("temperature").value ?? 1,
    topK: of("top_k").value ?? 0,
    topP: of("top_p").value ?? 1,
    minP: of("min_p").value ?? 0,
    typicalP: of("typical_p").value ?? 1,
    repetitionPenalty: of("repetition_penalty").value ?? 1,
    presencePenalty: of("presence_frequency_penalty").presence ?? 0,
    frequencyPenalty: of("presence_frequency_penalty").frequency ?? 0,
    logitBias: of("logit_bias").bias ?? {},
  };
}

export async function samplingCases(): Promise<SamplingCase[]> {
  const tensors = readSafetensors(await fixture("sampling/reference.safetensors"));
  const { history, cases, vocab_size } = JSON.parse(await fixtureText("sampling/reference.json"));
  return cases.map(({ name, logits, steps, probs, kept, f32_max_abs_diff }: any): SamplingCase => {
    const places = steps.map(({ op }: Step) => ORDER.indexOf(op));
    if (places.includes(-1)) throw new Error(`${name}: a step that is not known`);
    // `logits_ties` is a shorter row. Tokens that e⁻¹⁰⁰⁰⁰ leaves nothing of make it as long as the others and change no probability.
    const padded = <T extends Float32Array | Float64Array>(row: T, values: Float64Array): T => (row.set(values), row);
    return {
      name, history, kept, options: optionsOf(steps), torchDifference: f32_max_abs_diff,
      truth: padded(new Float64Array(vocab_size), tensors[probs].values),
      logits: padded(new Float32Array(vocab_size).fill(-1e4), tensors[logits].values),
      inOrder: places.every((place: number, i: number) => i === 0 || places[i - 1] < place),
    };
  });
}

/**
 * How far a probability p may be from the truth, by rounding alone. A weight is exp of a rounded z: z has a relative error
 * of 2⁻²⁴, which becomes the relative error |z| · 2⁻²⁴ of the weight, and exp one unit in the last place, 2⁻²³. The sum of
 * weights has at most the weighted mean of those errors. Laying weights on a grid moves each by at most 2⁻³⁷ of the largest.
 * The result is rounded once, 2⁻²⁴. All else is binary64.
 */
export function probabilityBar(truth: Float64Array): Float64Array {
  const largest = truth.reduce((a, b) => Math.max(a, b));
  const weightError = truth.map((p) => (p === 0 ? 0 : -Math.log(p / largest) * 2 ** -24 + 2 ** -23));
  const sumError = truth.reduce((sum, p, v) => sum + p * weightError[v], 0);
  const grid = 2 ** -37 * largest;
  return truth.map((p, v) => (p * (weightError[v] + sumError + truth.length * grid + 2 ** -24) + grid) * (1 + 2 ** -10));
}
