/**
 * Writes bindings/tokenizer/huggingface/reference-table.ts: where Hugging Face's tokenizers treat characters otherwise than Unicode 16 says, and
 * where engines' Unicode is newer than that library's.
 *
 *   node scripts/unicode/reference.mjs PYTHON      a Python that has tests/engines/requirements.txt
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../programs.mjs";

const FORMS = ["NFC", "NFD", "NFKC", "NFKD"];
const text = String.fromCodePoint;
const reference = JSON.parse(execFileSync(process.argv[2] ?? "build/python/bin/python", [join(root, "tests/tokenizers/characters.py")], { encoding: "utf8", maxBuffer: 2 ** 28 }));
const points = Array.from({ length: 0x110000 }, (_, code) => code).filter((code) => code < 0xd800 || code >= 0xe000);

/** Gaps and lengths of runs in base 36. */
function packed(codes) {
  const runs = [];
  for (const code of [...codes].sort((a, b) => a - b)) {
    if (runs.at(-1)?.[1] === code - 1) runs.at(-1)[1] = code;
    else runs.push([code, code]);
  }
  let end = 0;
  return runs.map(([first, last]) => {
    const run = `${(first - end).toString(36)}${last > first ? `+${(last - first).toString(36)}` : ""}`;
    end = last + 1;
    return run;
  }).join(" ");
}

const contexts = (code) => [text(code), `\u0345${text(code)}`, `${text(code)}\u0334`];
const inert = new Set();
for (const form of FORMS) {
  for (const code of points) {
    const wanted = (reference[form][code] ?? contexts(code)).join("|");
    const newer = contexts(code).map((sample) => sample.normalize(form)).join("|");
    const older = (reference.older[form][code] ?? contexts(code)).join("|");
    if (wanted === newer && wanted === older) continue;
    if (reference[form][code] !== undefined) throw new Error(`U+${code.toString(16)} has a ${form} of its own in the reference`);
    inert.add(code);
    // With its parts in place of it, NFC would make it.
    const [first] = text(code).normalize("NFD");
    if (first !== text(code)) inert.add(first.codePointAt(0));
  }
}
for (const code of inert) if (code < 0x300) throw new Error(`U+${code.toString(16)} cannot be inert`);

const lower = points.filter((code) => {
  const wanted = reference.lower[code] ?? text(code);
  return text(code).toLowerCase() !== wanted || (reference.older.lower[code] ?? text(code)) !== wanted;
}).map((code) => [code, (reference.lower[code] ?? text(code)).codePointAt(0)]);
if (lower.some(([code]) => [...reference.lower[code] ?? "x"].length !== 1)) throw new Error("a lower case of several characters");

const sets = {
  PUNCTUATION: ["Punctuation; Bert's as well.", reference.punctuation],
  NUMERIC: ["Rust's char::is_numeric.", reference.numeric],
  COMBINING: ["What StripAccents removes.", reference.combining],
  NONSPACING: ["What BertNormalizer's strip_accents removes.", reference.nonspacing],
  CONTROL: ["What BertNormalizer's clean_text removes.", reference.other],
  CHINESE: ["What BertNormalizer's handle_chinese_chars sets apart.", reference.chinese],
  INERT: ["What is newer than the reference's normal forms, which leave it as it is.", inert],
};
const lines = Object.entries(sets).map(([name, [comment, codes]]) => `/** ${comment} */\nexport const ${name} =\n  ${JSON.stringify(packed(codes))};\n`);
writeFileSync(join(root, "bindings/tokenizer/huggingface/reference-table.ts"), `// Written by scripts/unicode/reference.mjs from tokenizers ${reference.version}: runs of code points, gap and further length in base 36.

${lines.join("\n")}
/** Capital letters that engines know and the reference does not, or the other way round: code point, and what its lower case is. */
export const LOWER = ${JSON.stringify(lower.map((pair) => pair.map((code) => code.toString(36)).join(" ")).join(" "))};
`);
