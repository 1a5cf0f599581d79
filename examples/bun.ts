/** The same story in Bun: bun examples/bun.ts "Once upon a time" */
import { load } from "kvasm";

const prompt = Bun.argv[2] ?? "Once upon a time";
const output = Bun.stdout.writer();

using model = await load(); // the small model that comes with the package: no network
output.write(prompt);
for await (const { text } of model.generate(prompt, { maxTokens: 62, seed: 225, temperature: 0.8, topK: 40 })) {
  output.write(text);
  await output.flush();
}
output.write("\n");
await output.end();
