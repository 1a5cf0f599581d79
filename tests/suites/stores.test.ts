/** Stores that answer 401 or 403 for what they do not have, as S3 does to those who may not list a bucket. */
import { load } from "../../bindings/index.ts";
import { TINY, headerOf, safetensors, tinyEntries } from "../support/checkpoint.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const config = json(TINY);
const entries = tinyEntries();
const whole = safetensors(entries);
const INDEX = "model.safetensors.index.json";
const PACKED = "model.safetensors.gz";

/** Optional files, none of which is there. */
const OPTIONAL = ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "merges.txt"];

function sharded(): Record<string, Uint8Array<ArrayBuffer>> {
  const shards: Record<string, typeof entries> = { "model-00001-of-00002.safetensors": entries.slice(0, 9), "model-00002-of-00002.safetensors": entries.slice(9) };
  const places = Object.entries(shards).flatMap(([file, some]) => Object.keys(headerOf(some)).map((name) => [name, file]));
  return { "config.json": config, [INDEX]: json({ weight_map: Object.fromEntries(places) }), ...Object.fromEntries(Object.entries(shards).map(([file, some]) => [file, safetensors(some)])) };
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
}

/** A store under https://store/m/, and what it was asked for. */
function store(files: Record<string, Uint8Array<ArrayBuffer>>, refusal: number) {
  const asked: string[] = [];
  const fetch = async (input: RequestInfo | URL): Promise<Response> => {
    const name = new URL(String(input)).pathname.replace("/m/", "");
    asked.push(name);
    const bytes = files[name];
    return bytes === undefined ? new Response("<Error><Code>AccessDenied</Code></Error>", { status: refusal, headers: { "content-type": "application/xml" } }) : new Response(bytes);
  };
  return { asked, fetch };
}

async function logits(files: Record<string, Uint8Array<ArrayBuffer>>, refusal: number, source = "https://store/m/"): Promise<{ logits: Float32Array; asked: string[] }> {
  const { asked, fetch } = store(files, refusal);
  const model = await load(source, { fetch });
  try {
    assert.equal(model.tokenizer, null);
    return { logits: model.sequence().prefill([1, 2, 3]).slice(), asked };
  } finally {
    model.dispose();
  }
}

describe("a store that refuses what it does not have", () => {
  it("gives a model whole, in shards, compressed, compressed in shards and by the file's name", async () => {
    const expected = (await logits({ "config.json": config, "model.safetensors": whole }, 404)).logits;
    const parts = sharded();
    const packed = await gzip(whole);
    const packedParts = { ...parts, "model-00002-of-00002.safetensors.gz": await gzip(parts["model-00002-of-00002.safetensors"]) };
    delete (packedParts as Record<string, unknown>)["model-00002-of-00002.safetensors"];
    for (const status of [401, 403, 404]) {
      const forms: [Record<string, Uint8Array<ArrayBuffer>>, string?][] = [
        [{ "config.json": config, "model.safetensors": whole }], [parts], [{ "config.json": config, [PACKED]: packed }], [packedParts],
        [{ "config.json": config, "other.safetensors": whole }, "https://store/m/other.safetensors"], [{ "config.json": config, "other.safetensors.gz": packed }, "https://store/m/other.safetensors.gz"],
      ];
      for (const [files, source] of forms) assert.deepEqual((await logits(files, status, source)).logits, expected, `${status} ${Object.keys(files)}`);
    }
  });

  it("is asked for the index before the compressed file, and once for what may be missing", async () => {
    const { asked } = await logits(sharded(), 403);
    const weights = asked.filter((name) => name.startsWith("model"));
    assert.deepEqual(weights, ["model.safetensors", INDEX, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    const others = asked.filter((name) => !name.startsWith("model") && name !== "config.json");
    assert.equal(new Set(others).size, others.length);
    for (const name of others) assert.ok(OPTIONAL.includes(name), name);
    const compressed = (await logits({ "config.json": config, [PACKED]: await gzip(whole) }, 403)).asked.filter((name) => name.startsWith("model"));
    assert.deepEqual(compressed, ["model.safetensors", INDEX, PACKED]);
  });

  it("says of a file that must be there that it may be missing or need credentials, with the status", async () => {
    const parts = sharded();
    const without = (name: string) => Object.fromEntries(Object.entries(parts).filter(([one]) => one !== name));
    for (const status of [401, 403]) {
      const cases: [Record<string, Uint8Array<ArrayBuffer>>, string, string?][] = [
        [{}, "config.json"], [{ "config.json": config }, "model.safetensors"], [without("model-00002-of-00002.safetensors"), "model-00002-of-00002.safetensors"],
        [{ "config.json": config, "model.safetensors": whole }, "model.safetensors", "https://store/m/other.safetensors"], [{}, "x.gguf", "https://store/m/x.gguf"],
      ];
      for (const [files, name, source = "https://store/m/"] of cases) {
        const error = await rejectsKvasm(() => load(source, { fetch: store(files, status).fetch }), "source", name);
        assert.equal(error.value, status);
        for (const word of [String(status), "may be missing", "credentials"]) assert.ok(error.message.includes(word), error.message);
      }
    }
  });

  it("is told from one that is out of order", async () => {
    for (const status of [400, 429, 500, 503]) await rejectsKvasm(() => load("https://store/m/", { fetch: store({ "config.json": config }, status).fetch }), "source");
  });
});
