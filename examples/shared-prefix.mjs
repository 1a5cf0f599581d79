/**
 * Several continuations of one prompt, which is computed and held once: node examples/shared-prefix.mjs
 *
 * `fork` shares all pages of the cache with the new sequence; a page is copied only when it is partly filled and one side
 * writes to it. What a fork then computes has the same bits as a sequence that computed the prompt itself.
 */
import assert from "node:assert/strict";
import { load } from "kvasm";

const model = await load();
const { encode, decode } = model.tokenizer;

const prompt = encode("There was once a king who had three daughters, and in his garden stood a tree with golden apples. One morning");
const trunk = model.sequence();
const began = performance.now();
trunk.prefill(prompt);
console.log(`The prompt: ${prompt.length} tokens, computed once in ${(performance.now() - began).toFixed(0)} ms.\n`);

const endings = [" the youngest", " a bird", " the tree"];
for (const [index, ending] of endings.entries()) {
  const forked = performance.now();
  const branch = trunk.fork();
  const ms = performance.now() - forked;
  const ids = encode(ending);
  const logits = branch.prefill(ids);

  // The same tokens in a sequence that shares nothing: not close, the same.
  const alone = model.sequence();
  const expected = alone.prefill([...prompt, ...ids]);
  assert.deepEqual(new Uint32Array(logits.buffer), new Uint32Array(expected.buffer));
  alone.dispose();

  const written = [];
  while (written.length < 24) {
    const id = branch.sample({ temperature: 0.8, topK: 40, seed: index });
    written.push(id);
    branch.decode(id);
  }
  console.log(`…${ending}${decode(written)} …`);
  console.log(`   forked in ${ms.toFixed(2)} ms; ${logits.length} logits, every bit as without the fork\n`);
  branch.dispose();
}
trunk.dispose();
model.dispose();
