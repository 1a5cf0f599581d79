/** A story in Node 20 or newer: node examples/node.mjs "Once upon a time" */
import { load } from "kvasm";

const prompt = process.argv[2] ?? "Once upon a time";
const model = await load(); // the small model that comes with the package: no network
process.stdout.write(prompt);
for await (const { text } of model.generate(prompt, { maxTokens: 62, seed: 225, temperature: 0.8, topK: 40 })) {
  process.stdout.write(text);
}
process.stdout.write("\n");
model.dispose();
