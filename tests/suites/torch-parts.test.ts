/** The parts of a torch file made by hand: pickles, archives, views, as torch writes them and as it does not. */
import { KvasmError } from "../../bindings/errors.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { bytesOf, tinyEntries } from "../support/checkpoint.ts";
import type { Entry } from "../support/checkpoint.ts";
import { assert, describe, it } from "../support/harness.ts";
import { WHOLE, tensorsOf } from "../support/torch.ts";
import { joined, zipOf } from "../support/zip.ts";
import type { ZipFile, ZipOptions } from "../support/zip.ts";

// ── A pickle written in words of its operations ──

const text = (value: string): Uint8Array => {
  const bytes = new TextEncoder().encode(value);
  return joined([Uint8Array.of(0x58, ...number(bytes.length)), bytes]);
};
const number = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
const int = (value: number): Uint8Array => Uint8Array.of(0x4a, ...number(value));
const operations = (...codes: number[]): Uint8Array => Uint8Array.from(codes);
const named = (module: string, name: string): Uint8Array => new TextEncoder().encode(`c${module}\n${name}\n`);
const MARK = operations(0x28), TUPLE = operations(0x74), REDUCE = operations(0x52), EMPTY = operations(0x29), STOP = operations(0x2e), FALSE = operations(0x89), NONE = operations(0x4e);
const tuple = (...items: Uint8Array[]): Uint8Array => joined([MARK, ...items, TUPLE]);
const START = operations(0x80, 2);

interface Stored {
  storage?: string;
  type?: string;
  elements: number;
  offset?: number;
  shape: number[];
  strides: number[];
}

const rebuild = named("torch._utils", "_rebuild_tensor_v2");
const hooks = joined([named("collections", "OrderedDict"), EMPTY, REDUCE]);

function tensor(key: string, { storage = key, type = "FloatStorage", elements, offset = 0, shape, strides }: Stored, ...more: Uint8Array[]): Uint8Array {
  const reference = joined([tuple(text("storage"), named("torch", type), text(storage), text("cpu"), int(elements)), operations(0x51)]);
  return joined([rebuild, tuple(reference, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), FALSE, hooks, ...more), REDUCE]);
}

const dict = (items: readonly (readonly [string, Uint8Array])[]): Uint8Array => joined([START, operations(0x7d), MARK, ...items.flatMap(([name, value]) => [text(name), value]), operations(0x75), STOP]);

const stridesOf = (shape: readonly number[]): number[] => shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
const plainOf = ({ shape }: Entry): Stored => ({ elements: shape.reduce((a, b) => a * b, 1), shape, strides: stridesOf(shape) });

const entries = tinyEntries();
const storages = (): ZipFile[] => entries.map((entry, i) => ({ name: `model/data/${i}`, data: bytesOf(entry) }));

/** @param edit changes the description of a tensor */
const items = (edit: (stored: Stored, i: number) => Stored = (one) => one): [string, Uint8Array][] => entries.map((entry, i) => [entry.name, tensor(String(i), edit(plainOf(entry), i))]);

function archive(pickle: Uint8Array = dict(items()), { files = storages(), flags = 8, ...options }: ZipOptions & { files?: ZipFile[]; flags?: number } = {}): ModelBytes {
  return { [WHOLE]: zipOf([{ name: "model/data.pkl", data: pickle }, ...files].map((file) => ({ flags, ...file })), options) };
}

