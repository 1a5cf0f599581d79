import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, describe, it } from "../support/harness.ts";
import { root, run, runScript, runtime } from "../support/command.ts";
import { repositoryFile } from "../support/files.ts";

const text = async (path: string) => new TextDecoder().decode(await repositoryFile(path));

/** The completion that all three runtimes write, to the last character: prompt and seed are in the examples. */
const STORY =
  "Once upon a time there was a great deal of wood, which he and the princess were all very fond of, but nobody could hear it. At length the princess went in to meet them, but they did not care. 'They must come there,' said she, 'for one is sure that you are not a princess.'\n";

describe("examples, each in its runtime", () => {
  it("completes a story: the same one in Node, Deno and Bun", async () => {
    const { code, stdout, stderr } = await {
      node: () => runScript("examples/node.mjs"),
      bun: () => runScript("examples/bun.ts"),
      // As the task runs it, with the permissions that the task gives.
      deno: async () => {
        const { tasks } = JSON.parse(await text("deno.json"));
        const [command, ...args] = (tasks.story.command ?? tasks.story).split(" ");
        assert.equal(command, "deno");
        assert.ok(args.some((arg: string) => arg.startsWith("--allow-read=")) && !args.includes("-A"), "the task asks for no more than it needs");
        return run(process.execPath, [args[0], "--quiet", "--no-prompt", ...args.slice(1)], { cwd: root });
      },
    }[runtime]();
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.equal(stdout, STORY);
  });

  // The others have no permissions that could be left out.
  if (runtime === "deno") it("does not read the model without the permission", async () => {
    const { code, stdout, stderr } = await run(process.execPath, ["run", "--quiet", "--no-lock", "--no-prompt", "--allow-read=dist", "examples/deno.ts"], { cwd: root });
    assert.equal(code, 1, "without the permission to read the model it must not run");
    assert.equal(stdout, "");
    assert.match(stderr, /KvasmError: .*allow-read/);
  });

  it("forks a shared prefix", async () => {
    const { code, stdout, stderr } = await runScript("examples/shared-prefix.mjs");
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.equal(stdout.match(/50257 logits, every bit as without the fork/g)?.length, 3);
  });

  it("keeps a prompt in a file, and computes it again where the file is another's", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvasm-saved-"));
    const file = join(folder, "prompt.bin");
    try {
      const lines: string[][] = [];
      for (const damage of [false, false, true]) {
        if (damage) await writeFile(file, (await readFile(file)).subarray(0, 1000));
        const { code, stdout, stderr } = await runScript("examples/saved-prompt.mjs", [file]);
        assert.equal(stderr, "");
        assert.equal(code, 0);
        lines.push(stdout.trim().split("\n"));
      }
      assert.deepEqual(lines.map((all) => all.length), [2, 2, 3]);
      assert.match(lines[2]![0]!, /^Computed again: .*cut short/);
      for (const all of lines) assert.equal(all.at(-1), "50257 logits, every bit the same");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
