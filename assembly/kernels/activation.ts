import { GELU_ERF, GELU_TANH, QUICK_GELU, RELU, SILU } from "../contract";
import { exp16, exp4 } from "./exp";

// Activations of docs/NUMERICS.md, in place on rows that still lack their bias: x = x + bias, then x = f(x).
// Each is a function over one row with one loop; sixteen values a turn, so that exp can work on four vectors at once.

/** f32x4 constants, 16 bytes apart. */
const C = memory.data<f32>([
  -0.07135481387376785, -0.07135481387376785, -0.07135481387376785, -0.07135481387376785, // −2·√(2/π)·0.044715
  -1.5957691669464111, -1.5957691669464111, -1.5957691669464111, -1.5957691669464111, // −2·√(2/π)
  -1.702, -1.702, -1.702, -1.702,
  64, 64, 64, 64,
  1, 1, 1, 1,
  0.5, 0.5, 0.5, 0.5,
  // Φ: 1/√2, 0.328125, then q
  0.7071067690849304, 0.7071067690849304, 0.7071067690849304, 0.7071067690849304,
  0.328125, 0.328125, 0.328125, 0.328125,
  -0.0028184643015265465, -0.0028184643015265465, -0.0028184643015265465, -0.0028184643015265465,
  -0.12818507850170135, -0.12818507850170135, -0.12818507850170135, -0.12818507850170135,
  0.4686974585056305, 0.4686974585056305, 0.4686974585056305, 0.4686974585056305,
  -0.37584805488586426, -0.37584805488586426, -0.37584805488586426, -0.37584805488586426,
  0.43438756465911865, 0.43438756465911865, 0.43438756465911865, 0.43438756465911865,
  0.032558199018239975, 0.032558199018239975, 0.032558199018239975, 0.032558199018239975,
  0.20467086136341095, 0.20467086136341095, 0.20467086136341095, 0.20467086136341095,
  0.18118958175182343, 0.18118958175182343, 0.18118958175182343, 0.18118958175182343,
  0.18534789979457855, 0.18534789979457855, 0.18534789979457855, 0.18534789979457855,
  // tanh: 0.625, then p
  0.625, 0.625, 0.625, 0.625,
  -0.0057049887254834175, -0.0057049887254834175, -0.0057049887254834175, -0.0057049887254834175,
  0.0206390880048275, 0.0206390880048275, 0.0206390880048275, 0.0206390880048275,
  -0.05373971536755562, -0.05373971536755562, -0.05373971536755562, -0.05373971536755562,
  0.13331441581249237, 0.13331441581249237, 0.13331441581249237, 0.13331441581249237,
  -0.3333328068256378, -0.3333328068256378, -0.3333328068256378, -0.3333328068256378,
], 16);

/** x / (E(y) + 1) for sixteen values; `scratch`: 64 bytes. */
// @ts-ignore: decorator
@inline
function storeLogistic(
  p: usize, scratch: usize, x0: v128, x1: v128, x2: v128, x3: v128, y0: v128, y1: v128, y2: v128, y3: v128,
): void {
  const top = v128.load(C, 48);
  exp16(scratch, f32x4.pmin(y0, top), f32x4.pmin(y1, top), f32x4.pmin(y2, top), f32x4.pmin(y3, top));
  const one = v128.load(C, 64);
  v128.store(p, f32x4.div(x0, f32x4.add(v128.load(scratch), one)));
  v128.store(p, f32x4.div(x1, f32x4.add(v128.load(scratch, 16), one)), 16);
  v128.store(p, f32x4.div(x2, f32x4.add(v128.load(scratch, 32), one)), 32);
  v128.store(p, f32x4.div(x3, f32x4.add(v128.load(scratch, 48), one)), 48);
}

// @ts-ignore: decorator
@inline
function geluArgument(x: v128): v128 {
  return f32x4.mul(x, f32x4.add(f32x4.mul(f32x4.mul(x, x), v128.load(C)), v128.load(C, 16)));
}

/** The tanh form. `bytes`: of the padded row, a multiple of 64. `scratch`: 64 bytes, as in all of these. */
export function geluTanhRow(row: usize, bias: usize, bytes: usize, scratch: usize): void {
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = row + i, b = bias + i;
    const x0 = f32x4.add(v128.load(p), v128.load(b)), x1 = f32x4.add(v128.load(p, 16), v128.load(b, 16));
    const x2 = f32x4.add(v128.load(p, 32), v128.load(b, 32)), x3 = f32x4.add(v128.load(p, 48), v128.load(b, 48));
    storeLogistic(p, scratch, x0, x1, x2, x3, geluArgument(x0), geluArgument(x1), geluArgument(x2), geluArgument(x3));
  }
}

