/** pytorch_model.bin on a disk and behind an address: by its folder, by its own name, by the command line. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { load } from "../../bindings/index.ts";
import { TINY, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import { kvasm } from "../support/command.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { fixture } from "../support/files.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { expectedOf } from "../support/torch.ts";

let folder: string;
let server: Server;
let address: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm-torch-"));
  await mkdir(join(folder, "shards"));
  for (const at of ["", "shards"]) await writeFile(join(folder, at, "config.json"), JSON.stringify(TINY));
  await writeFile(join(folder, "pytorch_model.bin"), await fixture("torch/plain.bin"));
  await writeFile(join(folder, "other.bin"), await fixture("torch/views-legacy.bin"));
  for (const i of [1, 2]) await writeFile(join(folder, `shards/shard-0000${i}-of-00002.bin`), await fixture(`torch/shard-0000${i}-of-00002.bin`));
  await writeFile(join(folder, "shards/pytorch_model.bin.index.json"), await fixture("torch/shard.index.json"));
  server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://host").pathname);
    readFile(join(folder, path)).then((bytes) => response.end(bytes), () => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(async () => {
  server.closeAllConnections?.();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function logits(source: Parameters<typeof load>[0]): Promise<Float32Array> {
  const model = await load(source);
  const row = model.sequence().prefill([3, 1, 4]);
  model.dispose();
  return row;
}

describe("a torch file of a folder", () => {
  it("is loaded by the folder, by its own name, and from a server", async () => {
    const wanted = await logits(tinyModel(tinyEntries()));
    const other = await logits(tinyModel(expectedOf("views")));
    for (const at of [folder, address]) {
      for (const form of ["", "/pytorch_model.bin", "/shards"]) sameBits(await logits(at + form), wanted, at + form);
      sameBits(await logits(`${at}/other.bin`), other, "another name");
    }
  });

  it("is not taken for a model where it is a part of one, or no torch file", async () => {
    const error = await rejectsKvasm(() => load(join(folder, "shards/shard-00001-of-00002.bin")), "source", "source");
    assert.ok(error.message.includes("pytorch_model.bin.index.json"), error.message);
    await writeFile(join(folder, "training_args.bin"), await fixture("torch/code.bin"));
    const refused = await rejectsKvasm(() => load(join(folder, "training_args.bin")), "unsupported");
    assert.ok(refused.message.includes("posix.system"), refused.message);
  });

  it("is converted, and described, by the command line", async () => {
    const out = join(folder, "converted");
    const { code, stderr } = await kvasm(["convert", folder, out, "--weights", "f32"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual((await readdir(out)).map((name) => basename(name)).sort(), ["config.json", "model.safetensors"]);
    sameBits(await logits(out), await logits(folder));
    const info = await kvasm(["info", "--model", folder]);
    assert.equal(info.code, 0, info.stderr);
  });
});
