/** Torch files damaged in thousands of seeded ways: what comes is a KvasmError or the model's numbers, and never others. */
import { damagedBytes, pick, randomOf, sum, tally } from "../support/damage.ts";
import { pieces } from "../support/checkpoint.ts";
import { fixture } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";
import { INDEX, WHOLE, shards, tensorsOf } from "../support/torch.ts";

const read = (name: string) => fixture(`torch/${name}`);
const ARCHIVES = ["plain.bin", "types.bin", "views.bin"];
const LEGACY = ["plain-legacy.bin", "types-legacy.bin", "views-legacy.bin"];
const HOSTILE = [0n, 1n, 2n, 255n, 65535n, 65536n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n];

type Tensors = Awaited<ReturnType<typeof tensorsOf>>["tensors"];

/** A file with bytes changed, gone, repeated or cut off, or with a number put somewhere. @param within the bytes in which it begins */
function damaged(good: Uint8Array<ArrayBuffer>, seed: number, within: number): Uint8Array<ArrayBuffer> {
  const random = randomOf(seed);
  if (random(3) > 0) return damagedBytes(good, random, within);
  const file = good.slice();
  const view = new DataView(file.buffer);
  const at = random(Math.min(within, good.length - 8));
  if (random(2) === 0) view.setBigUint64(at, pick(random, HOSTILE), true);
  else view.setUint32(at, Number(BigInt.asUintN(32, pick(random, HOSTILE))), true);
  return file;
}

const key = (tensors: Tensors): string => JSON.stringify([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Places in the model, and lengths. (A type may become another of the same width: nothing in the old format tells.) */
const shapesOf = (tensors: Tensors): string => JSON.stringify([...tensors].map(([name, { bytes }]) => [name.slice(name.indexOf("@")), bytes.length]).sort());

describe("damaged torch files", () => {
  it("are refused, or are the undamaged model to the last bit where its archive has checksums", { timeout: 180_000 }, async () => {
    const files = await Promise.all(ARCHIVES.map(async (name) => {
      const good = await read(name);
      return { good, wanted: key((await tensorsOf({ [WHOLE]: good })).tensors) };
    }));
    const { good, codes } = await tally(1800, 1_000, async (seed) => {
      const { good, wanted } = files[seed % files.length];
      const file = damaged(good, seed, good.length);
      const { tensors } = await tensorsOf({ [WHOLE]: seed % 5 === 0 ? pieces(file, 1 + seed % 97) : file });
      if (key(tensors) !== wanted) throw new Error("other numbers");
    });
    // What changes nothing: padding, times, flags that say nothing.
    assert.ok(good > 100 && sum(codes) > 1000, `${good} good, ${sum(codes)} refused`);
    for (const code of codes.keys()) assert.ok(["weights", "source", "unsupported"].includes(code), code);
  });

  it("without checksums, of the old format, are refused unless numbers alone are others", { timeout: 180_000 }, async () => {
    const files = await Promise.all(LEGACY.map(async (name) => {
      const good = await read(name);
      const { tensors } = await tensorsOf({ [WHOLE]: good });
      return { good, shapes: shapesOf(tensors), header: lastPickle(good) };
    }));
    const { good, codes } = await tally(1200, 50_000, async (seed) => {
      const { good, shapes, header } = files[seed % files.length];
      const file = damaged(good, seed, seed % 4 === 0 ? good.length : header);
      const { tensors } = await tensorsOf({ [WHOLE]: seed % 5 === 0 ? pieces(file, 1 + seed % 97) : file });
      if (shapesOf(tensors) !== shapes) throw new Error("other tensors");
    });
    assert.ok(good > 50 && sum(codes) > 600, `${good} good, ${sum(codes)} refused`);
    for (const code of codes.keys()) assert.ok(["weights", "source", "unsupported"].includes(code), code);
  });

  it("among shards are refused, or are the undamaged model", { timeout: 60_000 }, async () => {
    const source = await shards(read, "");
    const wanted = key((await tensorsOf(source)).tensors);
    const names = Object.keys(source).filter((name) => name !== INDEX);
    const { codes } = await tally(300, 90_000, async (seed) => {
      const name = names[seed % names.length];
      const good = source[name] as Uint8Array<ArrayBuffer>;
      const { tensors } = await tensorsOf({ ...source, [name]: damaged(good, seed, good.length) });
      if (key(tensors) !== wanted) throw new Error("other numbers");
    });
    assert.ok(sum(codes) > 150, `${sum(codes)} refused`);
  });
});

/** Bytes up to the list of the storages' keys, the last pickle, and into it: a protocol and an empty list. */
function lastPickle(file: Uint8Array): number {
  const start = [0x80, 2, 0x5d, 0x71, 0];
  for (let at = file.length - 5; at > 0; at--) if (start.every((byte, i) => file[at + i] === byte)) return at + 60;
  throw new Error("no list of keys");
}
