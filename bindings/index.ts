/// <reference lib="esnext.disposable" preserve="true" />
export { load } from "./model/load.ts";
export type { LoadOptions } from "./model/load.ts";
export type { MemoryReport, Model } from "./model/model.ts";
export type { PrefillOptions, Sequence } from "./model/sequence.ts";
export type { Finish, GenerateOptions, GeneratedToken, Generation } from "./model/generate.ts";
export type { SamplerOptions } from "./model/sampler-options.ts";
export type { Trace, TraceOptions } from "./model/trace.ts";
export type { Report, VerifyOptions, VerifyWay } from "./model/verify.ts";
export type { Ids } from "./model/ids.ts";
export type { TokenStream, Tokenizer } from "./tokenizer/tokenizer.ts";
export type { ModelConfig } from "./weights/config.ts";
export type { ModelBytes } from "./weights/source.ts";
export type { Progress } from "./weights/reader.ts";
export type { WasmSource } from "./wasm/instantiate.ts";
export type { Cache, Weights } from "./wasm/types.ts";
export { KvasmError } from "./errors.ts";
export type { KvasmErrorCode, KvasmErrorDetails } from "./errors.ts";
