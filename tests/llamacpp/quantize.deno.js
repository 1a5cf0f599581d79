/**
 * llama.cpp's quantisation, called in its shared libraries. Runs in Deno, which can call them:
 *   quantize.deno.js LIBRARIES model IN.gguf OUT.gguf FTYPE PURE     llama_model_quantize; FTYPE: llama_ftype; PURE: one type for all
 *   quantize.deno.js LIBRARIES rows IN OUT NAME DIRECTION            quantize_row_NAME_ref or dequantize_row_NAME over a file of f32
 *                                                                    or blocks; DIRECTION: quantize COUNT | dequantize COUNT
 */
const [libraries, what, input, output, ...rest] = Deno.args;
const text = (string) => new TextEncoder().encode(`${string}\0`);

if (what === "model") {
  const find = (prefix) => [...Deno.readDirSync(libraries)].map(({ name }) => name).find((name) => name.startsWith(prefix) && name.includes(".so"));
  const ggml = Deno.dlopen(`${libraries}/${find("libggml.")}`, { ggml_backend_load_all_from_path: { parameters: ["buffer"], result: "void" } });
  ggml.symbols.ggml_backend_load_all_from_path(text(libraries));
  const llama = Deno.dlopen(`${libraries}/${find("libllama.")}`, {
    // More than the structure has today: the function writes as much as it knows.
    llama_model_quantize_default_params: { parameters: [], result: { struct: Array(32).fill("u64") } },
    llama_model_quantize: { parameters: ["buffer", "buffer", "buffer"], result: "u32" },
  });
  const parameters = llama.symbols.llama_model_quantize_default_params();
  const view = new DataView(parameters.buffer);
  view.setInt32(0, 1, true); // threads
  view.setInt32(4, Number(rest[0]), true);
  // After two more i32: allow_requantize, quantize_output_tensor, only_copy, pure.
  parameters[16] = 1;
  parameters[19] = rest[1] === "true" ? 1 : 0;
  Deno.exitCode = llama.symbols.llama_model_quantize(text(input), text(output), parameters);
} else {
  const [name, direction, count] = rest;
  const symbol = direction === "quantize" ? `quantize_row_${name}_ref` : `dequantize_row_${name}`;
  const base = Deno.dlopen(`${libraries}/libggml-base.so`, { [symbol]: { parameters: ["buffer", "buffer", "i64"], result: "void" } });
  const from = Deno.readFileSync(input);
  const to = new Uint8Array(Number(count) * 4);
  base.symbols[symbol](from, to, BigInt(count));
  Deno.writeFileSync(output, to); // the blocks, then zeros; or all of the numbers
}
