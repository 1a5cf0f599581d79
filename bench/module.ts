import type { Cache, Weights } from "../bindings/index.ts";
import {
  Activation, CacheType, Dtype, HEADER_BYTES, MAX_ROWS, MODE_LAST, MODE_NONE, PAGE_TOKENS, STAGING_BYTES, WeightType, type KvasmExports, type Tensor,
} from "../bindings/wasm/exports.ts";
import { elements, fillRandom, randomTensors } from "../bindings/bench/random-model.ts";
import { TENSOR_KINDS } from "../bindings/weights/tensor-table.ts";
import type { Shape } from "../bindings/bench/shapes.ts";

/**
 * A model of random weights in the bare module, without the bindings: for measures that look inside a step, and for work on kernels.
 * The weights are those of randomModel with the same seed.
 */
export class ModuleModel {
  readonly exports: KvasmExports;
  readonly shape: Shape;
  /** Address of the model header. */
  readonly address: number;
  private readonly slot: number;

  constructor(module: WebAssembly.Module, shape: Shape, contextLength: number, seed = 1, weights: Weights = "f32", cache: Cache = "f32") {
    this.shape = shape;
    this.exports = new WebAssembly.Instance(module, {}).exports as unknown as KvasmExports;
    const { exports } = this;
    this.address = Math.ceil((exports.lowestBase() >>> 0) / 64) * 64;
    this.reach(this.address + HEADER_BYTES);
    const { n_layer, n_embd, n_head, n_inner, vocab_size, n_positions } = shape;
    this.reach(exports.layoutWeights(this.address, n_layer, n_embd, n_head, n_inner, vocab_size, n_positions, Activation.gelu_tanh, 0, 1e-5, 0, WeightType[weights]));
    this.packWeights(seed);
    exports.finishWeights(this.address);
    this.reach(exports.layoutCache(this.address, contextLength, Math.ceil(contextLength / PAGE_TOKENS), 1, CacheType[cache], 1));
    exports.initialiseCache(this.address);
    this.slot = exports.openSequence(this.address);
  }

  /** Appends tokens, in steps of at most MAX_ROWS. */
  append(ids: readonly number[]): void {
    const { exports, address } = this;
    const most = MAX_ROWS;
    for (let first = 0; first < ids.length; first += most) {
      const rows = ids.slice(first, first + most);
      this.write(rows, first + rows.length === ids.length ? MODE_LAST : MODE_NONE);
      const status = exports.step(address, 1);
      if (status !== 0) throw new Error(`A step ended with status ${status}.`);
    }
  }

  /** Begins a step of `ids` and leaves it open, for measures of its parts. */
  begin(ids: readonly number[]): void {
    this.write(ids, MODE_LAST);
    const status = this.exports.beginStep(this.address, 1);
    if (status !== 0) throw new Error(`A step could not begin: status ${status}.`);
  }

  /** The same as one step of `ids`, told how many seconds each part took. */
  appendTimed(ids: readonly number[]): { embed: number; layers: number; head: number } {
    const { exports, address, shape } = this;
    const start = performance.now();
    this.write(ids, MODE_LAST);
    let status = exports.beginStep(address, 1);
    const embedded = performance.now();
    for (let layer = 0; layer < shape.n_layer; layer++) exports.runLayer(address, layer, 0);
    const layered = performance.now();
    status ||= exports.finishStep(address);
    exports.commitStep(address);
    const finished = performance.now();
    if (status !== 0) throw new Error(`A step ended with status ${status}.`);
    return { embed: (embedded - start) / 1000, layers: (layered - embedded) / 1000, head: (finished - layered) / 1000 };
  }

  truncate(length: number): void {
    this.exports.truncateSequence(this.address, this.slot, length);
  }

  /** The logits of the last token; a view, gone with the next step. */
  logits(): Float32Array {
    return new Float32Array(this.exports.memory.buffer, this.exports.logitsRows(this.address) >>> 0, this.shape.vocab_size);
  }

  private write(ids: readonly number[], mode: number): void {
    new Uint32Array(this.exports.memory.buffer, this.exports.stepEntries(this.address) >>> 0, 3).set([this.slot, ids.length, mode]);
    new Uint32Array(this.exports.memory.buffer, this.exports.stepIds(this.address) >>> 0, ids.length).set(ids);
  }

  private reach(end: number): void {
    const pages = Math.ceil((end >>> 0) / 65536) - this.exports.memory.buffer.byteLength / 65536;
    if (pages > 0) this.exports.memory.grow(pages);
  }

  private packWeights(seed: number): void {
    const { exports, address } = this;
    const staging = exports.stagingAddress(address) >>> 0;
    const most = STAGING_BYTES / 4;
    for (const tensor of randomTensors(this.shape)) {
      const { id, layer } = tensorId(tensor.name);
      const count = elements(tensor.shape);
      for (let first = 0; first < count; first += most) {
        const part = new Float32Array(exports.memory.buffer, staging, Math.min(most, count - first));
        fillRandom(part, seed, tensor, first);
        const bad = exports.packTensor(address, id, layer, Dtype.F32, first, part.length, 0);
        if (bad !== -1) throw new Error(`${tensor.name}: element ${first + bad} is not finite.`);
      }
    }
  }
}

function tensorId(name: string): { id: Tensor; layer: number } {
  const match = /^h\.(\d+)\.(.+)$/.exec(name);
  const kind = TENSOR_KINDS.find((one) => one.inLayer === (match !== null) && one.name === (match?.[2] ?? name));
  if (kind === undefined) throw new Error(`No tensor is called ${name}.`);
  return { id: kind.tensor, layer: match ? Number(match[1]) : 0 };
}
