import { KvasmError } from "../index.ts";
import type { Report } from "../index.ts";
import { loadModel } from "./model.ts";
import type { ModelFlags } from "./model.ts";
import { textOf } from "./prompt.ts";
import { interruptible, stopping, table, write, writeJson } from "./terminal.ts";

export interface VerifyFlags extends ModelFlags {
  ids?: number[];
}

/** What is verified when nothing is given: more than one page of the cache, and no multiple of one. */
const SAMPLE =
  "Once upon a time there was a miller who had three sons, his mill, an ass, and a cat. The sons had to grind, the ass had to carry " +
  "the corn and bring home the flour, and the cat had to catch the mice. When the miller died, the three sons divided what he left.";

const WRONG = "known answers (this engine miscomputes: run it without experimental flags, or use another)";

/** `kvasm verify`: computes the tokens in every way and prints what differs; 1 if anything does. */
export async function verify(argument: string | undefined, flags: VerifyFlags): Promise<number> {
  const signal = stopping();
  if (argument !== undefined && flags.ids !== undefined) {
    throw new KvasmError("option", "--ids: the tokens are given twice, as text and as ids. Leave one of them out.", { argument: "ids", value: flags.ids });
  }
  const text = await textOf(argument, "text");
  const model = await loadModel(flags, signal);
  try {
    if (flags.ids === undefined && model.tokenizer === null) {
      throw new KvasmError("tokenizer", "verify: this model has no tokenizer, so text cannot be turned into tokens. Give ids: --ids 464,2068,7586.", { argument: "text", value: text });
    }
    interruptible();
    const report = model.verify(flags.ids ?? model.tokenizer!.encode(text ?? SAMPLE));
    if (flags.json) await writeJson(report, signal);
    else await write(shown(report), signal);
    return report.identical ? 0 : 1;
  } finally {
    model.dispose();
  }
}

function shown(report: Report): string {
  const last = report.layers.length - 1;
  const name = (layer: number | string) => (layer === 0 ? "0, embedding" : layer === last - 1 ? `${layer}, after the final norm` : String(layer));
  const layers = table([
    ["layer", "max difference"],
    ...report.layers.map(({ layer, maxDifference }) => [name(layer), difference(maxDifference)]),
  ]);
  const ways = table([
    ["way", "identical", "max difference", "differing values"],
    ...report.ways.map((way) => [way.name, way.identical ? "yes" : "NO", difference(way.maxDifference), String(way.differingValues)]),
  ]);
  const verdict = report.identical
    ? `identical: ${report.tokens} tokens, ${report.ways.length} ways, every bit of every hidden state and logit; known answers right\n`
    : `NOT identical: ${[...report.ways.filter((way) => !way.identical).map((way) => way.name), ...(report.knownAnswers ? [] : [WRONG])].join("; ")}\n`;
  return `${layers}\n${ways}\n${verdict}`;
}

function difference(value: number): string {
  return value === 0 ? "0" : value.toExponential(1);
}
