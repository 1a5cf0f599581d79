import { mkdir, writeFile } from "node:fs/promises";
import { assert, describe, it } from "../support/harness.ts";
import { kvasm, root, run, runScript } from "../support/command.ts";
import { repositoryFile } from "../support/files.ts";

const text = async (path: string) => new TextDecoder().decode(await repositoryFile(path));

describe("why-a-kv-cache", () => {
  it("finds no difference in any layer, and one between two orders of a sum", async () => {
    const { code, stdout, stderr } = await runScript("examples/run.mjs", ["why-a-kv-cache"]);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    for (let layer = 0; layer <= 12; layer++) assert.match(stdout, new RegExp(`^layer ${layer}, max difference 0$`, "m"));
    const rows = stdout.split("\n").filter((line) => /\bkvasm {2}/.test(line));
    assert.equal(rows.length, 12, "four ways, for 9, 16 and 64 tokens");
    for (const row of rows) assert.match(row, /kvasm( +0){13}$/);
    assert.equal(stdout.match(/^ +PyTorch( +(0|\d\.\de-\d))+$/gm)?.length, 8);
    const [, differing, outputs] = /(\d+) of (\d+) sums differ/.exec(stdout)!.map(Number);
    assert.ok(differing > outputs / 2 && differing <= outputs, `${differing} of ${outputs}`);
    assert.match(stdout, /20 ways to interleave them\s+y\[i\] becomes 1 or 2 or 3/);
  });

  it("runs on the model that comes with the package too", async () => {
    const { code, stdout } = await runScript("examples/run.mjs", ["why-a-kv-cache", "models/stories"]);
    assert.equal(code, 0);
    assert.match(stdout, /^layer 6, max difference 0$/m);
    assert.doesNotMatch(stdout, /^ +PyTorch( +0)/m, "PyTorch's figures are for another checkpoint");
  });

  it("is what the page in docs says", async () => {
    const page = await text("docs/why-a-kv-cache.md");
    const torch = JSON.parse(await text("tests/fixtures/prefix/reference.json")).torch_own_differences;
    const shown = (d: number) => (d === 0 ? "0" : d.toExponential(1).replace(/e-(\d)$/, "e-0$1"));
    for (const ways of Object.values(torch) as Record<string, number[]>[]) {
      for (const row of Object.values(ways)) assert.ok(page.includes(`| PyTorch | ${row.map(shown).join(" | ")} |`), row.map(shown).join(" "));
    }
  });

  it("names the examples when asked for another one", async () => {
    const { code, stdout, stderr } = await runScript("examples/run.mjs", ["why-a-kv-cach"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^kvasm: no example "why-a-kv-cach" for Node\. Examples: .*why-a-kv-cache/);
  });
});

describe("the server of the browser example", () => {
  it("serves the page, the package and the model, and nothing else", async () => {
    let checked: Promise<void> | undefined;
    const { stdout } = await run(process.execPath, ["examples/browser/serve.mjs", "0"], {
      onOutput: (child, output) => {
        checked = check(/http:\S+/.exec(output)![0]).finally(() => child.kill());
      },
    });
    assert.match(stdout, /^http:\/\/localhost:\d+\/examples\/browser\/\n$/);
    await checked;
  });

  async function check(page: string): Promise<void> {
    const answer = async (path: string) => {
      const response = await fetch(new URL(path, page));
      await response.arrayBuffer();
      return [response.status, response.headers.get("content-type")];
    };
    assert.deepEqual(await answer("/"), [200, "text/html; charset=utf-8"]);
    assert.deepEqual(await answer("page.js"), [200, "text/javascript; charset=utf-8"]);
    assert.deepEqual(await answer("/dist/worker-script.js"), [200, "text/javascript; charset=utf-8"]);
    assert.deepEqual(await answer("/dist/kvasm.wasm"), [200, "application/wasm"]);
    assert.deepEqual(await answer("/models/stories/config.json"), [200, "application/json"]);
    for (const path of ["/package.json", "/dist/", "/dist/..%2fpackage.json", "/dist/%2e%2e/package.json", "/dist/..%5cpackage.json", "/examples/browser/%00", "/nothing"]) {
      assert.equal((await answer(path))[0], 404, path);
    }
    assert.equal((await answer("/%ff"))[0], 400);
  }
});

describe("README", () => {
  /** [language, contents] of its fenced blocks. */
  const blocks = async () => [...(await text("README.md")).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, body]) => [language, body] as const);

  it("shows a program and what it prints", async () => {
    const all = await blocks();
    const index = all.findIndex(([language]) => language === "js");
    const [, program] = all[index];
    const [, output] = all[index + 1];
    // Inside the package, where its own name is importable.
    await mkdir(`${root}/build/examples`, { recursive: true });
    await writeFile(`${root}/build/examples/readme.mjs`, program);
    const { code, stdout, stderr } = await run(process.execPath, ["build/examples/readme.mjs"]);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    // The page breaks the story's long line.
    assert.equal(stdout.trim().split(/\s+/).join(" "), output.trim().split(/\s+/).join(" "));
  });

  it("has links that lead somewhere", async () => {
    for (const page of ["README.md", "docs/why-a-kv-cache.md"]) {
      const base = page.replace(/[^/]*$/, "");
      const links = [...(await text(page)).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, link]) => link);
      assert.ok(links.length > 0);
      for (const link of links) await repositoryFile(base + link).catch(() => assert.fail(`${page}: ${link} is not there`));
    }
  });

  it("names only options that the commands have", async () => {
    const commands = (await blocks()).flatMap(([, body]) => body.split("\n")).filter((line) => /^(npx )?kvasm \w/.test(line));
    assert.ok(commands.length >= 4);
    for (const line of commands) {
      const [, command, rest] = /kvasm (\w+)(.*)/.exec(line)!;
      const { code, stdout: help } = await kvasm([command, "--help"]);
      assert.equal(code, 0, line);
      for (const [option] of rest.replace(/ #.*/, "").matchAll(/--[a-z-]+/g)) assert.ok(help.includes(`${option} `) || help.includes(`${option}\n`), `${line}: ${option}`);
    }
  });
});
