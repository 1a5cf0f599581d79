/** Constrained texts: they are what was asked for, whatever the logits say, with guesses and beside others. */
import { load } from "../../bindings/index.ts";
import type { Constrain, GenerateOptions, GeneratedToken, Model } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { collected } from "../support/guessing.ts";
import { assert, describe, it } from "../support/harness.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const textOf = (items: readonly GeneratedToken[]): string => items.map(({ text }) => text).join("");

/** A model that has learned nothing, with GPT-2's vocabulary: characters of several bytes are often several tokens. */
const gpt2 = (n_positions = 120): Promise<Model> => load(randomCheckpoint({ n_embd: 8, n_head: 2, n_layer: 1, n_inner: 8, vocab_size: 50257, n_positions, eos_token_id: 50256 }, 71), { maxSequences: 6 });

async function sampled(model: Model, constrain: Constrain, count: number, options: GenerateOptions = {}): Promise<{ text: string; finish: string | undefined }[]> {
  const all = [];
  for (let seed = 0; seed < count; seed++) {
    const items = await collected(model, "Once upon", { maxTokens: 60, seed, constrain, ...options });
    all.push({ text: textOf(items), finish: items.at(-1)!.finish });
  }
  return all;
}

describe("choices", () => {
  it("are what comes, all of them, with characters of several bytes and one that begins another", async () => {
    const model = await gpt2();
    const choices = ["yes", "no", "nobody", "日本語", "\u{1F600}", "é", "a\u0000b"];
    const seen = new Set<string>();
    for (const { text, finish } of await sampled(model, { choices }, 80)) {
      assert.ok(choices.includes(text), text);
      assert.ok(finish === "stop" || (finish === "eos" && text === "no"), finish);
      seen.add(text);
    }
    assert.ok(seen.size >= 5, [...seen].join());
    const unconstrained = await collected(model, "Once upon", { maxTokens: 5, seed: 1 });
    assert.ok(!choices.includes(textOf(unconstrained)), "the control");
    for (const { text } of await sampled(model, { choices: ["no", "nobody"] }, 20, { ignoreEos: true })) assert.equal(text, "nobody", "without an end-of-text token it goes on");
    model.dispose();
  });
});

describe("regular expressions", () => {
  it("match the whole text", { timeout: 60_000 }, async () => {
    const model = await gpt2();
    for (const regex of [
      "[a-c]{3}", /^\d{4}-(0[1-9]|1[0-2])$/, "(?:ab|c)+?d", "[^\\x00-\\u{FFFF}]{2}", "\\w+@\\w+\\.(com|org)", "(?<year>[12]\\d{3})[\\s]\\S", "é{2,}[\\]\\-x-z]?", /.{0,3}!/s, "\\u00e9\\ud83d\\ude00|\\cA\\t", "[\\d\\-]{2,3}", "x{0}y", "a|b|", "[😀-😂]", "^a{2}|b$|\\$",
    ]) {
      const whole = new RegExp(`^(?:${typeof regex === "string" ? regex : regex.source.replace(/^\^|\$$/g, "")})$`, typeof regex === "string" ? "u" : `${regex.flags}u`);
      for (const { text, finish } of await sampled(model, { regex }, 4)) assert.ok(finish === "length" ? text.length > 0 : whole.test(text), `${String(regex)}: ${JSON.stringify(text)} ${finish}`);
    }
    model.dispose();
  });

  it("that are none, that are too much, and that nothing satisfies are errors before the first token", async () => {
    const model = await gpt2();
    const free = model.freePages;
    const refused = (regex: string | RegExp, code: "value" | "unsupported" | "memory") => rejectsKvasm(() => collected(model, "a", { constrain: { regex } }), code);
    for (const regex of ["(", "[b-a]", "a{2,1}", "[]", "a[]|[]b", "a[\\ud800-\\udfff]", "", "(?:)"]) await refused(regex, "value");
    for (const regex of ["(?=a)b", "\\bno", "(a)\\1", "\\p{L}", /a/i, "a^", "(?<!a)b", "(^a)", "a$b"]) await refused(regex, "unsupported");
    await refused("((a{1000}){1000}){1000}", "memory");
    await rejectsKvasm(() => collected(model, "a", { constrain: { regex: 3 as never } }), "type", "constrain.regex");
    await rejectsKvasm(() => collected(model, "a", { constrain: {} }), "value", "constrain");
    await rejectsKvasm(() => collected(model, "a", { constrain: { regex: "a", choices: ["a"] } }), "value", "constrain");
    await rejectsKvasm(() => collected(model, "a", { constrain: { choices: [] } }), "value", "constrain.choices");
    await rejectsKvasm(() => collected(model, "a", { constrain: { choices: ["a", ""] } }), "value", "constrain.choices[1]");
    await rejectsKvasm(() => collected(model, "a", { constrain: { words: ["a"] } as never }), "option", "words");
    assert.equal(model.freePages, free);
    model.dispose();
    const odd = await load(randomCheckpoint({ n_embd: 8, n_head: 2, n_layer: 1, n_inner: 8, vocab_size: 9, n_positions: 20 }, 72));
    await rejectsKvasm(() => collected(odd, [1], { constrain: { regex: "a" } }), "tokenizer", "constrain");
    odd.dispose();
  });
});

