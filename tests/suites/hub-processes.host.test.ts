import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pull, verify } from "../../bindings/entries/hub.ts";
import { runScript } from "../support/command.ts";
import { after, assert, before, beforeEach, describe, it } from "../support/harness.ts";
import { baseRepository, quickly } from "../support/hub-models.ts";
import { Hub } from "../support/hub.ts";

/** node tests/hub/kills.mjs kills many more. */
const KILLS = Number(process.env.KVASM_HUB_KILLS ?? 6);
const PIECE = 1 << 16;

let hub: Hub;
let folder: string;
let files: Record<string, Uint8Array>;
let commit: string;
let size: number;

before(async () => {
  hub = await Hub.start();
  folder = await mkdtemp(join(tmpdir(), "kvasm-hub-kills-"));
  files = await baseRepository();
  commit = hub.commit("tiny/base", files);
  size = files["model.safetensors"].length;
});

after(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  hub.forget();
  hub.misbehave = slowly(4096, 4);
});

/** Storage sends so many bytes every so many milliseconds. */
function slowly(bytesAtOnce: number, milliseconds: number): Hub["misbehave"] {
  return ({ server, headers }, response, bytes) => {
    const [, begin, last] = /(\d+)-(\d+)/.exec(headers.range ?? "") ?? [];
    if (server === "hub" || bytes === undefined || begin === undefined) return false;
    let at = Number(begin);
    response.writeHead(206, { "content-range": `bytes ${begin}-${last}/${bytes.length}`, "content-length": Number(last) + 1 - at });
    const timer = setInterval(() => {
      response.write(bytes.subarray(at, at = Math.min(at + bytesAtOnce, Number(last) + 1)));
      if (at <= Number(last) && !response.destroyed) return;
      clearInterval(timer);
      response.end();
    }, milliseconds);
    return true;
  };
}

const asked = (): number => hub.requests.filter(({ server }) => server === "storage").reduce((sum, { headers }) => {
  const [, begin, last] = /(\d+)-(\d+)/.exec(headers.range!)!;
  return sum + Number(last) + 1 - Number(begin);
}, 0);

/** A process that downloads; killed, if told so, so many milliseconds after its first request to storage. */
async function child(cacheDir: string, killAfter?: number): Promise<string> {
  const { stdout, stderr } = await runScript("tests/hub/pull-child.mjs", [hub.endpoint, cacheDir, "tiny/base"], {
    onOutput(process) {
      if (killAfter === undefined) return;
      const before = hub.requests.filter(({ server }) => server === "storage").length;
      const timer = setInterval(() => {
        if (process.exitCode !== null) return clearInterval(timer);
        if (hub.requests.filter(({ server }) => server === "storage").length === before) return;
        clearInterval(timer);
        setTimeout(() => process.kill("SIGKILL"), killAfter);
      }, 2);
    },
  });
  assert.equal(stderr, "");
  return stdout;
}

async function isWhole(cacheDir: string): Promise<void> {
  assert.deepEqual(Uint8Array.from(await readFile(join(cacheDir, "models--tiny--base/snapshots", commit, "model.safetensors"))), files["model.safetensors"]);
  assert.deepEqual((await verify(undefined, { cacheDir })).map(({ isWhole }) => isWhole), [true, true, true]);
  const left = await readdir(join(cacheDir, "models--tiny--base/blobs"));
  assert.equal(left.length, 3, left.join());
}

describe("a process that is killed while it downloads", () => {
  it(`${KILLS} times: the next goes on from there, and nothing half-written is taken for whole`, async () => {
    let kills = 0;
    for (let round = 0; kills < KILLS; round++) {
      const cacheDir = join(folder, `kills-${round}`);
      hub.forget();
      let inRound = 0;
      while (!(await child(cacheDir, 5 + ((kills * 37) % 90))).includes(commit)) {
        assert.ok(++inRound < 60, "it comes to an end");
        kills++;
        assert.deepEqual((await verify(undefined, { cacheDir })).filter(({ isWhole }) => !isWhole), []);
      }
      await isWhole(cacheDir);
      // What four requests at once had not written down yet may come twice.
      assert.ok(asked() <= size + inRound * 4 * PIECE, `${asked()} bytes asked for of ${size}, after ${inRound} kills`);
      await rm(cacheDir, { recursive: true });
    }
    console.log(`${kills} processes killed`);
  });
});

describe("two processes that want one model", () => {
  it("download it once: the second waits", async () => {
    const cacheDir = join(folder, "two");
    const results = await Promise.all([child(cacheDir), child(cacheDir)]);
    assert.ok(results.every((text) => text.includes(commit)));
    assert.equal(asked(), size);
    await isWhole(cacheDir);
  });

  it("the second goes on where the first was killed", async () => {
    const cacheDir = join(folder, "heir");
    const [first, second] = await Promise.all([child(cacheDir, 60), child(cacheDir)]);
    assert.ok(second.includes(commit) && !first.includes(commit));
    assert.ok(asked() < size + 5 * PIECE, `${asked()} bytes of ${size}`);
    await isWhole(cacheDir);
  });

  it("in one process, too", async () => {
    const options = () => quickly({ endpoint: hub.endpoint, cacheDir: join(folder, "one"), token: false as const });
    await Promise.all([pull("tiny/base", options()), pull("tiny/base", options()), pull("tiny/base", options())]);
    assert.equal(asked(), size);
    await isWhole(join(folder, "one"));
  });
});
