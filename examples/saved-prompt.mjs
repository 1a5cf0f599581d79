/**
 * A long system prompt, computed once and kept: node examples/saved-prompt.mjs [FILE]
 *
 * The first run computes the prompt and saves the sequence; later ones restore it, to the same bits, in the time of reading the file. Any runtime
 * reads it; only the lines about files are Node's. In a page they are the Origin Private File System's, on an edge runtime its cache's: docs/SAVING.md.
 */
import assert from "node:assert/strict";
import { createReadStream, createWriteStream, existsSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { KvasmError, load } from "kvasm";

const file = process.argv[2] ?? join(tmpdir(), "kvasm-saved-prompt.bin");
const model = await load();
const system = model.tokenizer.encode("Once upon a time there was an old king, and he had a daughter, who was more beautiful than the sun. ".repeat(20)).slice(0, 460);

/** The sequence from the file; undefined where there is none, or one of another model or version. */
async function restored() {
  if (!existsSync(file)) return undefined;
  try {
    return await model.restoreFrom(Readable.toWeb(createReadStream(file)));
  } catch (error) {
    if (!KvasmError.is(error) || error.code !== "saved") throw error;
    console.log(`Computed again: ${error.message}`);
  }
}

async function computed() {
  const sequence = model.sequence({ ids: system });
  const unfinished = `${file}.${process.pid}`;
  await sequence.saveTo(Writable.toWeb(createWriteStream(unfinished)));
  renameSync(unfinished, file); // whoever reads it finds all of it
  return sequence;
}

const time = async (action) => {
  const began = performance.now();
  const value = await action();
  return { value, ms: performance.now() - began };
};

const first = await time(async () => await restored() ?? await computed());
const again = await time(restored);
console.log(`${system.length} tokens: there after ${first.ms.toFixed(0)} ms; restored from ${file} in ${again.ms.toFixed(0)} ms`);

const question = model.tokenizer.encode(" One day the king said to her:");
const [one, two] = [first.value, again.value].map((sequence) => sequence.prefill(question));
assert.deepEqual(new Uint32Array(one.buffer), new Uint32Array(two.buffer));
console.log(`${one.length} logits, every bit the same`);
model.dispose();
