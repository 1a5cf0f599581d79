/** Peak resident memory of a load: the weights as held, and little beside them. Runs with --expose-gc. */
import { existsSync, readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { load } from "../../bindings/index.ts";
import { assert, describe, it } from "../support/harness.ts";
import { headerOfShape, someIds } from "../support/models.ts";

const MIB = 2 ** 20;
const SHAPE = { n_embd: 512, n_head: 8, n_layer: 8 };
const VOCABULARY = 50257;
const POSITIONS = 1024;

/** Bytes, now and at most; where the system does not say the latter, what it is now. */
function resident(): { now: number; peak: number } {
  const now = process.memoryUsage().rss;
  const status = "/proc/self/status";
  const peak = existsSync(status) ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, "utf8"))![1]) * 1024 : now;
  return { now, peak: Math.max(now, peak) };
}

/** The file as it comes over a network, in pieces of 64 KiB; its numbers are small and finite. */
function file(dtype: "F32" | "F16"): ReadableStream<Uint8Array> {
  const { bytes, dataBytes } = headerOfShape(SHAPE.n_embd, SHAPE.n_layer, VOCABULARY, POSITIONS, dtype);
  let left = dataBytes;
  let value = 1;
  return new ReadableStream<Uint8Array>({
    start(controller) { controller.enqueue(bytes); },
    pull(controller) {
      if (left === 0) return controller.close();
      const piece = new Uint8Array(Math.min(left, 65536));
      for (let i = 0; i < piece.length; i += 2) {
        value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
        piece[i] = value >>> 24;
        piece[i + 1] = (value >>> 23 & 0x80) | (dtype === "F32" && i % 4 === 0 ? value >>> 8 & 0x7f : dtype === "F32" ? 0x3c : 0x20);
      }
      left -= piece.length;
      controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
}

describe("peak resident memory", () => {
  for (const dtype of ["F16", "F32"] as const) {
    it(`of a load of ${dtype} is at most 1.15 × the weights as held, the cache and 64 MiB`, { timeout: 120_000 }, async () => {
      const config = new TextEncoder().encode(JSON.stringify(SHAPE));
      for (let i = 0; i < 3; i++) { // the model of the test before
        (globalThis as { gc?: () => void }).gc!();
        await turn();
      }
      const before = resident();
      let sampled = 0;
      const model = await load({ "config.json": config, "model.safetensors": file(dtype) }, {
        onProgress: () => { sampled = Math.max(sampled, resident().peak); },
      });
      const logits = model.sequence().prefill(someIds(32, VOCABULARY));
      assert.ok(logits.every(Number.isFinite));
      const { weights, pages } = model.memory;
      const peak = Math.max(sampled, resident().peak);
      assert.ok(weights > 190 * MIB, `${weights}`);
      const grown = peak - before.now;
      // Without its own memory it cannot be: the measure works.
      assert.ok(grown > weights * 0.9, `${(grown / MIB).toFixed(0)} MiB`);
      const limit = 1.15 * weights + pages + 64 * MIB;
      assert.ok(grown <= limit, `${(grown / MIB).toFixed(0)} MiB, at most ${(limit / MIB).toFixed(0)}`);
      // The pool is not touched yet, so there is room for less as well.
      assert.ok(grown <= 1.15 * weights + 64 * MIB, `${(grown / MIB).toFixed(0)} MiB without the cache`);
      model.dispose();
    });
  }
});
