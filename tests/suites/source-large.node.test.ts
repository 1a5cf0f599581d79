import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import { RecordingSink, TINY, bytesOf, headerOf, joinFile, tinyEntries } from "../support/checkpoint.ts";
import { assert, describe, it } from "../support/harness.ts";

describe("a file beyond 4 GiB", () => {
  it("is read to its end in pieces, never whole", { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvasm-large-"));
    try {
      // A hole of 4 GiB and a bit, which takes no place on the disk, as a tensor of no use; then the tensors.
      const hole = 2 ** 32 + 4097;
      const entries = tinyEntries();
      const header: Record<string, object> = { "v_head.summary.weight": { dtype: "U8", shape: [hole], data_offsets: [0, hole] } };
      for (const [name, entry] of Object.entries(headerOf(entries))) header[name] = { ...entry, data_offsets: entry.data_offsets.map((offset) => offset + hole) };
      const head = joinFile(JSON.stringify(header), []);
      const file = await open(join(folder, "model.safetensors"), "w");
      await file.write(head, 0, head.length, 0);
      let at = head.length + hole;
      for (const bytes of entries.map(bytesOf)) {
        await file.write(bytes, 0, bytes.length, at);
        at += bytes.length;
      }
      await file.close();

      const sink = new RecordingSink();
      const before = process.memoryUsage.rss();
      let most = 0;
      let reports = 0;
      const reader = await openWeights(await resolveSource(folder), parseConfig(JSON.stringify(TINY)), {
        onProgress: () => { if (reports++ % 64 === 0) most = Math.max(most, process.memoryUsage.rss()); },
      });
      await reader.stream(sink);
      const came = new Map([...sink.tensors].map(([key, { bytes }]) => [key.split("@")[0], bytes]));
      for (const entry of entries) assert.deepEqual(came.get(entry.name), [...bytesOf(entry)], entry.name);
      assert.ok(reports > 1000);
      assert.ok(most - before < 64 * 2 ** 20, `${most - before} bytes more were resident`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
