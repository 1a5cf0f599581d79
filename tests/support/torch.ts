/** What must be read from the checkpoints that tests/torch/write.py makes, whichever version of torch has written them. */
import { load } from "../../bindings/index.ts";
import { convertFiles } from "../../bindings/convert/index.ts";
import { KvasmError } from "../../bindings/errors.ts";
import { parseConfig } from "./config.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import { RecordingSink, TINY, bytesOf, pieces, safetensors, tinyEntries } from "./checkpoint.ts";
import type { Entry } from "./checkpoint.ts";
import { assert, describe, it } from "./harness.ts";

export const WHOLE = "pytorch_model.bin";
export const INDEX = "pytorch_model.bin.index.json";
const CONFIG = new TextEncoder().encode(JSON.stringify(TINY));
export const TYPES = ["F32", "F16", "BF16", "F64"];

type Read = (name: string) => Promise<Uint8Array<ArrayBuffer>>;

/** What a reader hands on, by tensor. */
export async function tensorsOf(source: ModelBytes, config: object = TINY) {
  const sink = new RecordingSink();
  const reader = await openWeights(await resolveSource(source), parseConfig(JSON.stringify(config)));
  await reader.stream(sink);
  return { tensors: sink.tensors, headStored: reader.headStored, foreign: reader.foreign };
}

/** The tensors that a file of write.py has, without its head. */
export function expectedOf(name: string): Entry[] {
  if (name === "types") return tinyEntries("").map((entry, i) => ({ ...entry, dtype: TYPES[i % 4] }));
  if (name !== "views") return tinyEntries();
  const entries = tinyEntries("");
  const last = entries[entries.length - 1]; // ln_f.bias: one number for all
  const first = bytesOf(last).slice(0, 4);
  return [...entries.slice(0, -1), { ...last, data: Uint8Array.from({ length: bytesOf(last).length }, (_, i) => first[i % 4]) }];
}

export async function shards(read: Read, suffix: string): Promise<ModelBytes> {
  const files: ModelBytes = { [INDEX]: await read(`shard${suffix}.index.json`) };
  for (const i of [1, 2]) files[`shard${suffix}-0000${i}-of-00002.bin`] = await read(`shard${suffix}-0000${i}-of-00002.bin`);
  return files;
}

/** @param read a file that write.py has made */
export function checkTorchFiles(read: Read, what: string): void {
  const same = async (source: ModelBytes, entries: readonly Entry[], config: object = TINY) => {
    const { tensors, ...rest } = await tensorsOf(source, config);
    const { tensors: wanted } = await tensorsOf({ "model.safetensors": safetensors(entries) }, config);
    assert.deepEqual([...tensors.keys()].sort(), [...wanted.keys()].sort());
    for (const [key, tensor] of wanted) assert.deepEqual(tensors.get(key), tensor, key);
    return rest;
  };

  for (const suffix of ["", "-legacy"]) {
    describe(`what ${what} writes${suffix === "" ? "" : " in its old format"}`, () => {
      it("has the tensors of the same model in safetensors, a tied head being the embedding", async () => {
        const file = await read(`plain${suffix}.bin`);
        assert.deepEqual(await same({ [WHOLE]: file }, expectedOf("plain")), { headStored: false, foreign: [] });
        // Whatever the pieces are in which it comes.
        for (const size of [1, 7, 1000]) await same({ [WHOLE]: pieces(file, size) }, expectedOf("plain"));
      });

      it("gives a head that config.json has for itself, though it is stored as the embedding", async () => {
        const head = { name: "lm_head.weight", shape: [TINY.vocab_size, TINY.n_embd], data: bytesOf(expectedOf("plain")[0]) };
        const { headStored } = await same({ [WHOLE]: await read(`plain${suffix}.bin`) }, [...expectedOf("plain"), head], { ...TINY, tie_word_embeddings: false });
        assert.equal(headStored, true);
      });

      it("has floats of each type, parameters, and masks that are passed over", async () => {
        const { foreign } = await same({ [WHOLE]: await read(`types${suffix}.bin`) }, expectedOf("types"));
        assert.deepEqual(foreign, ["step"]);
      });

      it("has transposed, spread and repeated views of one storage, in rows", async () => {
        await same({ [WHOLE]: await read(`views${suffix}.bin`) }, expectedOf("views"));
        await same({ [WHOLE]: pieces(await read(`views${suffix}.bin`), 11) }, expectedOf("views"));
      });

      it("may be shards with an index", async () => {
        const { headStored } = await same(await shards(read, suffix), expectedOf("plain"));
        assert.equal(headStored, false);
      });

      it("computes the bits of the same model in safetensors, and is converted to the same files", async () => {
        for (const [name, weights] of [["plain", "f32"], ["types", "f32"], ["views", "q8"], ["plain", "q4"]] as const) {
          const torch = { "config.json": CONFIG, [WHOLE]: await read(`${name}${suffix}.bin`) };
          const plain = { "config.json": CONFIG, "model.safetensors": safetensors(expectedOf(name)) };
          const logits = await Promise.all([torch, plain].map(async (source) => {
            const model = await load(source, { weights });
            const row = model.sequence().prefill([1, 2, 3]);
            model.dispose();
            return row;
          }));
          assert.deepEqual(logits[0], logits[1]);
          assert.deepEqual(await converted(torch, weights), await converted(plain, weights));
        }
      });

      it("runs no code, and says what is in the way", async () => {
        const refuses = (name: string, code: string, ...words: string[]) => assert.rejects(read(`${name}${suffix}.bin`).then((file) => tensorsOf({ [WHOLE]: file })), (error: unknown) => {
          assert.ok(KvasmError.is(error) && error.code === code, String(error));
          for (const word of words) assert.ok(error.message.includes(word), error.message);
          return true;
        });
        await refuses("code", "unsupported", '"posix.system"', "runs no code");
        await refuses("nested", "weights", '"state_dict"', 'torch.save(checkpoint["state_dict"]');
      });
    });
  }
}

async function converted(source: ModelBytes, weights: "f32" | "q8" | "q4"): Promise<Record<string, number[]>> {
  const files: Record<string, number[]> = {};
  for await (const { name, data } of convertFiles(source, { weights })) {
    files[name] = [];
    for await (const piece of data()) files[name].push(...piece);
  }
  return files;
}
