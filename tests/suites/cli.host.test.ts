import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, describe, it } from "../support/harness.ts";
import { kvasm, root, runScript } from "../support/command.ts";
import { fixtureText, repositoryFile, storiesText } from "../support/files.ts";
import { load } from "../../bindings/index.ts";

const prompt = "Once upon a time";

describe("kvasm generate", () => {
  it("streams text, then a line of figures with the seed", async () => {
    const { code, stdout, stderr } = await kvasm(["generate", prompt, "--max-tokens", "12", "--seed", "7"]);
    assert.equal(code, 0);
    assert.match(stderr, /^4 tokens in, 12 out · prefill [\d.]+ tokens\/s · decode [\d.]+ tokens\/s · first token after [\d.]+ m?s \(start .*, load .*, prefill .*\) · memory [\d.]+ MiB · seed 7 · length\n$/);
    const model = await load();
    let text = "";
    // The defaults that the help promises for this model.
    for await (const item of model.generate(prompt, { maxTokens: 12, seed: 7, temperature: 0.8, topK: 40 })) text += item.text;
    model.dispose();
    assert.equal(stdout, text + "\n");
  });

  it("gives the reference's greedy tokens as JSON", async () => {
    const expected = JSON.parse(await storiesText("expected.json")).greedy[0];
    const { code, stdout, stderr } = await kvasm(["generate", expected.prompt, "--model", "models/stories/original", "--temperature", "0", "--max-tokens", String(expected.ids.length), "--json"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    const result = JSON.parse(stdout);
    assert.deepEqual(result.tokens.map(({ id }: { id: number }) => id), expected.ids);
    assert.deepEqual(result.promptIds, expected.prompt_ids);
    assert.equal(result.finish, "length");
    assert.equal(result.figures.promptTokens, expected.prompt_ids.length);
    assert.ok(result.figures.memoryBytes > 12e6 * 4, "the weights are in the memory that is reported");
    assert.ok(result.figures.firstTokenMs >= result.figures.loadMs + result.figures.prefillMs);
  });

  it("reports a random seed that repeats the text", async () => {
    const first = JSON.parse((await kvasm(["generate", prompt, "--max-tokens", "8", "--json"])).stdout);
    const again = JSON.parse((await kvasm(["generate", prompt, "--max-tokens", "8", "--json", "--seed", String(first.seed)])).stdout);
    assert.ok(Number.isSafeInteger(first.seed));
    assert.equal(again.text, first.text);
    assert.deepEqual(again.tokens, first.tokens);
  });

  it("reads the prompt from standard input, less the newline that a shell adds", async () => {
    const args = ["--max-tokens", "8", "--seed", "3", "--echo"];
    const argument = await kvasm(["generate", prompt, ...args]);
    const input = await kvasm(["generate", "-", ...args], { input: prompt + "\n" });
    assert.equal(input.stdout, argument.stdout);
    assert.ok(input.stdout.startsWith(prompt), "--echo prints the prompt first");
  });

  it("leaves out a byte order mark before it, for verify as well", async () => {
    for (const mark of ["", "\ufeff"]) {
      const generated = await kvasm(["generate", "-", "--json", "--max-tokens", "1", "--seed", "1"], { input: mark + prompt });
      assert.equal(JSON.parse(generated.stdout).prompt, prompt);
      const verified = await kvasm(["verify", "-", "--json"], { input: `${mark}${prompt}\r\n` });
      assert.equal(JSON.parse(verified.stdout).tokens, JSON.parse(generated.stdout).promptIds.length);
    }
  });

  it("prints a token a line with --logprobs", async () => {
    const { stdout } = await kvasm(["generate", prompt, "--temperature", "0", "--max-tokens", "3", "--logprobs"]);
    const lines = stdout.trimEnd().split("\n").map((line) => line.split("\t"));
    assert.equal(lines.length, 3);
    for (const [text, id, logprob] of lines) {
      assert.equal(typeof JSON.parse(text), "string");
      assert.ok(Number.isInteger(Number(id)));
      assert.ok(Number(logprob) < 0 && Number(logprob) > -10, logprob);
    }
  });

  it("ends at a stop text and obeys a logit bias", async () => {
    const stopped = JSON.parse((await kvasm(["generate", prompt, "--temperature", "0", "--stop", ",", "--max-tokens", "40", "--json"])).stdout);
    assert.equal(stopped.finish, "stop");
    assert.ok(!stopped.text.includes(","));
    const biased = JSON.parse((await kvasm(["generate", prompt, "--temperature", "0", "--logit-bias", "290:1000", "--max-tokens", "4", "--json"])).stdout);
    assert.deepEqual(biased.tokens.map(({ id }: { id: number }) => id), [290, 290, 290, 290]);
  });

  it("gives what it is constrained to", async () => {
    const run = async (...args: string[]): Promise<{ text: string; finish: string }> => JSON.parse((await kvasm(["generate", prompt, "--seed", "2", "--json", ...args])).stdout);
    assert.match((await run("--choice", " red", "--choice", " blue")).text, /^ (red|blue)$/);
    assert.match((await run("--regex", "[a-z]{4}-\\d\\d")).text, /^[a-z]{4}-\d\d$/);
    assert.deepEqual(Object.keys(JSON.parse((await run("--json-schema", '{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}')).text)), ["a"]);
    for (const args of [["--json-schema", "[1]"], ["--json-schema", "{"], ["--regex", "a", "--choice", "a"], ["--regex", "("]]) {
      const { code, stderr } = await kvasm(["generate", prompt, ...args]);
      assert.notEqual(code, 0);
      assert.match(stderr, /regex|json-schema/);
    }
  });

  it("takes a folder as a shell user writes it, and ids where there is no tokenizer", async () => {
    const reference = JSON.parse(await fixtureText("base/reference.json")).cases[0];
    const args = ["generate", "--ids", reference.input_ids.join(","), "--temperature", "0", "--max-tokens", "8", "--ignore-eos"];
    const { code, stdout } = await kvasm([...args, "--model", "tests/fixtures/base"]);
    assert.equal(code, 0);
    const printed = stdout.trim().split(" ").map(Number);
    assert.deepEqual(printed, reference.greedy.tokens.slice(0, 8));
    const json = JSON.parse((await kvasm([...args, "--model", "./tests/fixtures/base", "--json"])).stdout);
    assert.deepEqual(json.tokens.map(({ id }: { id: number }) => id), printed);
  });
});

describe("kvasm generate, interrupted", () => {
  const long = ["generate", prompt, "--max-tokens", "500", "--ignore-eos", "--seed", "1"];

  // On Windows no SIGINT can be sent to one process.
  if (process.platform !== "win32") it("stops at Ctrl-C with its figures and exit code 130", async () => {
    const { code, stderr } = await kvasm(long, { onOutput: (child) => process.kill(child.pid!, "SIGINT") });
    assert.equal(code, 130);
    assert.match(stderr, /^\d+ tokens in, \d+ out .* · seed 1 · interrupted\n$/);
  });

  it("ends quietly when its reader goes away", async () => {
    const { code, stderr } = await kvasm(long, { onOutput: (child) => child.stdout!.destroy() });
    assert.equal(code, 0);
    assert.equal(stderr, "");
  });
});

describe("kvasm verify", () => {
  const ids = "464,2068,7586,21831,18045,625,262,16931";

  it("prints layers and ways, all identical", async () => {
    const { code, stdout, stderr } = await kvasm(["verify", "--ids", ids, "--model", "tests/fixtures/prefix"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (let layer = 0; layer <= 12; layer++) assert.match(stdout, new RegExp(`^${layer}\\b.* 0$`, "m"));
    assert.match(stdout, /^token by token +yes +0 +0$/m);
    assert.match(stdout, /^identical: 8 tokens/m);
  });

  it("has the same in JSON, from text", async () => {
    const { code, stdout } = await kvasm(["verify", "The quick brown fox", "--json"]);
    assert.equal(code, 0);
    const report = JSON.parse(stdout);
    assert.equal(report.identical, true);
    assert.equal(report.tokens, 4);
    assert.ok(report.ways.length >= 5);
    assert.ok(report.layers.every(({ maxDifference }: { maxDifference: number }) => maxDifference === 0));
  });
});

describe("kvasm verify, where something differs", () => {
  /** The command beside an index.js whose `verify` reports a difference; how `verify` itself finds one is tested with it. */
  async function differing(args: readonly string[]) {
    const folder = await mkdtemp(join(tmpdir(), "kvasm-"));
    try {
      for (const name of await readdir(join(root, "dist"))) {
        if (name.endsWith(".js")) await copyFile(join(root, "dist", name), join(folder, name));
      }
      await writeFile(join(folder, "package.json"), '{ "type": "module" }');
      await writeFile(join(folder, "index.js"), `
        import * as real from ${JSON.stringify(pathToFileURL(join(root, "dist/index.js")).href)};
        export const { KvasmError } = real;
        export async function load(...args) {
          const model = await real.load(...args);
          const verify = model.verify.bind(model);
          model.verify = (...args) => {
            const report = verify(...args);
            Object.assign(report.ways[1], { identical: false, differingValues: 3, maxDifference: 1.5e-6 });
            report.layers[2].maxDifference = 1.5e-6;
            report.identical = false;
            return report;
          };
          return model;
        }
      `);
      return await runScript(join(folder, "cli.js"), ["verify", "--ids", "1,2,3", ...args]);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it("says so and exits with 1", async () => {
    const { code, stdout } = await differing([]);
    assert.equal(code, 1);
    assert.match(stdout, /^2 +1\.5e-6$/m);
    assert.match(stdout, /^token by token +NO +1\.5e-6 +3$/m);
    assert.match(stdout, /^NOT identical: token by token$/m);
  });

  it("exits with 1 with --json too", async () => {
    const { code, stdout } = await differing(["--json"]);
    assert.equal(code, 1);
    assert.equal(JSON.parse(stdout).identical, false);
  });
});

describe("kvasm bench", () => {
  const small = ["bench", "--shape", "tiny", "--contexts", "20", "--prompts", "16,40", "--repetitions", "1"];

  it("has speeds and both limits in JSON", async () => {
    const { code, stdout } = await kvasm([...small, "--json"]);
    assert.equal(code, 0);
    const { check, decode, prefill } = JSON.parse(stdout);
    assert.equal(check.identical, true);
    assert.deepEqual(decode.map(({ context }: { context: number }) => context), [20]);
    assert.deepEqual(prefill.map(({ rows }: { rows: number }) => rows), [16, 40]);
    for (const { tokensPerSecond, roofline, share } of [...decode, ...prefill]) {
      for (const { median } of [tokensPerSecond, roofline, share]) assert.ok(median > 0 && Number.isFinite(median));
    }
  });

  it("holds weights and cache as asked for, and has a second weight type in the same turns", async () => {
    const { code, stdout } = await kvasm([...small, "--json", "--weights", "q8", "--cache", "f16", "--beside", "q4"]);
    assert.equal(code, 0);
    const { inputs, decode, prefill } = JSON.parse(stdout);
    assert.deepEqual([inputs.weights, inputs.cache, inputs.beside], ["q8", "f16", "q4"]);
    for (const { beside } of [...decode, ...prefill]) assert.ok(beside.ratio.median > 0 && beside.tokensPerSecond.median > 0);
  });

  it("prints them as a table", async () => {
    const { code, stdout, stderr } = await kvasm(small);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /^decode at 20 +[\d.]+ /m);
    assert.match(stdout, /^prefill of 40 +[\d.]+ /m);
  });
});

describe("kvasm info and help", () => {
  it("shows configuration, memory and tokenizer", async () => {
    const { code, stdout } = await kvasm(["info", "--json", "--context-length", "128"]);
    assert.equal(code, 0);
    const facts = JSON.parse(stdout);
    assert.equal(facts.config.n_layer, 6);
    assert.equal(facts.contextLength, 128);
    assert.equal(facts.tokenizer.vocabulary, 50257);
    const human = (await kvasm(["info"])).stdout;
    assert.match(human, /n_embd +192/);
    assert.match(human, /MiB/);
  });

  it("names every command, and the version of the package", async () => {
    const { code, stdout } = await kvasm(["--help"]);
    assert.equal(code, 0);
    for (const name of ["generate", "verify", "info", "bench"]) assert.match(stdout, new RegExp(`^ +${name}\\b`, "m"));
    const { version } = JSON.parse(new TextDecoder().decode(await repositoryFile("package.json")));
    assert.equal((await kvasm(["--version"])).stdout, version + "\n");
  });

  it("draws a bar while loading if standard error is a terminal", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kvasm-"));
    try {
      const script = join(folder, "terminal.mjs");
      await writeFile(script, `
        Object.assign(process.stderr, { isTTY: true, columns: 80 });
        await import(${JSON.stringify(pathToFileURL(join(root, "dist/cli.js")).href)});
      `);
      const { code, stdout, stderr } = await runScript(script, ["info", "--model", "models/stories", "--json"]);
      assert.equal(code, 0);
      assert.match(stderr, /loading \[░+\] +0% of 12\.2 MiB/);
      assert.match(stderr, /\x1b\[2K|\x1b\[0J|\x1b\[0K/, "and takes it away again");
      assert.equal(JSON.parse(stdout).config.n_layer, 6);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("keeps control sequences out of pipes", async () => {
    const { stdout, stderr } = await kvasm(["info"]);
    assert.ok(!(stdout + stderr).includes("\x1b"));
  });
});

describe("bad input to the command line", () => {
  /** Arguments, what the one line must say, and standard input. */
  const cases: [args: string[], says: RegExp, input?: Uint8Array][] = [
    [["generate", "--temprature", "1"], /unknown option '--temprature' \(Did you mean --temperature\?\)/],
    [["generat"], /unknown command 'generat' \(Did you mean generate\?\)/],
    [["generate", "--temperature", "warm"], /--temperature.*'warm' is invalid\. Expected a number/],
    [["generate", "--temperature"], /--temperature.*argument missing/],
    [["generate", "--temperature", "-1"], /--temperature: expected .*got -1/],
    [["generate", "--temperature", "Infinity"], /Expected a number/],
    [["generate", "--top-p", "1.5"], /--top-p: expected .*got 1\.5/],
    [["generate", "--top-k", "2.5"], /--top-k.*Expected an integer/],
    [["generate", "--seed", "-1"], /--seed: expected .*got -1/],
    [["generate", "--seed", "9007199254740992"], /--seed.*Expected an integer/],
    [["generate", "--max-tokens", "many"], /--max-tokens.*Expected an integer/],
    [["generate", "--max-tokens", "-4"], /--max-tokens: expected .*got -4/],
    [["generate", "--logit-bias", "290"], /Expected id:value/],
    [["generate", "--logit-bias", "50257:1"], /--logit-bias: expected a token id.*50257/],
    [["generate", "--ids", "1,two"], /Expected token ids/],
    [["generate", "--ids", ""], /Expected token ids/],
    [["generate", "--ids", "50257"], /expected a token id.*50257/],
    [["generate", "a", "--ids", "1"], /given twice/],
    [["generate", "a", "b"], /too many arguments/],
    [["generate", "-"], /not UTF-8/, Uint8Array.of(0x4f, 0xff, 0xfe)],
    [["generate", "a", "--model", "./no/such/folder"], /no\/such\/folder.*holds config\.json and model\.safetensors/],
    [["generate", "a", "--model", "docs"], /config\.json.*holds config\.json and model\.safetensors/],
    [["convert", "a", "b"], /--weights.*f32, f16, q8, q4/],
    [["verify", "-"], /text: standard input is not UTF-8/, Uint8Array.of(0xff)],
    [["generate", "a", "--model", "openai-community/gpt2"], /openai-community\/gpt2/],
    [["generate", "a", "--model", "tests/fixtures/base"], /no tokenizer.*--ids/],
    [["generate", "a", "--context-length", "0"], /--context-length: expected/],
    [["bench", "--shape", "huge"], /--shape.*'huge' is invalid\. Allowed choices are tiny/],
    [["bench", "--shape", "tiny", "--weights", "q5"], /--weights.*'q5' is invalid\. Allowed choices are f32, q8, q4/],
    [["bench", "--shape", "tiny", "--beside", "f16"], /--beside.*'f16' is invalid/],
    [["bench", "--shape", "xl", "--contexts", "20", "--prompts", "16"], /6231330112 bytes .*are needed/],
    [["bench", "--shape", "tiny", "--contexts", "20,many"], /--contexts.*Expected an integer/],
    [["bench", "--shape", "tiny", "--contexts", "5000"], /--contexts: expected an integer .*got 5000/],
    [["bench", "--shape", "tiny", "--prompts", "0"], /--prompts: expected .*got 0/],
    [["bench", "--model", "./no/such/folder"], /no\/such\/folder/],
    [["verify", "a", "--ids", "1"], /given twice/],
    [["verify", "--model", "tests/fixtures/base"], /no tokenizer.*--ids/],
    [["verify", "--ids", "1", "--max-tokens", "3"], /unknown option '--max-tokens'/],
    [["info", "--model", "tests/fixtures/sampling"], /config\.json/],
  ];
  for (const [args, says, input] of cases) {
    it(args.join(" "), async () => {
      const { code, stdout, stderr } = await kvasm(args, input && { input });
      assert.equal(code, 2);
      assert.equal(stdout, "", "nothing on standard output");
      assert.match(stderr, /^kvasm: [^\n]+\n$/, "one line on standard error");
      assert.match(stderr, says);
    });
  }

  it("is not what a command's absence is: that shows the help", async () => {
    const { code, stdout, stderr } = await kvasm([]);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^Usage: kvasm/);
  });
});
