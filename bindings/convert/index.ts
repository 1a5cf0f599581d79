/** `kvasm/convert`: an entry point of its own, so that programs which only load models do not carry it. */
export { convertFiles } from "./convert.ts";
export type { ConvertFilesOptions, ConvertedFile, Format } from "./convert.ts";
export { convert } from "./write.ts";
export type { ConvertOptions, Converted } from "./write.ts";
export type { FileWeights } from "./tensors.ts";
