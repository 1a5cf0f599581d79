// What the other specs rest on: SIMD is compiled in, and a product is rounded before it is added to.
describe("toolchain", () => {
  it("multiplies four lanes at once", () => {
    const v = f32x4(1, 2, 3, 4);
    expect(f32x4.extract_lane(f32x4.mul(v, v), 3)).toBe(<f32>16);
  });

  it("does not fuse multiply and add", () => {
    const a = memory.data(16);
    store<f32>(a, 1 + 2 ** -12);
    const x = load<f32>(a);
    // exactly 2⁻²⁴ more than what x · x rounds to: a fused sum would keep it
    expect(x * x - <f32>(1 + 2 ** -11)).toBe(<f32>0);
    const v = f32x4.splat(x);
    expect(f32x4.extract_lane(f32x4.sub(f32x4.mul(v, v), f32x4.splat(<f32>(1 + 2 ** -11))), 0)).toBe(<f32>0);
  });
});
