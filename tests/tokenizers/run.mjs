/**
 * Kinds of tokenizer.json read by kvasm and by Hugging Face's own tokenizers (PyPI), over random texts: the same ids and the same text
 * back, or no tokenizer and a reason. A wrong id is a failure, and so is a kind of KNOWN that is refused.
 *
 *   node tests/tokenizers/run.mjs [TEXTS A KIND] [--record]     --record: writes the digests that the portable suite compares with
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensure } from "../../scripts/ensure.mjs";
import { main, root } from "../../scripts/programs.mjs";
import { capture } from "../../scripts/testing/processes.mjs";
import { Results } from "../../scripts/testing/results.mjs";
import { installPython } from "../../scripts/testing/system.mjs";
import { drawn } from "./drawn.mjs";
import { KNOWN, REFUSABLE } from "./kinds.mjs";
import { textsFor } from "./texts.mjs";

/** Of each kind so many texts' digests are kept for tests/suites/tokenizer-kinds.test.ts, which has no Python. */
const SHORT = 40;
const DIGESTS = join(root, "tests/fixtures/tokenizer-kinds.json");
const digestOf = (rows) => createHash("sha256").update(JSON.stringify(rows.map(({ ids, text }) => [ids, text]))).digest("hex");

export async function runTokenizers(python, results, count = 600, { record = false } = {}) {
  const began = performance.now();
  const more = drawn();
  const of = (field) => Object.fromEntries(more.map((one) => [one.name, one[field]]));
  const known = { ...KNOWN, ...Object.fromEntries(more.filter(({ refused }) => !refused).map(({ name, kind }) => [name, kind])) };
  const kinds = { ...KNOWN, ...REFUSABLE, ...of("kind") };
  const texts = { ...Object.fromEntries([...Object.keys(KNOWN), ...Object.keys(REFUSABLE)].map((name) => [name, textsFor(name, count)])), ...of("texts") };
  const samples = of("samples");
  const total = { texts: 0, equal: 0, none: 0 };
  const folder = mkdtempSync(join(tmpdir(), "kvasm-tokenizers-"));
  const failures = [];
  const details = [];
  const digests = {};
  let passed = 0;
  try {
    writeFileSync(join(folder, "given.json"), JSON.stringify({ kinds, texts, samples }));
    const { code, output } = await capture(python, [join(root, "tests/tokenizers/reference.py"), join(folder, "given.json"), join(folder, "found.json")], { timeout: 600_000 });
    if (code !== 0) throw new Error(output);
    const reference = JSON.parse(readFileSync(join(folder, "found.json"), "utf8"));
    const { load } = await import("../../dist/index.js");
    for (const [name, kind] of Object.entries(kinds)) {
      const { tokenizer, note } = await tokenizerOf(load, kind);
      total.texts += texts[name].length;
      if (tokenizer === null) {
        total.none += texts[name].length;
        console.log(`  ${name}: none: ${note}`);
        if (name in known || note === undefined) failures.push(`${name}: ${note ?? "no note says why there is none"}`);
        else passed++;
        continue;
      }
      if (record && (name in KNOWN || name in REFUSABLE)) digests[name] = digestOf(reference[name].rows.slice(0, SHORT));
      const found = compare(tokenizer, texts[name], reference[name], kind);
      compareSamples(tokenizer, samples[name] ?? [], reference[name].decoded, kind, found.wrong);
      total.equal += found.equal + found.refused;
      console.log(`  ${name}: ${found.equal} of ${texts[name].length} equal${found.refused > 0 ? `, ${found.refused} refused by both` : ""}`);
      if (found.wrong.length === 0) passed++;
      else {
        failures.push(`${name}: ${found.wrong.length} of ${texts[name].length} texts`);
        details.push(...found.wrong.slice(0, 3).map((wrong) => `${name}: ${JSON.stringify(wrong)}`));
      }
    }
    // The control: another's ids are seen as such.
    const { tokenizer } = await tokenizerOf(load, KNOWN.gpt2);
    if (compare(tokenizer, texts.cl100k, reference.cl100k, KNOWN.cl100k).wrong.length > 0) passed++;
    else failures.push("(the control: words cut otherwise were not noticed)");
    console.log(`  ${Object.keys(kinds).length} kinds, ${total.texts} texts: ${total.equal} equal, ${total.none} without a tokenizer`);
    if (total.equal >= 20_000 || count < 600) passed++;
    else failures.push("(too few texts were compared)");
    if (record && failures.length === 0) writeFileSync(DIGESTS, `${JSON.stringify(digests, null, 1)}\n`);
  } catch (error) {
    failures.push("(the run)");
    details.push(error.stack);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  results.add("tokenizers of PyPI", `${Object.keys(kinds).length} kinds`, { passed, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") });
}

/** An added token's text is its content; the reference takes letters like é in it for bytes. */
const garbles = (kind) => {
  const ids = new Set(kind.added_tokens.filter(({ content }) => kind.decoder?.type === "ByteLevel" && /[^\x00-\x7f]/.test(content)).map(({ id }) => id));
  return (some) => some.some((id) => ids.has(id));
};

/** Ids as no text gives them, at once and one by one. */
function compareSamples(tokenizer, samples, decoded, kind, wrong) {
  const isGarbled = garbles(kind);
  samples.forEach((ids, i) => {
    if (isGarbled(ids)) return;
    const back = tokenizer.decode(ids);
    if (back !== decoded[i]) wrong.push({ ids, back, reference: decoded[i] });
    const stream = tokenizer.stream();
    const streamed = ids.map((id) => stream.push(id)).join("") + stream.end();
    if (kind.decoder?.type === "ByteLevel" && streamed !== back) wrong.push({ ids, back, streamed });
  });
}

function compare(tokenizer, texts, { rows, error }, kind) {
  const isGarbled = garbles(kind);
  const found = { equal: 0, refused: 0, wrong: [] };
  texts.forEach((text, i) => {
    if (error !== undefined) return found.wrong.push({ text, reference: error });
    let ids;
    let back;
    try {
      ids = tokenizer.encode(text);
      back = tokenizer.decode(ids);
    } catch (failure) {
      if (rows[i].error !== undefined) found.refused++;
      else found.wrong.push({ text, error: failure.message, reference: rows[i] });
      return;
    }
    if (JSON.stringify(ids) === JSON.stringify(rows[i].ids) && (back === rows[i].text || isGarbled(ids))) found.equal++;
    else found.wrong.push({ text, ids, back, reference: rows[i] });
  });
  return found;
}

/** By way of a model, as a user gets it. */
async function tokenizerOf(load, kind) {
  const ids = [...(Array.isArray(kind.model.vocab) ? kind.model.vocab.map((_, id) => id) : Object.values(kind.model.vocab)), ...kind.added_tokens.map(({ id }) => id)];
  const vocab_size = Math.max(...ids) + 1;
  const utf8 = (value) => new TextEncoder().encode(JSON.stringify(value));
  const model = await load({ "config.json": utf8({ model_type: "gpt2", vocab_size, n_embd: 4, n_layer: 1, n_head: 1, n_positions: 4 }), "tokenizer.json": utf8(kind), "model.safetensors": weights(vocab_size) });
  const { tokenizer, notes } = model;
  model.dispose();
  return { tokenizer, note: notes.find((note) => note.startsWith("tokenizer:")) };
}

/** A checkpoint of zeros, one block, width 4. */
function weights(vocab) {
  const shapes = { "wte.weight": [vocab, 4], "wpe.weight": [4, 4], "ln_f.weight": [4], "ln_f.bias": [4] };
  for (const [name, ...shape] of [["ln_1.weight", 4], ["ln_1.bias", 4], ["attn.c_attn.weight", 4, 12], ["attn.c_attn.bias", 12], ["attn.c_proj.weight", 4, 4], ["attn.c_proj.bias", 4], ["ln_2.weight", 4], ["ln_2.bias", 4], ["mlp.c_fc.weight", 4, 16], ["mlp.c_fc.bias", 16], ["mlp.c_proj.weight", 16, 4], ["mlp.c_proj.bias", 4]]) shapes[`h.0.${name}`] = shape;
  const header = {};
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) header[name] = { dtype: "F32", shape, data_offsets: [at, at += 4 * shape.reduce((a, b) => a * b, 1)] };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + at);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  return file;
}

main(import.meta.url, async () => {
  await ensure();
  const results = new Results();
  const [count = "600"] = process.argv.slice(2).filter((argument) => argument !== "--record");
  await runTokenizers(await installPython(), results, Number(count), { record: process.argv.includes("--record") });
  if (results.close() > 0) process.exitCode = 1;
});
