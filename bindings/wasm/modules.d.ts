/** A module as the build embeds it (scripts/build.mjs): its bytes. */
declare module "*/dist/kvasm.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module "*/dist/kvasm.relaxed.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

declare module "*/dist/kvasm.threads.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module "*/dist/kvasm.threads.relaxed.wasm" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

declare module "*.wasm?gzip" {
  const packed: Uint8Array<ArrayBuffer>;
  export default packed;
}

/** A module as an application's build compiles it. */
declare module "kvasm/kvasm.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
declare module "kvasm/kvasm.wasm?module" {
  const module: WebAssembly.Module;
  export default module;
}

/** For the declarations' own build, which takes nothing from outside bindings/. */
declare module "*/models/stories/config.json" {
  const config: object;
  export default config;
}
