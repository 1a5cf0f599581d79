import { mkdtemp, readFile, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kvasm } from "../support/command.ts";
import type { Finished } from "../support/command.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { baseRepository } from "../support/hub-models.ts";
import { Hub, sha256 } from "../support/hub.ts";

let hub: Hub;
let home: string;
let files: Record<string, Uint8Array>;
let commit: string;

before(async () => {
  hub = await Hub.start();
  home = await mkdtemp(join(tmpdir(), "kvasm-hub-cli-"));
  files = await baseRepository();
  commit = hub.commit("tiny/base", files);
});

after(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

/** As a user runs it who has set nothing but another hub. */
function command(...args: string[]): Promise<Finished> {
  const none = Object.fromEntries(["HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH"].map((name) => [name, ""]));
  return kvasm(args, { env: { ...none, HF_ENDPOINT: hub.endpoint, HF_HOME: home } });
}

async function prints(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...args);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

describe("kvasm pull and kvasm models", () => {
  it("download a model, use it without a request, list, compare and remove it", async () => {
    const size = files["model.safetensors"].length;
    const pulled = await prints("pull", "tiny/base");
    assert.match(pulled, new RegExp(`model\\.safetensors +${(size / 1024).toFixed(1)} KiB\n.*tiny/base, commit ${commit}: `, "s"));
    assert.deepEqual(Uint8Array.from(await readFile(join(home, "hub/models--tiny--base/snapshots", commit, "model.safetensors"))), files["model.safetensors"]);

    hub.forget();
    const generated = JSON.parse(await prints("generate", "--model", "tiny/base", "--offline", "--ids", "5,9", "--max-tokens", "3", "--temperature", "0", "--ignore-eos", "--json"));
    assert.equal(generated.tokens.length, 3);
    assert.equal(JSON.parse(await prints("pull", "tiny/base", "--offline", "--json")).commit, commit);
    assert.deepEqual(hub.requests, []);

    assert.match(await prints("models", "list"), /^model +size +revisions +last used\ntiny\/base +6\d\d\.\d KiB +main +\d{4}-\d\d-\d\d\n.*hub: 6\d\d\.\d KiB, .* free\n$/);
    assert.equal(await prints("models", "verify"), "3 files compared, 0 damaged\n");
    assert.match(await prints("models", "prune", "--larger-than", "1MB", "--dry-run"), /^would be freed +0 B\n$/);
    assert.match(await prints("models", "prune", "--older-than", "0", "--dry-run"), /^tiny\/base +6/);
    assert.match(await prints("models", "remove", "tiny/base"), /^tiny\/base: 6\d\d\.\d KiB freed\n$/);
    assert.match(await prints("models", "list"), /hub: 0 B/);
  });

  it("find a damaged file, and repair it", async () => {
    await prints("pull", `tiny/base@${commit}`);
    const blob = join(home, "hub/models--tiny--base/blobs", sha256(files["model.safetensors"]));
    const bytes = await readFile(blob);
    bytes[1000] ^= 1;
    await writeFile(blob, bytes);
    const { code, stdout } = await command("models", "verify", "tiny/base", "--repair");
    assert.equal(code, 1);
    assert.match(stdout, /tiny\/base\/model\.safetensors .*not those of its digest.*\n3 files compared, 1 damaged\n$/);
    await prints("pull", "tiny/base", "--revision", "main");
    assert.equal(await prints("models", "verify", "tiny/base"), "3 files compared, 0 damaged\n");
  });

  it("send the token that Hugging Face's tools have stored, and say in one line what is wrong", async () => {
    hub.commit("tiny/private", files, { token: "hf_stored" });
    const refused = await command("pull", "tiny/private");
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^kvasm: token: "tiny\/private": there is no such model, or it is private \(401\)\. .*HF_TOKEN.*\n$/);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "token"), "hf_stored\n");
    await prints("pull", "tiny/private", "--json");
    await rm(join(home, "token"));
    for (const [args, words] of [
      [["pull", "tiny/base", "--revision", "v7"], /--revision: "tiny\/base" has no "v7"/], [["pull", "a/b/c"], /id: expected the name/],
      [["models", "remove", "tiny/other"], /repository: "tiny\/other" is not in/], [["models", "prune"], /--older-than: expected a condition/],
      [["generate", "--model", "tiny/none", "--offline"], /revision "main", is not there/], [["info", "--revision", "main"], /--revision: applies only to models of a hub/],
    ] as const) {
      const { code, stderr } = await command(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, words);
      assert.equal(stderr.split("\n").length, 2, stderr);
    }
  });
});
