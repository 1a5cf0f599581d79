import { Command, CommanderError, Option } from "commander";
import { version } from "../../package.json";
import { SHAPES } from "../bench/shapes.ts";
import { KvasmError } from "../index.ts";
import { STORIES, generate } from "./generate.ts";
import { info } from "./info.ts";
import { byteCount, collect, ids, integer, integers, jsonObject, logitBias, number, threads } from "./parse.ts";
import { Stop } from "./terminal.ts";
import { verify } from "./verify.ts";

const CACHE_DIR = "where models are kept (default: HF_HUB_CACHE, or hub/ in HF_HOME, as Hugging Face's tools have it)";

/**
 * Runs the command line `args` (without the interpreter and the script). Returns the exit code: 0, 1 if `verify` found a
 * difference, 2 for bad input or a failure, 130 after Ctrl-C.
 */
export async function run(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command("kvasm")
    .description("GPT-2 in one small WebAssembly module: every way of computing a token gives the same bits.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: (text, print) => print(`kvasm: ${oneLine(text.replace(/^error: /, "").replace(/^(required option '--weights <type>' not specified)/, "$1: one of f32, f16, q8, q4"))}\n`) });

  const command = (name: string, description: string, model: string) =>
    program.command(name).description(description)
      .option("--model <source>", `a checkpoint: its name on a hub, a folder or an http(s) URL (default: ${model})`)
      .option("--json", "print one JSON object");
  const model = (name: string, description: string) =>
    command(name, description, "the stories model that comes with the package")
      .addOption(new Option("--weights <type>", "hold the matrices as this type (default: the file's own)").choices(["f32", "q8", "q4"]))
      .addOption(new Option("--cache <type>", "hold keys and values as this type (default: f32)").choices(["f32", "f16", "q8"]))
      .option("--context-length <tokens>", "room for this many tokens (default: the model's n_positions)", integer)
      .option("--threads <n>", 'compute on so many threads, 1 to 8, or "auto" (default: 1); the bits are the same', threads)
      .option("--revision <name>", "of a model on a hub: a branch, a tag or a commit (default: main)")
      .option("--offline", "of a model on a hub: what is here already, without a request (also HF_HUB_OFFLINE=1)")
      .option("--converted", "of a model on a hub: the copy of these --weights that kvasm pull --keep has made");

  model("generate", "Continue a text.")
    .argument("[prompt]", "the text; - reads standard input (one newline at its end is left out); nothing starts from the BOS token")
    .option("--ids <ids>", "the prompt as token ids, such as 464,2068,7586", ids)
    .option("--echo", "print the prompt first")
    .option("--max-tokens <n>", "stop after this many tokens", integer, 256)
    .option("--stop <text>", "stop where this text appears (may be repeated)", collect)
    .addOption(new Option("--choice <text>", "let the text be one of these (to be repeated)").argParser(collect).conflicts(["regex", "jsonSchema"]))
    .addOption(new Option("--regex <expression>", "let the whole text match").conflicts("jsonSchema"))
    .addOption(new Option("--json-schema <schema>", "let the text be JSON that satisfies the schema").argParser(jsonObject))
    .option("--ignore-eos", "go on after the end-of-text token")
    .option("--keep <n>", "when the context is full, go on from the last n tokens (default: end)", integer)
    .option("--seed <n>", "an integer from 0 to 2^53 - 1: the same seed gives the same text everywhere (default: random, printed at the end)", integer)
    .option("--temperature <t>", `0 takes the likeliest token (default: 1; for the stories model ${STORIES.temperature})`, number)
    .option("--top-k <n>", `draw from the n likeliest tokens, 0 from all (default: 0; for the stories model ${STORIES.topK})`, integer)
    .option("--top-p <p>", "draw from the likeliest tokens that have this mass together", number)
    .option("--min-p <p>", "leave out tokens less likely than p times the likeliest", number)
    .option("--typical-p <p>", "draw from the most typical tokens that have this mass together", number)
    .option("--repetition-penalty <x>", "divide (or, if negative, multiply) the logits of tokens that occurred by x", number)
    .option("--presence-penalty <x>", "subtract x from the logits of tokens that occurred", number)
    .option("--frequency-penalty <x>", "subtract x from a token's logit each time it occurred", number)
    .addOption(new Option("--logit-bias <id:value>", "add value to the logit of a token (may be repeated)").argParser(logitBias))
    .option("--logprobs", "print one token a line: text, id, log probability")
    .action(async (prompt, flags) => { code = await generate(prompt, flags); });

  model("verify", "Compute tokens in every way and compare all bits. Exit code 1 if anything differs.")
    .argument("[text]", "the text; - reads standard input (default: a short passage)")
    .option("--ids <ids>", "token ids instead, such as 464,2068,7586", ids)
    .action(async (text, flags) => { code = await verify(text, flags); });

  model("info", "Show a model's configuration and the memory it takes.")
    .action(async (flags) => { code = await info(flags); });

  command("bench", "Measure decode and prefill on one thread beside the limits of this machine.", "random weights of --shape")
    .addOption(new Option("--shape <name>", "size of the random weights").choices(Object.keys(SHAPES)).default("124M"))
    .addOption(new Option("--weights <type>", "hold the matrices as this type (default: f32, of a checkpoint the file's own)").choices(["f32", "q8", "q4"]))
    .addOption(new Option("--cache <type>", "hold keys and values as this type (default: f32)").choices(["f32", "f16", "q8"]))
    .addOption(new Option("--beside <type>", "measure these weights too, in the same turns").choices(["f32", "q8", "q4"]))
    .option("--seed <n>", "seed of the random weights", integer)
    .option("--contexts <tokens>", "contexts at which decoding is measured (default: 128,900)", integers)
    .option("--prompts <tokens>", "lengths of the prompts whose prefill is measured (default: 128,512)", integers)
    .option("--repetitions <n>", "repetitions of each prefill; decode steps have four times as many (default: 7)", integer)
    // Loaded only here: the other commands start faster without it.
    .action(async (flags) => { code = await (await import("./bench.ts")).bench(flags); });

  program.command("pull").description("Download a model by its name on a hub; what is here already is not downloaded again. A token is read from HF_TOKEN, or as hf auth login left it.")
    .argument("<id>", "owner/name, or owner/name/file.gguf")
    .option("--revision <name>", "a branch, a tag or a commit (default: main)")
    .option("--offline", "say whether it is here, without a request")
    .addOption(new Option("--keep <what>", "keep it as integers alone, without the original, for --converted").choices(["original", "q8", "q4"]))
    .option("--endpoint <url>", "another hub, or a mirror (default: HF_ENDPOINT, or https://huggingface.co)")
    .option("--cache-dir <folder>", CACHE_DIR)
    .option("--json", "print one JSON object")
    .action(async (id, flags) => { code = await (await import("./hub.ts")).pull(id, flags); });

  const models = program.command("models").description("The models that were downloaded by their names.");
  const stored = (name: string, description: string) => models.command(name).description(description).option("--cache-dir <folder>", CACHE_DIR).option("--json", "print one JSON object");
  stored("list", "Show them, with sizes and revisions.")
    .action(async (flags) => { code = await (await import("./hub.ts")).list(flags); });
  stored("remove", "Remove one, or one of its revisions.")
    .argument("<id>", "owner/name")
    .option("--revision <name>", "a branch, a tag or a commit (default: all)")
    .action(async (id, flags) => { code = await (await import("./hub.ts")).removeModel(id, flags); });
  stored("verify", "Compare every file with its digest. Exit code 1 if one is damaged.")
    .argument("[id]", "owner/name (default: all)")
    .option("--repair", "remove what is damaged, so that it is downloaded again")
    .action(async (id, flags) => { code = await (await import("./hub.ts")).verifyModels(id, flags); });
  stored("prune", "Remove those of which all given conditions are true.")
    .option("--older-than <days>", "nothing of it was read for so long", number)
    .option("--larger-than <bytes>", "it takes more, such as 500MB", byteCount)
    .option("--unreferenced", "revisions that no branch or tag points to")
    .option("--dry-run", "show what would be removed")
    .action(async (flags) => { code = await (await import("./hub.ts")).pruneModels(flags); });

  program.command("convert").description("Write a model's files anew, with its weights as another type: loading them then takes the time of reading them.")
    .argument("<in>", "a checkpoint: its name on a hub, a folder, a .safetensors or .gguf file, or an http(s) URL")
    .argument("<out>", "the folder to write to, or a file whose name ends in .gguf")
    .addOption(new Option("--weights <type>", "what the matrices become").choices(["f32", "f16", "q8", "q4"]).makeOptionMandatory())
    .addOption(new Option("--format <name>", "format of the files (default: safetensors, or as the name of <out> says)").choices(["safetensors", "gguf"]))
    .option("--shard-size <bytes>", "write files of at most this size, such as 25MiB (default: one file)", byteCount)
    .option("--force", "replace files that are there")
    .option("--json", "print one JSON object")
    .action(async (from, to, flags) => { code = await (await import("./convert.ts")).convert(from, to, flags); });

  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Stop) return error.exitCode;
    // An error that nobody foresaw is a bug: its stack is what a report needs.
    const text = KvasmError.is(error) ? oneLine(named(error, program)) : error instanceof Error ? `unexpected ${error.stack}` : String(error);
    process.stderr.write(`kvasm: ${text}\n`);
    return 2;
  }
}

/** The message with the flag's name in place of the API's option, where it is about one. */
function named({ message, argument }: KvasmError, program: Command): string {
  const option = [...program.commands, ...program.commands.flatMap(({ commands }) => commands)].flatMap((command) => command.options).find((one) => one.attributeName() === argument && one.long !== undefined);
  return option !== undefined && message.startsWith(`${argument}: `) ? `${option.long}: ${message.slice(argument!.length + 2)}` : message;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
