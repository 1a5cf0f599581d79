/** Saved sequences that Node wrote once (tests/fixtures/saved): every runtime and processor reads them, goes on to the same bits, and writes the same. */
import { fixture } from "../support/files.ts";
import { describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds, withModel } from "../support/models.ts";
import { CACHES } from "../support/quantized.ts";
import { sameFile } from "../support/saved.ts";

describe("a sequence that was saved elsewhere", () => {
  for (const cache of CACHES) {
    it(`in a cache of ${cache} is restored to the same bits, and saved to the same bytes`, async () => {
      const bytes = await fixture(`saved/${cache}.bin`);
      await withModel("odd", (model) => {
        const { vocab_size } = model.config;
        const ids = someIds(40, vocab_size);
        const expected = model.trace(ids).logits;
        const row = (at: number): Float32Array => expected.subarray(at * vocab_size, (at + 1) * vocab_size);
        const restored = model.restore(bytes);
        const fresh = model.sequence();
        fresh.append(ids.slice(0, 18));
        sameFile(fresh.save(), bytes);
        sameBits(restored.decode(ids[18]!), row(18));
        sameBits(restored.prefill(ids.slice(19)), row(39));
        fresh.truncate(17);
        fresh.append(0);
        differentBits(fresh.decode(ids[18]!), row(18), "after another token");
      }, { cache });
    });
  }
});