export function quickGeluRow(row: usize, bias: usize, bytes: usize, scratch: usize): void {
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = row + i, b = bias + i;
    const x0 = f32x4.add(v128.load(p), v128.load(b)), x1 = f32x4.add(v128.load(p, 16), v128.load(b, 16));
    const x2 = f32x4.add(v128.load(p, 32), v128.load(b, 32)), x3 = f32x4.add(v128.load(p, 48), v128.load(b, 48));
    const k = v128.load(C, 32);
    storeLogistic(p, scratch, x0, x1, x2, x3, f32x4.mul(x0, k), f32x4.mul(x1, k), f32x4.mul(x2, k), f32x4.mul(x3, k));
  }
}

export function siluRow(row: usize, bias: usize, bytes: usize, scratch: usize): void {
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = row + i, b = bias + i;
    const x0 = f32x4.add(v128.load(p), v128.load(b)), x1 = f32x4.add(v128.load(p, 16), v128.load(b, 16));
    const x2 = f32x4.add(v128.load(p, 32), v128.load(b, 32)), x3 = f32x4.add(v128.load(p, 48), v128.load(b, 48));
    storeLogistic(p, scratch, x0, x1, x2, x3, f32x4.neg(x0), f32x4.neg(x1), f32x4.neg(x2), f32x4.neg(x3));
  }
}

/** The exact form, x · Φ(x). */
export function geluErfRow(row: usize, bias: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.add(v128.load(row + i), v128.load(bias + i));
    const one = v128.load(C, 64);
    const a = f32x4.mul(f32x4.abs(x), v128.load(C, 96));
    const t = f32x4.div(one, f32x4.add(f32x4.mul(a, v128.load(C, 112)), one));
    let q = f32x4.add(f32x4.mul(v128.load(C, 128), t), v128.load(C, 144));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 160));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 176));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 192));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 208));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 224));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 240));
    q = f32x4.add(f32x4.mul(q, t), v128.load(C, 256));
    const tail = f32x4.mul(f32x4.mul(f32x4.mul(q, t), exp4(f32x4.neg(f32x4.mul(a, a)))), v128.load(C, 80));
    const phi = v128.bitselect(f32x4.sub(one, tail), tail, f32x4.ge(x, f32x4.splat(0)));
    v128.store(row + i, f32x4.mul(x, phi));
  }
}

export function reluRow(row: usize, bias: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.add(v128.load(row + i), v128.load(bias + i));
    // Not x > 0 but not x ≤ 0: NaN stays NaN and is found in the logits.
    v128.store(row + i, v128.andnot(x, f32x4.le(x, f32x4.splat(0))));
  }
}

export function tanhRow(row: usize, bias: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.add(v128.load(row + i), v128.load(bias + i));
    const a = f32x4.abs(x);
    const z = f32x4.mul(x, x);
    let p = f32x4.add(f32x4.mul(v128.load(C, 288), z), v128.load(C, 304));
    p = f32x4.add(f32x4.mul(p, z), v128.load(C, 320));
    p = f32x4.add(f32x4.mul(p, z), v128.load(C, 336));
    p = f32x4.add(f32x4.mul(p, z), v128.load(C, 352));
    const near = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
    const one = v128.load(C, 64);
    const e = f32x4.add(exp4(f32x4.add(a, a)), one);
    const far = v128.or(f32x4.sub(one, f32x4.div(f32x4.add(one, one), e)), v128.and(x, i32x4.splat(0x80000000)));
    v128.store(row + i, v128.bitselect(near, far, f32x4.lt(a, v128.load(C, 272))));
  }
}

/** rows[rows][stride] = activation(rows + bias). `stride` and `bytes` of a padded row, multiples of 64. */
export function activate(
  x: usize, bias: usize, stride: usize, rows: usize, bytes: usize, activation: i32, scratch: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    const row = x + r * stride;
    if (activation == GELU_TANH) geluTanhRow(row, bias, bytes, scratch);
    else if (activation == GELU_ERF) geluErfRow(row, bias, bytes);
    else if (activation == QUICK_GELU) quickGeluRow(row, bias, bytes, scratch);
    else if (activation == RELU) reluRow(row, bias, bytes);
    else if (activation == SILU) siluRow(row, bias, bytes, scratch);
    else tanhRow(row, bias, bytes);
  }
}
