/**
 * A fresh process from its start to the first token of the embedded model. Run by bench/commands/first-token.ts; prints one line of JSON,
 * times in milliseconds of the system's clock, so that the parent can tell how long the start itself took.
 *
 *   node bench/first-token.mjs whole|parts PROMPT
 */
const began = clock();
const [mode, prompt] = process.argv.slice(2);

function clock() {
  return performance.timeOrigin + performance.now();
}

if (mode === "whole") {
  // What a user's program does, untouched.
  const { load } = await import("../dist/index.js");
  const model = await load();
  for await (const { text } of model.generate(prompt, { maxTokens: 1, temperature: 0 })) {
    console.log(JSON.stringify({ began, token: clock(), text }));
    break;
  }
} else {
  let compiling = 0;
  for (const name of ["compile", "instantiate"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const start = clock();
      try {
        return await original(...args);
      } finally {
        compiling += clock() - start;
      }
    };
  }
  const { load } = await import("../dist/index.js");
  const imported = clock();
  let firstBytes;
  let lastBytes;
  const model = await load(undefined, { onProgress: () => { firstBytes ??= clock(); lastBytes = clock(); } });
  const loaded = clock();
  const ids = model.tokenizer.encode(prompt);
  const encoded = clock();
  const sequence = model.sequence();
  sequence.prefill(ids);
  const prefilled = clock();
  const id = sequence.sample({ temperature: 0 });
  const text = model.tokenizer.decode([id]);
  const token = clock();
  console.log(JSON.stringify({ began, imported, compiling, firstBytes, lastBytes, loaded, encoded, prefilled, token, text, tokens: ids.length }));
}
