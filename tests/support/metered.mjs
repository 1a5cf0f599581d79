/**
 * Loads the model in a folder, fills a context and generates, and prints as JSON what memory that took. A program of its own, so
 * that nothing else is in the process.
 *
 *   node tests/support/metered.mjs FOLDER OPTIONS
 */
import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

const [folder, options] = process.argv.slice(2);

/** The most that was ever resident, in bytes. */
function residentPeak() {
  if (!existsSync("/proc/self/status")) return null;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
}

const before = residentPeak();
const { load } = await import("../../dist/index.js");

// `external` has the linear memory in it.
let worst = { peak: 0, heapUsed: 0, external: 0 };
let largestChunk = 0;
function sample() {
  const { heapUsed, external } = process.memoryUsage();
  if (heapUsed + external > worst.peak) worst = { peak: heapUsed + external, heapUsed, external };
}

/** Two buffers take turns: what is no longer needed would count until it is collected, and no test can say when that is. */
const buffers = [new Uint8Array(65536), new Uint8Array(65536)];

/** A file as a stream of chunks of at most 64 KiB, as a network gives it; sampled at each. */
async function file(name) {
  const handle = await open(join(folder, name));
  return new ReadableStream({
    async pull(controller) {
      sample();
      buffers.reverse();
      const { buffer, bytesRead } = await handle.read(buffers[0], 0, buffers[0].length, null);
      largestChunk = Math.max(largestChunk, bytesRead);
      if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
      await handle.close();
      controller.close();
    },
  }, { highWaterMark: 0 });
}

const model = await load("http://parts.test/", {
  ...JSON.parse(options),
  onProgress: sample,
  fetch: async (url) => {
    const name = new URL(url).pathname.slice(1);
    return existsSync(join(folder, name)) ? new Response(await file(name)) : new Response(null, { status: 404 });
  },
});
sample();

const prompt = model.tokenizer.encode("Once upon a time there was a miller who had three sons, his mill, an ass, and a cat. ".repeat(60));
const sequence = model.sequence();
sequence.prefill(prompt.slice(0, model.contextLength - 32));
sample();
let text = "";
const stream = model.tokenizer.stream();
while (sequence.length < model.contextLength) {
  const id = sequence.sample({ temperature: 0.8, topK: 40, topP: 0.9, repetitionPenalty: 1.1, seed: 7 });
  text += stream.push(id);
  sequence.decode(id);
  sample();
}
if (text === "") throw new Error("no text");
const tokens = sequence.length;
sequence.dispose();
for await (const item of model.generate("The quick brown fox", { maxTokens: 8, seed: 7 })) if (item.id >= 0) sample();

const after = residentPeak();
process.stdout.write(JSON.stringify({
  ...worst, linear: model.memory.total, memory: model.memory, largestChunk, tokens, residentGrowth: after === null ? null : after - before,
}));
