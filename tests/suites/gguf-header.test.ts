/** GGUF headers that are wrong, each said by name; and what a header may say. */
import { load } from "../../bindings/index.ts";
import type { KvasmErrorCode } from "../../bindings/errors.ts";
import { TINY, pieces, tinyModel } from "../support/checkpoint.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { ARRAY, BAD, BOOL, F32, GGML, I32, STRING, U32, U64, gguf, ggufEntries, ggufMetadata } from "../support/gguf.ts";
import type { GgufEntry, GgufShape, Metadata } from "../support/gguf.ts";
import { assert, describe, it } from "../support/harness.ts";

const base = (): { metadata: Metadata[]; tensors: GgufEntry[] } => ({
  metadata: ggufMetadata(TINY), tensors: ggufEntries(tinyModel()["model.safetensors"] as Uint8Array<ArrayBuffer>),
});

async function loads(file: Uint8Array): Promise<{ config: Record<string, unknown>; tokenizer: unknown; notes: readonly string[] }> {
  const model = await load({ "tiny.gguf": file as Uint8Array<ArrayBuffer> });
  model.dispose();
  return { config: { ...model.config }, tokenizer: model.tokenizer, notes: model.notes };
}

/** As bytes, whose size is known, and as a stream, whose size is not. */
async function refuses(file: Uint8Array<ArrayBuffer>, code: KvasmErrorCode, argument?: string, ...words: string[]): Promise<void> {
  for (const source of [file, pieces(file, 5, 333)]) {
    const error = await rejectsKvasm(() => load({ "tiny.gguf": source }), code, argument);
    for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`);
  }
}

const changed = (change: (shape: GgufShape) => void): Uint8Array<ArrayBuffer> => {
  const shape: GgufShape = base();
  change(shape);
  return gguf(shape);
};
const withValue = (key: string, type: number, value: unknown, elementType?: number): Uint8Array<ArrayBuffer> => changed(({ metadata }) => {
  const at = metadata.findIndex(([name]) => name === key);
  metadata.splice(at < 0 ? metadata.length : at, at < 0 ? 0 : 1, [key, type, value, elementType]);
});
const without = (key: string): Uint8Array<ArrayBuffer> => changed((shape) => { shape.metadata = shape.metadata.filter(([name]) => name !== key); });
const tensor = ({ tensors }: GgufShape, name: string): GgufEntry => tensors.find((one) => one.name === name)!;

describe("GGUF header: the start", () => {
  it("must be GGUF of a version that is read, little-endian", async () => {
    await refuses(new Uint8Array(0), "weights", "tiny.gguf");
    await refuses(new TextEncoder().encode("GGUF") as Uint8Array<ArrayBuffer>, "weights", "tiny.gguf");
    await refuses(new TextEncoder().encode("<!DOCTYPE html><title>404</title>") as Uint8Array<ArrayBuffer>, "weights", "tiny.gguf", "web page");
    await refuses(new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n") as Uint8Array<ArrayBuffer>, "weights", "tiny.gguf", "Git LFS");
    await refuses(new TextEncoder().encode('{"error":"Invalid username or password."}') as Uint8Array<ArrayBuffer>, "weights", "tiny.gguf", "it is JSON", "Invalid username or password.", "credentials");
    await refuses(new TextEncoder().encode("ggjt\u0003\0\0\0 of old") as Uint8Array<ArrayBuffer>, "weights", "tiny.gguf", "no GGUF");
    for (const version of [0, 1, 4, 1000]) await refuses(gguf({ ...base(), version }), "unsupported", "tiny.gguf", String(version));
    await refuses(gguf({ ...base(), version: 0x03000000 }), "unsupported", "tiny.gguf", "big-endian");
    for (const version of [2, 3]) assert.ok(await loads(gguf({ ...base(), version })));
  });

  it("counts that no file has are refused at once", async () => {
    for (const count of [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 2n ** 32n, 65537n]) {
      await refuses(gguf({ ...base(), tensorCount: count }), "weights", "tiny.gguf", "tensor count");
      await refuses(gguf({ ...base(), metadataCount: count }), "weights", "tiny.gguf", "metadata count");
    }
    await refuses(gguf({ ...base(), tensorCount: 0n }), "weights", "tiny.gguf", "no tensors");
  });

  it("a file that ends anywhere in its header or data", async () => {
    const file = gguf(base());
    for (const length of [8, 15, 20, 24, 31, 60, 200, 700, 1500]) await refuses(file.slice(0, length), "weights", "tiny.gguf");
    for (const length of [file.length - 2000, file.length - 40]) { // by a stream's end it is known only when it comes
      await rejectsKvasm(() => load({ "tiny.gguf": file.slice(0, length) }), "weights", "tiny.gguf");
      await rejectsKvasm(() => load({ "tiny.gguf": pieces(file.slice(0, length), 99) }), "source", "tiny.gguf");
    }
  });

  it("a file that goes on after its last tensor", async () => {
    const file = gguf({ ...base(), padEnd: true });
    const longer = new Uint8Array(file.length + 1);
    longer.set(file);
    await refuses(longer, "weights", "tiny.gguf");
    assert.ok(await loads(gguf({ ...base(), padEnd: false })));
  });
});

describe("GGUF header: metadata", () => {
  it("of another architecture, or of a part", async () => {
    await refuses(withValue("general.architecture", STRING, "llama"), "unsupported", "general.architecture", "llama");
    await refuses(withValue("general.architecture", U32, 1), "config", "general.architecture");
    await refuses(without("general.architecture"), "config", "general.architecture");
    await refuses(withValue("split.count", 2, 3), "unsupported", "split.count", "merge");
    assert.ok(await loads(withValue("split.count", 2, 1)));
    await refuses(withValue("gpt2.attention.head_count_kv", U32, 1), "unsupported", "gpt2.attention.head_count_kv");
    assert.ok(await loads(withValue("gpt2.attention.head_count_kv", U32, TINY.n_head)));
  });

  it("sizes must be there, integers in range, and those of the tensors", async () => {
    for (const key of ["block_count", "embedding_length", "attention.head_count", "context_length"]) {
      await refuses(without(`gpt2.${key}`), "config", `gpt2.${key}`);
      for (const [type, value] of [[U32, 0], [I32, -1], [F32, 2.5], [STRING, "6"], [U64, 2n ** 63n], [BOOL, 1], [U32, 2 ** 31]] as const) {
        await refuses(withValue(`gpt2.${key}`, type, value), "config", `gpt2.${key}`);
      }
    }
    await refuses(withValue("gpt2.attention.head_count", U32, 4), "config", "gpt2.attention.head_count", "divisor");
    await refuses(withValue("gpt2.context_length", U32, 6), "config", "gpt2.context_length", "position_embd.weight");
    await refuses(withValue("gpt2.vocab_size", U32, 12), "config", "gpt2.vocab_size");
    await refuses(withValue("gpt2.block_count", U32, 1), "weights", "blk.1.attn_norm.weight");
    await refuses(withValue("gpt2.block_count", U32, 3), "weights", "blk.2.attn_norm.weight", "missing");
    await refuses(withValue("gpt2.feed_forward_length", U32, 11), "weights", undefined, "different models");
    for (const value of [0, -1, NaN, Infinity, 1e-38]) await refuses(withValue("gpt2.attention.layer_norm_epsilon", F32, value), "config", "gpt2.attention.layer_norm_epsilon");
    await refuses(without("gpt2.attention.layer_norm_epsilon"), "config", "gpt2.attention.layer_norm_epsilon");
  });

  it("integers of every type, epsilon as the shortest decimal, 4 · width where nothing is said", async () => {
    for (const type of [0, 1, 2, 3, U32, I32]) assert.equal((await loads(withValue("gpt2.block_count", type, 2))).config.n_layer, 2);
    for (const type of [U64, 11]) assert.equal((await loads(withValue("gpt2.block_count", type, 2n))).config.n_layer, 2);
    assert.equal((await loads(gguf(base()))).config.layer_norm_epsilon, 1e-5);
    assert.equal((await loads(withValue("gpt2.attention.layer_norm_epsilon", F32, 1.2345e-6))).config.layer_norm_epsilon, 1.2345e-6);
    assert.equal((await loads(withValue("gpt2.attention.layer_norm_epsilon", 12, 1e-5))).config.layer_norm_epsilon, 1e-5);
    await refuses(without("gpt2.feed_forward_length"), "weights", undefined, "24"); // TINY has 10
  });

  it("keys that occur twice, types that are none, booleans that are neither", async () => {
    await refuses(changed(({ metadata }) => metadata.push(metadata[2])), "weights", metadataKey(2), "twice");
    await refuses(withValue("x.y", BOOL, 2), "weights", "x.y", "boolean");
    const file = withValue("x.y", U32, 1);
    const at = indexOf(file, "x.y") + 3;
    for (const type of [13, 255, 2 ** 31]) {
      const bad = file.slice();
      new DataView(bad.buffer).setUint32(at, type, true);
      await refuses(bad, "weights", "x.y", "type");
    }
  });

  it("arrays: nested ones, endless ones, and lengths of 2^63", async () => {
    const file = withValue("x.y", ARRAY, [1, 2, 3], U32);
    assert.ok(await loads(file));
    assert.ok(await loads(withValue("x.y", ARRAY, ["a", "", "ä"], STRING)));
    assert.ok(await loads(withValue("x.y", ARRAY, [], F32)));
    const at = indexOf(file, "x.y") + 7;
    const put = (edit: (view: DataView) => void): Uint8Array<ArrayBuffer> => {
      const bad = file.slice();
      edit(new DataView(bad.buffer));
      return bad;
    };
    for (const type of [9, 13, 2 ** 32 - 1]) await refuses(put((view) => view.setUint32(at, type, true)), "weights", "x.y", "array");
    for (const length of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n, 2n ** 40n, 2n ** 28n]) {
      for (const type of [0, U32, STRING, U64]) {
        await refuses(put((view) => { view.setUint32(at, type, true); view.setBigUint64(at + 4, length, true); }), "weights");
      }
    }
    for (const key of ["tokenizer.ggml.tokens", "tokenizer.ggml.merges"]) {
      const strings = withValue(key, ARRAY, ["a"], STRING);
      new DataView(strings.buffer).setBigUint64(indexOf(strings, key) + key.length + 8, 2n ** 22n, true);
      await refuses(strings, "weights");
    }
  });

  it("strings: lengths of 2^63, and what is not UTF-8", async () => {
    const file = withValue("x.y", STRING, "abcdef");
    const at = indexOf(file, "x.y") + 7;
    for (const length of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n, 2n ** 24n + 1n]) {
      const bad = file.slice();
      new DataView(bad.buffer).setBigUint64(at, length, true);
      await refuses(bad, "weights", "tiny.gguf");
      new DataView(bad.buffer).setBigUint64(at, 6n, true);
      new DataView(bad.buffer).setBigUint64(at - 15, length, true); // the key's
      await refuses(bad, "weights", "tiny.gguf");
    }
  });

  it("strings that are not UTF-8 matter only where they are needed", async () => {
    const expected = (await loads(gguf(base()))).config;
    for (const [key, value, elementType] of [["general.name", BAD], ["tokenizer.chat_template", BAD], ["x.list", [BAD, "a", BAD], STRING], ["tokenizer.ggml.added", [BAD], STRING]] as const) {
      assert.deepEqual((await loads(withValue(key, elementType === undefined ? STRING : ARRAY, value, elementType))).config, expected, key);
    }
    for (const key of [BAD, `x${BAD}`]) assert.deepEqual((await loads(changed(({ metadata }) => metadata.push([key, U32, 1], ["y", ARRAY, [1], U32])))).config, expected);
    const other = await loads(changed(({ metadata }) => metadata.push(["tokenizer.ggml.model", STRING, "llama"], ["tokenizer.ggml.tokens", ARRAY, [...Array(TINY.vocab_size).keys()].map((i) => `${BAD}${i}`), STRING])));
    assert.equal(other.tokenizer, null);
    await refuses(withValue("general.architecture", STRING, BAD), "config", "general.architecture");
    await refuses(changed((shape) => { tensor(shape, "output_norm.bias").name = BAD; }), "weights", "tiny.gguf", "UTF-8");
  });

  it("nested arrays are left out where nobody needs them", async () => {
    const expected = (await loads(gguf(base()))).config;
    const nested = (depth: number, of: [type: number, list: unknown[]]): unknown => depth === 0 ? of : [ARRAY, [nested(depth - 1, of), nested(depth - 1, of)]];
    for (const one of [nested(1, [U32, [1, 2]]), nested(1, [STRING, ["a", BAD]]), nested(3, [F32, []]), [ARRAY, []]]) {
      assert.deepEqual((await loads(withValue("x.nested", ARRAY, (one as [number, unknown[]])[1], (one as [number, unknown[]])[0]))).config, expected);
    }
    let deep: unknown = [U32, [1]];
    for (let i = 0; i < 40; i++) deep = [ARRAY, [deep]];
    await refuses(withValue("x.nested", ARRAY, (deep as [number, unknown[]])[1], ARRAY), "weights", "x.nested", "array");
    await refuses(withValue("tokenizer.ggml.tokens", ARRAY, [[STRING, ["a"]]], ARRAY), "weights", "tokenizer.ggml.tokens", "array");
  });
});

describe("GGUF header: tensors", () => {
  it("must all be there, once, and no other", async () => {
    for (const name of ["token_embd.weight", "position_embd.weight", "output_norm.bias", "blk.1.ffn_down.weight"]) {
      await refuses(changed((shape) => { shape.tensors = shape.tensors.filter((one) => one.name !== name); }), "weights", name, "missing");
    }
    await refuses(changed(({ tensors }) => tensors.push({ ...tensors[0] })), "weights", "token_embd.weight", "twice");
    await refuses(changed(({ tensors }) => tensors.push({ name: "rope_freqs.weight", dimensions: [4], type: GGML.F32, data: new Uint8Array(16) })), "weights", "rope_freqs.weight");
    await refuses(changed((shape) => { tensor(shape, "blk.0.attn_qkv.weight").name = "blk.00.attn_qkv.weight"; }), "weights", "blk.00.attn_qkv.weight");
  });

  it("shapes: transposed, of other ranks, of zero, beyond 2^53", async () => {
    await refuses(changed((shape) => tensor(shape, "blk.0.attn_qkv.weight").dimensions.reverse()), "weights", "blk.0.attn_qkv.weight");
    await refuses(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = []; }), "weights", "output_norm.bias", "dimensions");
    await refuses(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = [6, 1, 1, 1, 1]; }), "weights", "output_norm.bias", "dimensions");
    await refuses(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = [0]; }), "weights", "output_norm.bias");
    for (const dimensions of [[2n ** 63n], [2n ** 40n, 2n ** 40n], [2n ** 32n, 2n ** 32n, 2n ** 32n, 2n ** 32n], [2n ** 64n - 1n, 0n]]) {
      await refuses(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = dimensions; }), "weights", "output_norm.bias");
    }
    await refuses(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = [5]; }), "weights", undefined);
    assert.ok(await loads(changed((shape) => { tensor(shape, "output_norm.bias").dimensions = [6, 1, 1]; })));
  });

  it("types: unknown, known but not read, and rows that no block fits", async () => {
    for (const type of [5, 31, 99, 2 ** 32 - 1]) await refuses(changed((shape) => { tensor(shape, "blk.0.ffn_up.weight").type = type; }), "weights", "blk.0.ffn_up.weight");
    for (const [type, name] of [[10, "Q2_K"], [11, "Q3_K"], [20, "IQ4_NL"], [24, "I8"], [39, "MXFP4"]] as const) {
      await refuses(changed((shape) => { tensor(shape, "blk.0.ffn_up.weight").type = type; }), "unsupported", "blk.0.ffn_up.weight", name, "Q6_K");
    }
    for (const type of [GGML.Q4_0, GGML.Q8_0, GGML.Q6_K]) await refuses(changed((shape) => { tensor(shape, "blk.0.ffn_up.weight").type = type; }), "weights", "blk.0.ffn_up.weight", "multiple");
  });

  it("offsets: out of order, overlapping, with gaps, unaligned, beyond 2^53", async () => {
    for (const offset of [1n, 16n, 32n, 64n, 2n ** 20n, 2n ** 40n, 2n ** 63n, 2n ** 64n - 32n]) {
      await refuses(changed((shape) => { tensor(shape, "blk.0.attn_qkv.weight").offset = offset; }), "weights");
    }
    await refuses(changed((shape) => { shape.tensors[0].offset = 32n; }), "weights", undefined, "begins at");
  });

  it("alignments: no power of two, or none that a file has", async () => {
    for (const alignment of [0, 3, 12, 33, 2 ** 21]) await refuses(withValue("general.alignment", U32, alignment), "weights", "general.alignment");
    await refuses(withValue("general.alignment", STRING, "32"), "weights", "general.alignment");
    await refuses(withValue("general.alignment", U32, 64), "weights"); // and the file has 32
    assert.ok(await loads(gguf({ metadata: [...base().metadata, ["general.alignment", U32, 1]], tensors: base().tensors, alignment: 1 })));
  });

  it("numbers that are not finite are refused with their place", async () => {
    const file = changed((shape) => {
      const data = tensor(shape, "blk.1.ffn_up.bias").data.slice();
      new DataView(data.buffer).setFloat32(12, NaN, true);
      tensor(shape, "blk.1.ffn_up.bias").data = data;
    });
    const error = await rejectsKvasm(() => load({ "tiny.gguf": file }), "non-finite", "blk.1.ffn_up.bias");
    assert.equal(error.value, 3);
  });
});

describe("GGUF header: tokenizers", () => {
  const letters = [..."abcdefghi"];
  const tokenizer = (change: Partial<Record<"tokens" | "merges" | "token_type", unknown>> = {}, more: Metadata[] = []): Uint8Array<ArrayBuffer> => {
    const parts = { tokens: [...letters, "ab", "<|endoftext|>"], merges: ["a b"], token_type: [...Array(10).fill(1), 3], ...change };
    return changed(({ metadata }) => metadata.push(
      ["tokenizer.ggml.model", STRING, "gpt2"], ["tokenizer.ggml.pre", STRING, "gpt-2"],
      ["tokenizer.ggml.tokens", ARRAY, parts.tokens, STRING], ["tokenizer.ggml.merges", ARRAY, parts.merges, STRING], ["tokenizer.ggml.token_type", ARRAY, parts.token_type, I32], ...more,
    ));
  };

  it("are made of tokens, merges and types", async () => {
    const { tokenizer: made, config } = await loads(tokenizer()) as { tokenizer: any; config: Record<string, unknown> };
    assert.deepEqual(made.encode("abc<|endoftext|>cab"), [9, 2, 10, 2, 9]);
    assert.equal(made.decode([9, 10, 2]), "ab<|endoftext|>c");
    assert.equal(config.bos_token_id, 10); // the token that ends texts, where nothing else is said
  });

  it("of other kinds are left out", async () => {
    for (const [key, value] of [["tokenizer.ggml.model", "llama"], ["tokenizer.ggml.pre", "llama-bpe"]] as const) {
      const file = changed(({ metadata }) => metadata.push(
        ["tokenizer.ggml.tokens", ARRAY, [...letters, "ab", "c c"], STRING], ["tokenizer.ggml.model", STRING, key === "tokenizer.ggml.model" ? value : "gpt2"], ["tokenizer.ggml.pre", STRING, key === "tokenizer.ggml.pre" ? value : "gpt-2"], ["tokenizer.ggml.merges", ARRAY, [], STRING],
      ));
      const { tokenizer, notes } = await loads(file);
      assert.equal(tokenizer, null);
      assert.ok(notes.length === 1 && notes[0].startsWith(`tokenizer: ${key} is "${value}"`), notes.join());
    }
  });

  it("of another size, with tokens twice, or with merges of nothing are refused", async () => {
    await refuses(tokenizer({ tokens: [...letters, "<|endoftext|>"] }), "tokenizer", "tokenizer.ggml.tokens", "11");
    await refuses(tokenizer({ tokens: [...letters, "a", "<|endoftext|>"] }), "tokenizer", "tokenizer.ggml.tokens[0]");
    await refuses(tokenizer({ merges: ["a x"] }), "tokenizer", "tokenizer.ggml.merges[0]");
    await refuses(tokenizer({ merges: ["a b", "ab"] }), "tokenizer", "tokenizer.ggml.merges[1]");
    await refuses(tokenizer({ merges: ["b a"] }), "tokenizer", "tokenizer.ggml.merges[0]");
    await refuses(tokenizer({ token_type: [1, 2] }), "tokenizer", "tokenizer.ggml.token_type");
    await refuses(tokenizer({ tokens: [...letters, BAD, "<|endoftext|>"] }), "tokenizer", "tokenizer.ggml.tokens[9]", "UTF-8");
    await refuses(tokenizer({ merges: ["a b", BAD] }), "tokenizer", "tokenizer.ggml.merges[1]", "UTF-8");
  });

  it("ids outside the vocabulary are none, as in config.json, and what is no id is refused", async () => {
    const end = 10; // the token <|endoftext|>
    for (const [type, value] of [[U32, 11], [U32, 50256], [U32, 0xffffffff], [I32, -1], [U64, 2n ** 63n], [11, -(2n ** 62n)]] as const) {
      for (const key of ["bos", "eos", "eot", "eom"]) {
        const name = `tokenizer.ggml.${key}_token_id`;
        const ids = async (file: Uint8Array<ArrayBuffer>) => [(await loads(file)).config.bos_token_id, (await loads(file)).config.eos_token_id];
        assert.deepEqual(await ids(withValue(name, type, value)), [null, null], `${key} ${value}`);
        assert.deepEqual(await ids(tokenizer({}, [[name, type, value]])), [end, end], `${key} ${value}`);
      }
    }
    for (const [type, value] of [[F32, 0.5], [F32, NaN], [STRING, "1"], [BOOL, 1]] as const) await refuses(withValue("tokenizer.ggml.eot_token_id", type, value), "config", "tokenizer.ggml.eot_token_id", "token id");
  });

  it("every id that llama.cpp ends a text with ends it", async () => {
    const ends = async (...more: Metadata[]) => (await loads(tokenizer({}, more))).config.eos_token_id;
    const id = (key: string, value: number): Metadata => [`tokenizer.ggml.${key}_token_id`, U32, value];
    assert.deepEqual(await ends(id("eos", 3), id("eot", 5)), [3, 5]);
    assert.deepEqual(await ends(id("eom", 4), id("eot", 5), id("eos", 3)), [3, 5, 4]);
    assert.deepEqual(await ends(id("eot", 5)), [10, 5]); // the token that ends texts, where nothing else is said
    assert.equal(await ends(id("eos", 3), id("eot", 3)), 3);
    assert.equal(await ends(id("eos", 3), id("eot", 11)), 3);
    assert.deepEqual(await ends(id("eos", 11), id("eot", 0)), [10, 0]);
    assert.equal((await loads(withValue("tokenizer.ggml.eot_token_id", U32, 4))).config.eos_token_id, 4);
  });
});

describe("GGUF: sources", () => {
  it("two GGUF files at once are refused", async () => {
    const file = gguf(base());
    await rejectsKvasm(() => load({ "a.gguf": file, "b.gguf": file }), "value", "b.gguf");
  });
});

const metadataKey = (index: number): string => base().metadata[index][0];

function indexOf(file: Uint8Array, text: string): number {
  const wanted = new TextEncoder().encode(text);
  for (let at = 0; at < file.length; at++) if (wanted.every((byte, i) => file[at + i] === byte)) return at;
  throw new Error(`${text} is not in the file`);
}