describe("JSON schemas", () => {
  it("are satisfied", { timeout: 60_000 }, async () => {
    const model = await gpt2(300);
    const jsonSchema = {
      $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", required: ["name", "tags"], additionalProperties: false, $defs: { "a/b": { enum: ["x", "\"é\"", 3, null] } },
      properties: {
        id: { type: "integer" }, name: { type: "string", minLength: 1, maxLength: 6 }, ok: { type: ["boolean", "null"] },
        tags: { type: "array", items: { $ref: "#/$defs/a~1b" }, minItems: 1, maxItems: 3 }, at: { anyOf: [{ const: { x: [1] } }, { type: "number" }] },
      },
    };
    let finished = 0;
    for (const { text, finish } of await sampled(model, { jsonSchema }, 30, { maxTokens: 200 })) {
      if (finish !== "stop") continue;
      finished++;
      const value = JSON.parse(text);
      for (const key of Object.keys(value)) assert.ok(Object.hasOwn(jsonSchema.properties, key), key);
      assert.ok(value.id === undefined || Number.isInteger(value.id));
      assert.ok(typeof value.name === "string" && [...value.name].length >= 1 && [...value.name].length <= 6, text);
      assert.ok(value.ok === undefined || value.ok === null || typeof value.ok === "boolean");
      assert.ok(value.tags.length >= 1 && value.tags.length <= 3 && value.tags.every((one: unknown) => jsonSchema.$defs["a/b"].enum.includes(one as string)), text);
      assert.ok(value.at === undefined || typeof value.at === "number" || JSON.stringify(value.at) === '{"x":[1]}');
    }
    assert.ok(finished >= 20, `${finished}`);
    model.dispose();
  });

  it("that say what is not known here are refused, and name the place", async () => {
    const model = await gpt2(20);
    const refused = (jsonSchema: object, code: "value" | "unsupported" | "type", argument: string) => rejectsKvasm(() => collected(model, "a", { constrain: { jsonSchema } }), code, argument);
    await refused({ type: "integer", minimum: 3 }, "unsupported", "constrain.jsonSchema");
    await refused({ type: "object", properties: { a: { type: "string", pattern: "x" } } }, "unsupported", "constrain.jsonSchema.properties.a");
    await refused({}, "unsupported", "constrain.jsonSchema");
    await refused({ type: "array", items: { $ref: "#" } }, "unsupported", "constrain.jsonSchema.items.$ref.items");
    await refused({ type: "object", required: ["a"] }, "unsupported", "constrain.jsonSchema");
    await refused({ $ref: "#/$defs/none" }, "value", "constrain.jsonSchema.$ref");
    await refused({ type: "text" }, "value", "constrain.jsonSchema.type");
    await refused({ type: "array", items: { type: "null" }, minItems: 3, maxItems: 2 }, "value", "constrain.jsonSchema");
    await refused({ type: "string", enum: [1, 2] }, "value", "constrain.jsonSchema");
    await refused({ anyOf: [{ type: "null" }, false] }, "value", "constrain.jsonSchema.anyOf[1]");
    await rejectsKvasm(() => collected(model, "a", { constrain: { jsonSchema: [] } }), "type", "constrain.jsonSchema");
    model.dispose();
  });
});

describe("constrained texts", () => {
  it("are the same with guesses and beside others, and satisfy what processors leave", async () => {
    const model = await load(undefined, { maxSequences: 6 });
    const all = [
      { choices: ["red", "green", "red and green"] }, { regex: "(the [a-z]{3,5} ){6}\\." }, { regex: "(no, ){12}yes" }, { jsonSchema: { type: "array", items: { enum: ["one", "two"] }, minItems: 4, maxItems: 8 } },
    ].map((constrain, seed): GenerateOptions => ({ constrain, seed, maxTokens: 60, logprobs: true, temperature: seed === 1 ? 1 : 0.7, repetitionPenalty: 1.1 }));
    const expected: GeneratedToken[][] = [];
    for (const options of all) expected.push(await collected(model, "no, no, no, the king", options));
    assert.equal(textOf(expected[2]!), "no, ".repeat(12) + "yes");
    for (const speculate of [false, "lookup", { draft: model }] as const) {
      assert.deepEqual(await Promise.all(all.map((options) => collected(model, "no, no, no, the king", { ...options, speculate }))), expected);
    }
    const withoutGreen = await collected(model, "The colour is", { constrain: { choices: ["red", "green"] }, seed: 1, processors: [(_, logits) => { for (const id of model.tokenizer!.encode("g")) logits[id] = -Infinity; for (const word of ["green", "gre", "gr", "gree"]) logits[model.tokenizer!.encode(word)[0]!] = -Infinity; }] });
    assert.equal(textOf(withoutGreen), "red");
    await rejectsKvasm(() => collected(model, "a", { constrain: { choices: ["b"] }, processors: [(_, logits) => { logits.fill(-Infinity); logits[model.tokenizer!.encode(" z")[0]!] = 0; }] }), "value", "constrain");
    assert.equal(model.freePages, model.pages);
    model.dispose();
  });

  it("end with length where there is no room for all", async () => {
    const model = await load();
    const items = await collected(model, "a", { constrain: { regex: "abc{30}" }, maxTokens: 3 });
    assert.equal(items.length, 3);
    assert.equal(items[2]!.finish, "length");
    assert.ok(("ab" + "c".repeat(30)).startsWith(textOf(items)));
    model.dispose();
  });
});
