import { lifetimeOf } from "../../bindings/model/model.ts";
import type { Model } from "../../bindings/model/model.ts";
import type { GgufSource } from "../../bindings/convert/gguf/write.ts";

/** What the writer needs of a model. For suites that take the library from its sources. */
export function ggufSource(model: Model): GgufSource {
  const { exports, memory, header, config, weights } = lifetimeOf(model).value;
  return { exports, memory, header, type: weights, config, isUntied: model.memory.storedHead > 0, tokenizer: model.tokenizer };
}