async function refuses(source: ModelBytes, code: string, ...words: string[]): Promise<void> {
  await assert.rejects(tensorsOf(source), (error: unknown) => {
    assert.ok(KvasmError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(error.argument === WHOLE || error.argument?.startsWith("transformer."), error.argument);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
}

describe("a zip archive", () => {
  it("is read with its lengths before or behind the data, in 32 and in 64 bits, and with a comment", async () => {
    const { tensors } = await tensorsOf(archive());
    for (const [i, entry] of entries.entries()) assert.deepEqual(Uint8Array.from([...tensors.values()][i].bytes), bytesOf(entry));
    for (const flags of [0, 8]) {
      for (const wide of [false, true]) assert.deepEqual((await tensorsOf(archive(undefined, { flags, wide, comment: "made by hand" }))).tensors, tensors);
    }
  });

  it("is refused where the directory says something else than the archive", async () => {
    for (const wide of [false, true]) {
      for (const listed of [{ name: "model/data/x" }, { size: 1 }, { checksum: 1 }, { offset: 7 }]) {
        await refuses(archive(undefined, { wide, listed: ({ name }) => name === "model/data/3" ? listed : {} }), "weights", "directory");
      }
      await refuses(archive(undefined, { wide, entries: entries.length }), "weights", "directory");
    }
  });

  it("is refused with other bytes, with fewer files, with a file twice, with too many", async () => {
    const changed = storages();
    changed[2].checksum = 1;
    await refuses(archive(undefined, { files: changed }), "weights", "model/data/2", "checksum");
    await refuses(archive(undefined, { flags: 0, files: changed }), "weights", "model/data/2", "checksum");
    changed[2].checksum = 0; // as if there were none, but others have theirs
    await refuses(archive(undefined, { files: changed }), "weights", "checksum");
    await refuses(archive(undefined, { files: storages().slice(1) }), "weights", "model/data/0");
    await refuses(archive(undefined, { files: [...storages(), storages()[0]] }), "weights", "model/data/0");
    await refuses(archive(undefined, { files: [...storages(), { name: "other/version", data: new Uint8Array(1) }] }), "weights", "other/version");
    await refuses(archive(undefined, { files: [...storages(), { name: "model/code", data: new Uint8Array(70_000) }] }), "unsupported", "model/code");
  });

  it("is refused compressed, encrypted, big-endian, without its pickle in front", async () => {
    await refuses(archive(undefined, { files: storages().map((file) => ({ ...file, method: 8 })) }), "unsupported", "compressed");
    await refuses(archive(undefined, { files: storages().map((file) => ({ ...file, flags: 1 })) }), "unsupported", "encrypted");
    const order = (data: string): ZipFile => ({ name: "model/byteorder", data: new TextEncoder().encode(data) });
    await tensorsOf(archive(undefined, { files: [order("little"), ...storages()] }));
    await refuses(archive(undefined, { files: [order("big"), ...storages()] }), "unsupported", "big-endian");
    await refuses(archive(undefined, { files: [order("odd"), ...storages()] }), "weights", "odd");
    await refuses({ [WHOLE]: zipOf(storages()) }, "unsupported", "data.pkl");
  });

  it("is refused cut off anywhere, and with anything behind it", async () => {
    const whole = archive()[WHOLE] as Uint8Array<ArrayBuffer>;
    for (let length = 0; length < whole.length; length += 37) await assert.rejects(tensorsOf({ [WHOLE]: whole.slice(0, length) }), (error) => KvasmError.is(error), String(length));
    await refuses({ [WHOLE]: joined([whole, new Uint8Array(1)]) }, "weights", "goes on");
  });
});

describe("the pickle of a torch file", () => {
  it("may name tensors and dicts, and nothing else, whatever is done with it", async () => {
    const names: [string, string][] = [["os", "system"], ["builtins", "eval"], ["numpy.core.multiarray", "_reconstruct"], ["torch", "load"], ["torch._utils", "_rebuild_qtensor"], ["torch.nn.modules.linear", "Linear"], ["constructor", "prototype"], ["toString", ""]];
    for (const [module, name] of names) {
      for (const value of [named(module, name), joined([text(module), text(name), operations(0x93)])]) {
        await refuses(archive(dict([["transformer.wte.weight", value]])), "unsupported", JSON.stringify(`${module}.${name}`));
      }
    }
  });

  it("may not have operations that make other objects", async () => {
    for (const code of [0x81, 0x92, 0x69, 0x6f, 0x8f, 0x90, 0x42, 0x43, 0x8b, 0x50, 0x30, 0x31, 0x32, 0x49, 0x53, 0x56, 0x82, 0x96, 0x97, 0xff]) {
      await refuses(archive(joined([START, operations(code)])), "unsupported", `0x${code.toString(16).padStart(2, "0")}`);
    }
    await refuses(archive(joined([operations(0x80, 9)])), "unsupported", "protocol 9");
  });

  it("is refused where its operations do not fit together", async () => {
    const broken: Record<string, Uint8Array> = {
      "a value that it does not have": joined([START, STOP]),
      "a mark": joined([START, operations(0x75), STOP]),
      "left over": joined([START, NONE, NONE, STOP]),
      "repeats value 3": joined([START, operations(0x68, 3), STOP]),
      "no function": joined([START, NONE, EMPTY, REDUCE, STOP]),
      "no list": joined([START, NONE, NONE, operations(0x61), STOP]),
      "no dict": joined([START, NONE, NONE, NONE, operations(0x73), STOP]),
      "twice": dict([...items(), items()[0]]),
      "not UTF-8": joined([START, operations(0x8c, 1, 0xff), STOP]),
      "without an end": joined([START, operations(0x63), new Uint8Array(300).fill(97), STOP]),
    };
    for (const [words, pickle] of Object.entries(broken)) await refuses(archive(pickle), "weights", words);
    await refuses(archive(dict([])), "weights", "no tensors");
    await refuses(archive(joined([START, NONE, STOP])), "weights", "no dict of tensors");
  });

  it("may not describe tensors beyond their storage, nor a storage in two ways", async () => {
    const edited = (edit: (stored: Stored) => Partial<Stored>, at = 3) => archive(dict(items((stored, i) => i === at ? { ...stored, ...edit(stored) } : stored)));
    await refuses(edited(() => ({ offset: 1 })), "weights", "reaches to element 7 of a storage of 6");
    await refuses(edited(() => ({ strides: [2] })), "weights", "reaches to element 11");
    await refuses(edited(() => ({ strides: [2 ** 31 - 1] })), "weights", "reaches to element");
    await refuses(edited(() => ({ strides: [-1] })), "weights", "strides");
    await refuses(edited(() => ({ strides: [1, 1] })), "weights", "as many strides");
    await refuses(edited(() => ({ offset: -1 })), "weights", "offset");
    await refuses(edited(() => ({ elements: -1 })), "weights", "no storage");
    await refuses(edited(() => ({ elements: 2 ** 30 })), "weights", "describes tensors of");
    await refuses(edited(() => ({ storage: "2" })), "weights", "data/3"); // which no tensor is in then
    await refuses(edited(() => ({ storage: "0" })), "weights", "two descriptions");
    await refuses(edited(() => ({ storage: "2", type: "HalfStorage" })), "weights", "two descriptions");
    await refuses(edited(() => ({ type: "OtherStorage" })), "unsupported", "torch.OtherStorage");
    await refuses(edited(() => ({ type: "LongStorage" })), "unsupported", "I64");
    const negated = tensor("3", plainOf(entries[3]), joined([operations(0x7d), text("neg"), operations(0x88, 0x73)]));
    await refuses(archive(dict(items().map(([name, value], i) => [name, i === 3 ? negated : value]))), "unsupported", "negated");
  });
});
