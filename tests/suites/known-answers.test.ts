/** verify's known answers: right in this engine, and wrong where the module computes otherwise, even where all ways agree. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Report } from "../../bindings/index.ts";
import { VERIFY_WAYS } from "../../bindings/model/verify.ts";
import { wrongExp, wrongNibble } from "../support/edited-module.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, before, describe, it } from "../support/harness.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { withConfig } from "../support/reference-edit.ts";
import { checkpointFiles } from "../support/reference.ts";

const IDS = [1, 2, 3, 4, 5];
/** One for each function of the module. */
const ACTIVATIONS = ["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"];

let module: Uint8Array<ArrayBuffer>;
before(async () => { module = await repositoryFile("dist/kvasm.wasm"); });

async function verified(options: LoadOptions, activation_function = "gelu_new"): Promise<Report> {
  const model = await load(withConfig(await checkpointFiles("odd"), { activation_function }), options);
  try {
    return model.verify(IDS);
  } finally {
    model.dispose();
  }
}

const waysOf = ({ ways }: Report): boolean[] => ways.map(({ identical }) => identical);
const ALL_SAME = VERIFY_WAYS.map(() => true);

describe("verify's known answers", () => {
  for (const weights of WEIGHTS) {
    it(`are right for ${weights} weights, every cache and every activation`, { timeout: 120_000 }, async () => {
      for (const cache of CACHES) {
        for (const activation of ACTIVATIONS) {
          const report = await verified({ weights, cache }, activation);
          assert.deepEqual([report.knownAnswers, report.identical], [true, true], `${cache}, ${activation}`);
        }
      }
    });
  }

  it("are wrong where exp is, though all ways have the same bits", async () => {
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        const report = await verified({ weights, cache, wasm: wrongExp(module) });
        assert.deepEqual(waysOf(report), ALL_SAME, "the engine that computes all ways wrongly alike");
        assert.deepEqual([report.knownAnswers, report.identical], [false, false], `${weights}, ${cache}`);
      }
    }
  });

  it("are wrong where one kernel is, for models that it computes and no others", async () => {
    const wasm = await WebAssembly.compile(wrongNibble(module));
    const wrong = await verified({ weights: "q4", wasm });
    assert.deepEqual([wrong.knownAnswers, wrong.identical], [false, false]);
    for (const weights of ["f32", "q8"] as const) assert.equal((await verified({ weights, wasm })).identical, true, weights);
  });

  it("are wrong the second time as well", async () => {
    const model = await load(await checkpointFiles("odd"), { wasm: wrongExp(module) });
    for (let time = 0; time < 2; time++) assert.equal(model.verify(IDS).knownAnswers, false);
    model.dispose();
  });
});
