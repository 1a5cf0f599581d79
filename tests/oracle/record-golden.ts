/**
 * Writes tests/fixtures/golden.json. It is recorded once for a version of the numerics; a suite that no longer meets it has
 * found a change of bits, which is a bug or a new version (docs/NUMERICS.md), never a reason to record again. From the root:
 *
 *   npx esbuild tests/oracle/record-golden.ts --bundle --platform=node --format=esm | node --input-type=module
 */
import { readFile, writeFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { readCheckpoint } from "./checkpoint.ts";
import { goldenIntegers, goldenModel, goldenSampling } from "./golden.ts";
import type { Golden } from "./golden.ts";

const NUMERICS_VERSION = 2;
const fixtures = "tests/fixtures";

/** Folder and case whose input ids are taken. Together: all activations, all flags, odd sizes, several pages, F16, 50257 tokens. */
const MODELS = [
  ["base", "t64"], ["base-bf16", "t17"], ["odd", "t19"], ["head-size-10", "t13"],
  ["activation-gelu", "t16"], ["activation-quick_gelu", "t16"], ["activation-relu", "t16"], ["activation-silu", "t16"], ["activation-tanh", "t16"],
  ["no-scale", "t16"], ["inverse-layer", "t16"], ["epsilon-large", "t16"], ["untied", "t16"], ["prefix", "longer16"],
] as const;

/** All eight besides f32 in f32, then odd sizes, an untied head, four pages of int8, and 50257 tokens. */
const INTEGERS = [
  ["base", "t17", "f32", "f16"], ["base", "t17", "f32", "q8"],
  ["base", "t17", "q8", "f32"], ["base", "t17", "q8", "f16"], ["base", "t17", "q8", "q8"],
  ["base", "t17", "q4", "f32"], ["base", "t17", "q4", "f16"], ["base", "t17", "q4", "q8"],
  ["base", "t64", "q8", "q8"], ["odd", "t19", "q8", "q8"], ["odd", "t19", "q4", "f16"], ["head-size-10", "t13", "q4", "q8"],
  ["untied", "t16", "q8", "f16"], ["untied", "t16", "q4", "q8"], ["prefix", "longer16", "q8", "q8"],
] as const;

const fixture = (folder: string) => readCheckpoint((name) => readFile(`${fixtures}/${folder}/${name}`));
const stories = () => readCheckpoint(async (name) => {
  return name === "model.safetensors" ? gunzipSync(await readFile(`models/stories/original/${name}.gz`)) : readFile(`models/stories/original/${name}`);
});

async function idsOf(folder: string, name: string): Promise<number[]> {
  const { cases } = JSON.parse(await readFile(`${fixtures}/${folder}/reference.json`, "utf8"));
  return cases.find((one: { name: string }) => one.name === name).input_ids;
}

const golden: Golden = { numerics: NUMERICS_VERSION, models: [], integers: [], sampling: [] };
for (const [folder, name] of MODELS) golden.models.push(await goldenModel(folder, await fixture(folder), await idsOf(folder, name)));

const { greedy } = JSON.parse(await readFile("models/stories/expected.json", "utf8"));
const storyIds = [...greedy[1].prompt_ids, ...greedy[1].ids].slice(0, 40);
golden.models.push(await goldenModel("stories", await stories(), storyIds));

for (const [folder, name, weights, cache] of INTEGERS) {
  golden.integers.push(await goldenIntegers(folder, await fixture(folder), await idsOf(folder, name), weights, cache));
}
for (const [weights, cache] of [["q8", "q8"], ["q4", "f16"]] as const) {
  golden.integers.push(await goldenIntegers("stories", await stories(), storyIds, weights, cache));
}

const base = await fixture("base");
const prompt = await idsOf("base", "t17");
golden.sampling.push(
  await goldenSampling("base", base, prompt, 0, 40, {}),
  await goldenSampling("base", base, prompt, 2 ** 53 - 1, 40, {
    temperature: 0.9, topK: 50, topP: 0.97, minP: 0.001, typicalP: 0.98,
    repetitionPenalty: 1.1, presencePenalty: 0.2, frequencyPenalty: 0.1, logitBias: { 7: -3, 258: 0.5 },
  }),
);

const lines = (items: object[]): string => items.map((item) => `  ${JSON.stringify(item)}`).join(",\n");
await writeFile(`${fixtures}/golden.json`,
  `{\n "numerics": ${golden.numerics},\n "models": [\n${lines(golden.models)}\n ],\n "integers": [\n${lines(golden.integers)}\n ],\n "sampling": [\n${lines(golden.sampling)}\n ]\n}\n`);
