/** GGUF files damaged in thousands of seeded ways: what comes is a KvasmError or a model, and never anything else. */
import { load } from "../../bindings/index.ts";
import { dequantized, quantizedQ4_0, quantizedQ8_0, randomBlocks } from "../support/blocks.ts";
import { TINY, pieces, safetensors, tinyEntries } from "../support/checkpoint.ts";
import { damagedBytes, pick, randomOf, sum, tally } from "../support/damage.ts";
import { ARRAY, GGML, I32, STRING, U32, ggufOf } from "../support/gguf.ts";
import type { Metadata } from "../support/gguf.ts";
import { assert, describe, it } from "../support/harness.ts";

const encode = (value: object): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(JSON.stringify(value)));

const VOCABULARY: Metadata[] = [
  ["tokenizer.ggml.model", STRING, "gpt2"], ["tokenizer.ggml.pre", STRING, "gpt-2"],
  ["tokenizer.ggml.tokens", ARRAY, [..."abcdefghi", "ab", "<|endoftext|>"], STRING], ["tokenizer.ggml.merges", ARRAY, ["a b"], STRING],
  ["tokenizer.ggml.token_type", ARRAY, [...Array(10).fill(1), 3], I32], ["tokenizer.ggml.bos_token_id", U32, 10],
];

/** Floats of odd sizes; Q4_0 and Q8_0; Q6_K, whose blocks are long. */
const FILES: Uint8Array<ArrayBuffer>[] = [
  ggufOf({ "config.json": encode(TINY), "model.safetensors": safetensors(tinyEntries()) }, undefined, VOCABULARY),
  ...([["Q4_0", quantizedQ4_0, 32], ["Q8_0", quantizedQ8_0, 32], ["Q6_K", null, 256]] as const).map(([name, quantize, width]) => {
    const config = { ...TINY, n_layer: 1, n_embd: width, n_inner: width, n_head: 2 };
    const files = { "config.json": encode(config), "model.safetensors": safetensors(tinyEntries("transformer.", { config, head: true })) };
    let seed = 0;
    return ggufOf(files, (_, { shape }) => {
      if (shape.length !== 2) return undefined;
      const blocks = randomBlocks(name, shape[0] * shape[1], ++seed);
      return { type: GGML[name], data: quantize === null ? blocks : quantize(dequantized(name, blocks)) };
    }, VOCABULARY);
  }),
];
const DATA = FILES.map((file) => file.length - indexOf(file, "output_norm.bias")); // bytes behind the last names

function indexOf(file: Uint8Array, text: string): number {
  const wanted = new TextEncoder().encode(text);
  for (let at = file.length - wanted.length; at >= 0; at--) if (wanted.every((byte, i) => file[at + i] === byte)) return at;
  throw new Error(`${text} is not there`);
}

const HOSTILE = [0n, 1n, 2n, 3n, 7n, 31n, 32n, 255n, 65535n, 65536n, 2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 32n, 2n ** 64n - 1n];

/** A file with a number of 32 or 64 bits put somewhere, or with bytes changed, gone, repeated or cut off; mostly in its header. */
function damaged(seed: number): { file: Uint8Array<ArrayBuffer>; index: number } {
  const random = randomOf(seed);
  const index = random(FILES.length);
  const good = FILES[index];
  const header = good.length - DATA[index];
  const within = random(4) === 0 ? good.length : header + 64;
  if (random(2) === 0) return { file: damagedBytes(good, random, within), index };
  const file = good.slice();
  const view = new DataView(file.buffer);
  const at = random(Math.min(within, good.length - 8));
  if (random(2) === 0) view.setBigUint64(at, pick(random, HOSTILE), true);
  else view.setUint32(at, Number(BigInt.asUintN(32, pick(random, HOSTILE))), true);
  return { file, index };
}

describe("damaged GGUF files", () => {
  it("give a model that computes, or a typed error", { timeout: 180_000 }, async () => {
    const { good, codes } = await tally(1600, 300_000, async (seed) => {
      const { file } = damaged(seed);
      const source = seed % 5 === 0 ? pieces(file, 1 + seed % 97) : file;
      const model = await load({ "model.gguf": source }, { weights: (["f32", "q8", "q4", undefined] as const)[seed % 4], maxSequences: 1 });
      try {
        const logits = model.sequence().prefill([1, 2, 3]);
        if (logits.length !== model.config.vocab_size || !logits.every(Number.isFinite)) throw new Error("logits");
        const ids = model.tokenizer?.encode("abcab<|endoftext|>") ?? [];
        if (ids.some((id) => !(id >= 0 && id < model.config.vocab_size))) throw new Error(`ids ${ids}`);
      } finally {
        model.dispose();
      }
    });
    assert.ok(good > 200 && sum(codes) > 600, `${good} good, ${sum(codes)} refused`);
    for (const code of codes.keys()) assert.ok(["config", "weights", "tokenizer", "source", "unsupported", "non-finite"].includes(code), code);
    for (const code of ["config", "weights", "tokenizer", "unsupported"] as const) assert.ok(codes.has(code), code);
  });

  it("are what the files undamaged are not", async () => {
    for (const file of FILES) {
      const model = await load({ "model.gguf": file });
      assert.equal(model.sequence().prefill([1, 2, 3]).length, 11);
      assert.equal(model.tokenizer!.decode(model.tokenizer!.encode("abab")), "abab");
      model.dispose();
    }
  });
});
