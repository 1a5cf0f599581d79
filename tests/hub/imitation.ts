/** The hub of tests/support for programs that are no suites: tests/browser/hub-page.mjs compiles this. */
export { Hub } from "../support/hub.ts";
export { FAULTS, repositories } from "../support/hub-faults.ts";
export { randomOf } from "../support/damage.ts";
import { safetensors, tinyEntries } from "../support/checkpoint.ts";

const CONFIG = { model_type: "gpt2", n_layer: 2, n_embd: 256, n_head: 4, n_inner: 1024, vocab_size: 6000, n_positions: 64, bos_token_id: 0, eos_token_id: 0 };

/** A repository whose weights are a dozen MiB. */
export function largeRepository(): Record<string, Uint8Array<ArrayBuffer>> {
  // Few kinds of numbers, small ones: this is about bytes that come, and logits that are finite.
  const entries = tinyEntries("transformer.", { config: CONFIG }).map((entry) => {
    const count = entry.shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: count }, (_, i) => (((i * 2654435761) >>> 20) - 2048) / 40_000 + (entry.name.length % 7) / 1000);
    return { ...entry, data: new Uint8Array(values.buffer) };
  });
  return { "config.json": new TextEncoder().encode(JSON.stringify(CONFIG)) as Uint8Array<ArrayBuffer>, "model.safetensors": safetensors(entries) };
}
