/** GGUF files by path, by URL and from a server. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { load } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { ggufOf } from "../support/gguf.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { checkpointFiles } from "../support/reference.ts";

describe("GGUF sources", () => {
  let folder: string;
  let file: Uint8Array<ArrayBuffer>;
  let truth: Float32Array;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvasm-gguf-"));
    file = ggufOf(await checkpointFiles("base"));
    await writeFile(join(folder, "a model.gguf"), file);
    await writeFile(join(folder, "cut.gguf"), file.subarray(0, file.length - 1000));
    await writeFile(join(folder, "text.gguf"), "not a model, but long enough to look");
    const model = await load(await checkpointFiles("base"));
    truth = model.sequence().prefill([1, 2, 3]);
    model.dispose();
  });
  after(() => rm(folder, { recursive: true }));

  async function logits(source: string | URL): Promise<Float32Array> {
    const model = await load(source);
    try {
      return model.sequence().prefill([1, 2, 3]);
    } finally {
      model.dispose();
    }
  }

  it("by path and file: URL", async () => {
    const path = join(folder, "a model.gguf");
    sameBits(await logits(path), truth);
    sameBits(await logits(pathToFileURL(path)), truth);
    sameBits(await logits(pathToFileURL(path).href), truth);
  });

  it("absent, cut off and other files are said by name", async () => {
    await rejectsKvasm(() => load(join(folder, "absent.gguf")), "source");
    await rejectsKvasm(() => load(join(folder, "cut.gguf")), "weights", "cut.gguf");
    await rejectsKvasm(() => load(join(folder, "text.gguf")), "weights", "text.gguf");
  });

  it("from a server, whose other addresses are not asked for", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      if (new URL(request.url!, "http://x").pathname === "/models/a%20model.gguf") response.end(file);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/`;
      sameBits(await logits(`${base}a%20model.gguf?token=1`), truth);
      assert.deepEqual(asked, ["/models/a%20model.gguf?token=1"]);
      await rejectsKvasm(() => load(`${base}other.gguf`), "source", "other.gguf");
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
