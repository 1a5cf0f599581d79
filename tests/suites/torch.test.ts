/** pytorch_model.bin: files that torch has written, as they are and changed. */
import { KvasmError } from "../../bindings/errors.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { fixture } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";
import { INDEX, WHOLE, checkTorchFiles, expectedOf, shards, tensorsOf } from "../support/torch.ts";
import { safetensors, tinyEntries } from "../support/checkpoint.ts";

const read = (name: string) => fixture(`torch/${name}`);

checkTorchFiles(read, "torch 2.15");

async function refuses(source: ModelBytes, code: string, ...words: string[]): Promise<void> {
  await assert.rejects(tensorsOf(source), (error: unknown) => {
    assert.ok(KvasmError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
}

describe("a torch file", () => {
  it("may be without checksums, where all of them are missing", async () => {
    const { tensors } = await tensorsOf({ [WHOLE]: await read("no-checksums.bin") });
    assert.deepEqual(tensors, (await tensorsOf({ [WHOLE]: await read("plain.bin") })).tensors);
  });

  it("comes after safetensors, and its index after it", async () => {
    const torch = { [WHOLE]: await read("plain.bin"), ...await shards(read, "") };
    const both = { ...torch, "model.safetensors": safetensors(tinyEntries("", { dtype: "F16" })) };
    assert.ok([...(await tensorsOf(both)).tensors.keys()].every((key) => !key.startsWith("transformer.")));
    assert.equal((await tensorsOf(torch)).tensors.size, expectedOf("plain").length);
    await refuses({}, "source", "model.safetensors", WHOLE, INDEX);
  });

  it("is refused under the wrong name, with the right one", async () => {
    await refuses({ "model.safetensors": await read("plain.bin") }, "weights", WHOLE);
    await refuses({ [WHOLE]: safetensors(tinyEntries()) }, "weights", "is no file that torch.save has written");
    await refuses({ [WHOLE]: new TextEncoder().encode("<!doctype html><title>Log in</title>") }, "weights", "web page");
    await refuses({ [WHOLE]: new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n") }, "weights", "git lfs pull");
    await refuses({ [WHOLE]: new Uint8Array(0) }, "weights", "it is empty");
  });
});
