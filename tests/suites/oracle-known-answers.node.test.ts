/**
 * The known answers that `verify` compares an engine with are the second implementation's. A failure is a change of bits: a bug, or a
 * new version of the numerics.
 */
import { KNOWN } from "../../bindings/model/known-answers-table.ts";
import { KNOWN_IDS, KNOWN_SHAPE, fingerprint, knownTensor } from "../../bindings/model/known-answers.ts";
import { configOf } from "../../bindings/weights/config.ts";
import { safetensorsPlaces } from "../../bindings/weights/places.ts";
import type { CacheType } from "../oracle/attention.ts";
import type { Checkpoint } from "../oracle/checkpoint.ts";
import { forward } from "../oracle/forward.ts";
import { withIntegers } from "../oracle/matrices.ts";
import { assert, describe, it } from "../support/harness.ts";
import { CACHE_TYPES, WEIGHT_TYPES } from "../support/oracle.ts";

/** In the order of the module's ACTIVATIONS. */
const ACTIVATIONS = ["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"];

function checkpoint(): Checkpoint {
  const config = configOf(KNOWN_SHAPE);
  const tensors = Object.fromEntries(safetensorsPlaces(config, false).map(({ name, shape }) => {
    return [name.replace("transformer.", ""), knownTensor(name, shape.reduce((a, b) => a * b))];
  }));
  return { config, tensors, head: tensors["wte.weight"] };
}

describe("known answers", () => {
  it("are the oracle's", () => {
    const computed: Record<string, number[]> = {};
    for (const weights of WEIGHT_TYPES) {
      const held = withIntegers(checkpoint(), weights);
      const computedWith = (activation_function: string, cache: CacheType) => forward({ ...held, config: { ...held.config, activation_function } }, [...KNOWN_IDS], {}, cache);
      for (const cache of CACHE_TYPES) computed[`${weights} ${cache}`] = ACTIVATIONS.map((name) => fingerprint(computedWith(name, cache)));
    }
    const hex = (list: readonly number[]) => list.map((number) => `0x${number.toString(16).padStart(8, "0")}`);
    const shown = (table: Readonly<Record<string, readonly number[]>>) => Object.fromEntries(Object.entries(table).map(([types, list]) => [types, hex(list)]));
    assert.deepEqual(shown(KNOWN), shown(computed));
    assert.equal(new Set(Object.values(KNOWN).flat()).size, 54, "no two are the same");
  });

  it("change with the last bit of a logit, and with its sign of zero", () => {
    const [logits, hiddenStates] = [Float32Array.of(1, 0), [Float32Array.of(3, 4)]];
    const whole = fingerprint({ logits, hiddenStates });
    assert.notEqual(fingerprint({ logits: Float32Array.of(1, -0), hiddenStates }), whole);
    assert.notEqual(fingerprint({ logits: Float32Array.of(1 + 2 ** -23, 0), hiddenStates }), whole);
    assert.notEqual(fingerprint({ logits: Float32Array.of(0, 1), hiddenStates }), whole);
  });
});
