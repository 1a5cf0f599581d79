/** The same story in Deno, with the permission to read two folders and nothing else: deno task story "Once upon a time" */
import { load } from "kvasm";

const prompt = Deno.args[0] ?? "Once upon a time";
const output = Deno.stdout.writable.getWriter();
const encoder = new TextEncoder();

const model = await load(); // the small model that comes with the package: no network
await output.write(encoder.encode(prompt));
for await (const { text } of model.generate(prompt, { maxTokens: 62, seed: 225, temperature: 0.8, topK: 40 })) {
  await output.write(encoder.encode(text));
}
await output.write(encoder.encode("\n"));
model.dispose();
