/**
 * `kvasm/stories`: the model that ships with the package, as a source for `load`. Its weights' address is written as bundlers know it,
 * so that they copy the file and put its new address here.
 */
import config from "../../models/stories/config.json";
import type { ModelBytes } from "../files/files.ts";

const stories: ModelBytes = {
  "config.json": new TextEncoder().encode(JSON.stringify(config)),
  "model.safetensors.gz": new URL("../models/stories/model.safetensors.gz", import.meta.url),
};

export default stories;
