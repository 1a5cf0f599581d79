import { configOf, parseConfigJson } from "../../bindings/weights/config.ts";
import type { ModelConfig } from "../../bindings/weights/config.ts";

/** The text of a config.json, as loading a model reads it. */
export const parseConfig = (text: string): ModelConfig => configOf(parseConfigJson(text));
