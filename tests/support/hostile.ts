/** Values that callers pass by mistake. Each list names those that are wrong for the kind in its name. */

export const NOT_OPTIONS: unknown[] = [null, 1, "all", true, [], () => {}, 1n, Symbol("options")];

export const NOT_BOOLEAN: unknown[] = [null, 0, 1, "true", "", {}, [], 1n];

/** Wrong kinds for a number. */
export const NOT_NUMBER: unknown[] = [null, "1", "", {}, [], [1], true, 1n, () => 1, Symbol("1"), new Date(0)];

/** Numbers that are no integers of 32 bits. */
export const NOT_INTEGER: number[] = [0.5, NaN, Infinity, -Infinity, 1e21, -1.5, Number.MIN_VALUE];

/** Wrong kinds for a list of ids. */
export const NOT_IDS: unknown[] = [
  null, undefined, 1, "1,2", true, {}, { length: 1, 0: 1 }, new Set([1]), new Map([[0, 1]]), 1n, () => [1],
  new Float32Array([1]), new Float64Array([1]), new Uint8Array([1]), new Uint16Array([1]), new BigInt64Array([1n]), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4),
];

/** Lists with something in them that is no token id of a vocabulary of `vocabSize`, and the code that says so. */
export function badIds(vocabSize: number): [ids: unknown, code: "type" | "value"][] {
  const holes = [1, 2, 3];
  delete holes[1];
  return [
    ...[-1, 0.5, NaN, Infinity, vocabSize, vocabSize + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 1e300].map((id): [unknown, "value"] => [[0, id, 1], "value"]),
    ...[null, undefined, "1", 1n, true, {}, [1]].map((id): [unknown, "type"] => [[0, id, 1], "type"]),
    [holes, "type"],
    [new Int32Array([0, -1]), "value"],
    [new Uint32Array([0, 2 ** 32 - 1]), "value"],
  ];
}
