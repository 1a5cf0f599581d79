/** Kinds of tokenizer.json: the ids and texts of Hugging Face's tokenizers, by digests of them (node tests/tokenizers/run.mjs --record). */
import { fromTokenizerJson } from "../../bindings/tokenizer/huggingface.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, before, describe, it } from "../support/harness.ts";
import { KNOWN, REFUSABLE } from "../tokenizers/kinds.mjs";
import { textsFor } from "../tokenizers/texts.mjs";

const TEXTS = 40;
let digests: Record<string, string>;

before(async () => {
  digests = JSON.parse(new TextDecoder().decode(await repositoryFile("tests/fixtures/tokenizer-kinds.json")));
});

async function digestOf(kind: object, texts: readonly string[]): Promise<string | undefined> {
  const { tokenizer } = fromTokenizerJson(JSON.stringify(kind));
  if (tokenizer === null) return undefined;
  const rows = texts.map((text) => {
    const ids = tokenizer.encode(text);
    return [ids, tokenizer.decode(ids)];
  });
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(rows))));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("a kind of tokenizer.json that is read", () => {
  for (const [name, kind] of Object.entries(KNOWN)) {
    it(`gives the reference's ids and texts: ${name}`, async () => assert.equal(await digestOf(kind, textsFor(name, TEXTS)), digests[name]));
  }

  it("gives others for other texts", async () => {
    assert.notEqual(await digestOf(KNOWN["gpt2"], textsFor("gpt2", TEXTS).map((text) => `${text}!`)), digests["gpt2"]);
  });
});

describe("a kind that is not certain", () => {
  for (const [name, kind] of Object.entries(REFUSABLE)) {
    it(`is right, or is none and says why: ${name}`, async () => {
      const { tokenizer, note } = fromTokenizerJson(JSON.stringify(kind));
      if (tokenizer === null) assert.match(note!, /^tokenizer: tokenizer\.json: .+ is .+, for which kvasm is not sure/);
      else assert.equal(await digestOf(kind, textsFor(name, TEXTS)), digests[name]);
    });
  }
});
