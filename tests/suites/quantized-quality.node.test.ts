/**
 * How far integer weights move the logits of the reference fixtures, and that it is what their step says: a weight rounded to a
 * multiple of s is off by up to s / 2, and the logits no further off than if all weights were off by random amounts in that range.
 * docs/quality.md has the figures; they are computed here, to the last digit.
 */
import { load } from "../../bindings/index.ts";
import type { LoadOptions } from "../../bindings/index.ts";
import type { Checkpoint } from "../oracle/checkpoint.ts";
import { GROUP } from "../oracle/integers.ts";
import { withIntegers } from "../oracle/matrices.ts";
import type { Matrix } from "../oracle/matrices.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";
import type { Files } from "../support/models.ts";
import { readFiles } from "../support/oracle.ts";
import { withTensors } from "../support/reference-edit.ts";
import { randomNumbers } from "../support/reference-random.ts";
import { checkpointFiles, reference } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

const QUALITY: Folder[] = [
  "base", "batch", "odd", "head-size-10", "activation-gelu", "activation-relu", "activation-tanh", "no-scale", "inverse-layer",
  "epsilon-large", "untied", "prefix",
];
const DRAWS = 6;

interface Difference {
  rms: number;
  max: number;
}

function differenceOf(a: Float32Array, b: Float32Array): Difference {
  let squares = 0;
  let max = 0;
  a.forEach((value, i) => {
    squares += (value - b[i]) ** 2;
    max = Math.max(max, Math.abs(value - b[i]));
  });
  return { rms: Math.sqrt(squares / a.length), max };
}

async function logitsOf(files: Files, ids: number[], options: LoadOptions = {}): Promise<Float32Array> {
  const model = await load(files, options);
  const { logits } = model.trace(ids);
  model.dispose();
  return logits;
}

/** The checkpoint with every weight of a matrix moved by a random part of `width` of its own step: ± half of it. */
function noisy(files: Files, checkpoint: Checkpoint, matrices: Readonly<Record<string, Matrix>>, seed: number, width = 1): Files {
  const next = randomNumbers(seed);
  return withTensors(files, (tensors) => {
    for (const [name, { shape }] of tensors) {
      const short = name.replace(/^transformer\./, "").replace(/\.weight$/, "");
      const matrix = matrices[short === "lm_head" ? "head" : short];
      if (matrix === undefined) continue;
      const columns = shape[1];
      const outputsFirst = short === "wte" || short === "lm_head";
      const values = Float32Array.from(short === "lm_head" ? checkpoint.head : checkpoint.tensors[`${short}.weight`]);
      for (let i = 0; i < values.length; i++) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        const [output, input] = outputsFirst ? [row, column] : [column, row];
        const scales = matrix.scales[output];
        values[i] += (next() / 2) * width * scales[scales.length === 1 ? 0 : Math.floor(input / GROUP)];
      }
      tensors.set(name, { dtype: "F32", shape, bytes: new Uint8Array(values.buffer) });
    }
  });
}

async function quality(folder: Folder): Promise<{ logits: number; q8: Difference; q4: Difference }> {
  const files = await checkpointFiles(folder);
  const ids = (await reference(folder)).cases.at(-1)!.input_ids;
  const exact = await logitsOf(files, ids);
  return {
    logits: differenceOf(exact, new Float32Array(exact.length)).rms,
    q8: differenceOf(await logitsOf(files, ids, { weights: "q8" }), exact),
    q4: differenceOf(await logitsOf(files, ids, { weights: "q4" }), exact),
  };
}

describe("quality of integer weights", () => {
  for (const folder of QUALITY) {
    it(`${folder}: logits are off by what the steps say`, { timeout: 120_000 }, async () => {
      const files = await checkpointFiles(folder);
      const ids = (await reference(folder)).cases.at(-1)!.input_ids;
      const exact = await logitsOf(files, ids);
      const checkpoint = await readFiles(files);
      const found = await quality(folder);
      for (const weights of ["q8", "q4"] as const) {
        const { matrices } = withIntegers(checkpoint, weights);
        const draws: Difference[] = [];
        for (let seed = 0; seed < DRAWS; seed++) draws.push(differenceOf(await logitsOf(noisy(files, checkpoint, matrices!, 50 + seed), ids), exact));
        const rms = draws.reduce((sum, draw) => sum + draw.rms, 0) / DRAWS;
        const max = Math.max(...draws.map((draw) => draw.max));
        // Draws are within a quarter of their mean; activations add less than that to weights. The maximum is one number of many.
        const { [weights]: actual } = found;
        assert.ok(actual.rms < 1.3 * rms, `${weights}: ${actual.rms} where noise of half a step gives ${rms}`);
        assert.ok(actual.rms > 0.6 * rms, `${weights}: ${actual.rms} where noise of half a step gives ${rms}`);
        assert.ok(actual.max < 1.5 * max, `${weights}: at most ${actual.max} where noise of half a step gives ${max}`);
        // A rounding twice as coarse would be found out.
        const coarse = differenceOf(await logitsOf(noisy(files, checkpoint, matrices!, 60, 2), ids), exact);
        assert.ok(coarse.rms > 1.3 * rms, `${weights}: twice the step gives ${coarse.rms}, noise of half a step ${rms}`);
      }
      // 127 steps for 7 or 8, of which fewer than all are needed: an int4 group's largest weight is smaller than its output's.
      assert.ok(found.q4.rms > 5 * found.q8.rms && found.q4.rms < 20 * found.q8.rms, `${found.q4.rms} and ${found.q8.rms}`);
    });
  }

  it("docs/quality.md has these figures", { timeout: 120_000 }, async () => {
    const page = new TextDecoder().decode(await repositoryFile("docs/quality.md"));
    const lines: string[] = [];
    for (const folder of QUALITY) {
      const { logits, q8, q4 } = await quality(folder);
      lines.push(`| ${[folder, ...[logits, q8.rms, q8.max, q4.rms, q4.max].map((value) => value.toPrecision(3))].join(" | ")} |`);
    }
    for (const line of lines) assert.ok(page.includes(line), `missing:\n${lines.join("\n")}`);
  });
});
