/**
 * How an operation is divided: outputs (panels of columns, heads, rows), never a sum. Part `part` of `parts` has the units from
 * partStart(units, part, parts) to partStart(units, part + 1, parts) − 1; parts differ by at most one unit.
 */
// @ts-ignore: decorator
@inline
export function partStart(units: usize, part: usize, parts: usize): usize {
  return units * part / parts;
}
