// What the lane sums of docs/NUMERICS.md share: sixteen partial sums in four vectors, and masks for the last, partial block.

/** The sum of sixteen partial sums P_0 … P_15, held as four vectors, in the fixed order. */
// @ts-ignore: decorator
@inline
export function sumLanes(p0: v128, p1: v128, p2: v128, p3: v128): f32 {
  const q = f32x4.add(f32x4.add(p0, p1), f32x4.add(p2, p3));
  return (f32x4.extract_lane(q, 0) + f32x4.extract_lane(q, 1)) + (f32x4.extract_lane(q, 2) + f32x4.extract_lane(q, 3));
}

/** All ones in the lanes whose element (first … first + 3) lies below `count`. */
// @ts-ignore: decorator
@inline
export function lanesBelow(first: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}
