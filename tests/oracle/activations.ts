/** "Activations" of docs/NUMERICS.md, under Hugging Face's names. */
import { exp, normalDistribution, tanh } from "./elementary.ts";
import { add, divide, multiply, multiplyAdd, ofBits } from "./float.ts";

const CUBIC = ofBits(0xbd922279);
const LINEAR = ofBits(0xbfcc422a);
const QUICK = ofBits(0xbfd9db23);

/** x · 1 / (1 + e^y), e^y held within the normal numbers: the logistic function that most activations are. */
const logistic = (x: number, y: number): number => divide(x, add(exp(y > 64 ? 64 : y), 1));

const tanhGelu = (x: number): number => logistic(x, multiply(x, multiplyAdd(multiply(x, x), CUBIC, LINEAR)));
const silu = (x: number): number => logistic(x, -x);

export const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  gelu_new: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_accurate: tanhGelu,
  gelu_fast: tanhGelu,
  gelu: (x) => multiply(x, normalDistribution(x)),
  quick_gelu: (x) => logistic(x, multiply(x, QUICK)),
  silu,
  swish: silu,
  relu: (x) => (x <= 0 ? 0 : x),
  tanh,
};
