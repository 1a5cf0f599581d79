/** What finds and reads checkpoints: one part, which a page gets when it loads a model. */
export { openCheckpoint } from "../weights/checkpoint.ts";
export { resolveSource } from "./source.ts";
