/**
 * Writes bindings/tokenizer/unicode/table.ts: the general category of every code point in one version of Unicode, in runs.
 *
 *   npm ci --ignore-scripts --prefix scripts/unicode && node scripts/unicode/generate.mjs
 */
import { writeFileSync } from "node:fs";

const VERSION = "16.0.0";

const CATEGORIES = {
  Lu: "Uppercase_Letter", Ll: "Lowercase_Letter", Lt: "Titlecase_Letter", Lm: "Modifier_Letter", Lo: "Other_Letter",
  Mn: "Nonspacing_Mark", Mc: "Spacing_Mark", Me: "Enclosing_Mark", Nd: "Decimal_Number", Nl: "Letter_Number", No: "Other_Number",
  Pc: "Connector_Punctuation", Pd: "Dash_Punctuation", Ps: "Open_Punctuation", Pe: "Close_Punctuation", Pi: "Initial_Punctuation",
  Pf: "Final_Punctuation", Po: "Other_Punctuation", Sm: "Math_Symbol", Sc: "Currency_Symbol", Sk: "Modifier_Symbol", So: "Other_Symbol",
  Zs: "Space_Separator", Zl: "Line_Separator", Zp: "Paragraph_Separator", Cc: "Control", Cf: "Format", Cs: "Surrogate", Co: "Private_Use",
  Cn: "Unassigned",
};
/** One character for each category; a run's length follows in base 36 unless it is 1. */
const SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&";

const of = new Uint8Array(0x110000).fill(255);
for (const [index, name] of Object.values(CATEGORIES).entries()) {
  const { default: ranges } = await import(`@unicode/unicode-${VERSION}/General_Category/${name}/ranges.mjs`);
  for (const { begin, end } of ranges) {
    for (let point = begin; point < end; point++) {
      if (of[point] !== 255) throw new Error(`U+${point.toString(16)} has two categories`);
      of[point] = index;
    }
  }
}
if (of.includes(255)) throw new Error(`U+${of.indexOf(255).toString(16)} has no category`);

let runs = "";
for (let from = 0, to = 0; from < of.length; from = to) {
  while (to < of.length && of[to] === of[from]) to++;
  runs += SYMBOLS[of[from]] + (to - from > 1 ? (to - from).toString(36) : "");
}
writeFileSync(new URL("../../bindings/tokenizer/unicode/table.ts", import.meta.url), `// Written by scripts/unicode/generate.mjs.

/** The version of Unicode that tokenizers are pinned to: that of the reference implementations (docs/NUMERICS.md, "Text"). */
export const UNICODE_VERSION = ${JSON.stringify(VERSION)};

/** General categories, in the order of SYMBOLS. */
export const CATEGORIES = ${JSON.stringify(Object.keys(CATEGORIES).join(" "))}.split(" ");
export const SYMBOLS = ${JSON.stringify(SYMBOLS)};

/** From U+0000 to U+10FFFF: a symbol and, unless it is 1, the number of code points that have its category, in base 36. */
export const RUNS =
  ${JSON.stringify(runs)};
`);
