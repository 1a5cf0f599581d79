/**
 * Loss of the stories model on its validation text. Windows of 512 tokens take a second or two each, so `npm test` takes
 * every 23rd; with KVASM_WHOLE_VALIDATION=1, as in test:everywhere, all 93, and the mean that expected.json has.
 */
import type { LoadOptions } from "../../bindings/index.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";
import { loadOriginal, readExpected, readValidation, validationIds, windowLoss } from "../support/reference-stories.ts";
import { assertWithin } from "../support/reference.ts";

const whole = process.env["KVASM_WHOLE_VALIDATION"] === "1";

describe(`stories: loss on ${whole ? "all windows" : "every 23rd window"} of the validation text`, () => {
  it("the recorded windows add up to expected.json's mean", async () => {
    const { mean_nll, predictions, windows } = await readExpected();
    const { nll } = await readValidation();
    assert.equal(nll.length, windows);
    assertWithin([nll.reduce((a, b) => a + b) / predictions], [mean_nll], 1e-12, "mean");
  });

  it("each window's mean is within 4 times float32's error, as measured with numpy", { timeout: 600_000 }, async () => {
    const { nll, f32_mean_diff } = await readValidation();
    const { mean_nll, predictions } = await readExpected();
    const model = await loadOriginal();
    const ids = await validationIds(model);
    let total = 0;
    let counted = 0;
    let differing = 0;
    for (let window = 0; window < nll.length; window += whole ? 1 : 23) {
      const computed = windowLoss(model, ids, window);
      assertWithin([computed.loss / computed.predictions], [nll[window] / computed.predictions], 4 * f32_mean_diff, `window ${window}`);
      if (computed.loss !== nll[window]) differing++;
      total += computed.loss;
      counted += computed.predictions;
    }
    model.dispose();
    assert.ok(differing > 0, "float32 that never differs from float64 was not computed in float32");
    if (whole) {
      assert.equal(counted, predictions);
      assertWithin([total / counted], [mean_nll], 4 * f32_mean_diff, "mean of all");
    }
  });

  // Nats a prediction that the mean over all windows may move by; docs/quality.md has what it does move by. Few windows say less.
  const ALLOWED = [["q8", "f32", 0.002], ["q8", "q8", 0.002], ["q4", "q8", 0.06], ["f32", "q8", 0.0005]] as const;
  it("integers: the loss moves by no more than is allowed", { timeout: 1_200_000 }, async () => {
    const lossOf = async (options: LoadOptions): Promise<number> => {
      const model = await loadOriginal(options);
      const ids = await validationIds(model);
      let total = 0;
      let counted = 0;
      for (let window = 0; window < (await readExpected()).windows; window += whole ? 1 : 23) {
        const { loss, predictions } = windowLoss(model, ids, window);
        total += loss;
        counted += predictions;
      }
      model.dispose();
      return total / counted;
    };
    const exact = await lossOf({});
    const page = new TextDecoder().decode(await repositoryFile("docs/quality.md"));
    for (const [weights, cache, allowed] of ALLOWED) {
      const moved = (await lossOf({ weights, cache })) - exact;
      assert.ok(moved < (whole ? allowed : 2 * allowed), `${weights} weights, ${cache} cache: the loss is ${moved} higher`);
      assert.ok(moved !== 0, `${weights} weights, ${cache} cache: integers that change nothing are no integers`);
      if (!whole) continue;
      const line = `| ${weights} | ${cache} | ${moved < 0 ? "−" : "+"}${Math.abs(moved).toFixed(4)} |`;
      assert.ok(page.includes(line), `docs/quality.md does not have ${line}`);
    }
  });
});
