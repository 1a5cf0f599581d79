import { shown } from "../../errors.ts";
import { ELEMENT_BYTES } from "../units.ts";
import { Global, Tuple } from "./pickle.ts";
import type { Makers, Value } from "./pickle.ts";

/** A run of numbers that tensors are views of. */
export class Storage {
  readonly key: string;
  /** As safetensors calls it. */
  readonly dtype: string;
  readonly elements: number;

  constructor(key: string, dtype: string, elements: number) {
    this.key = key;
    this.dtype = dtype;
    this.elements = elements;
  }

  get bytes(): number {
    return this.elements * ELEMENT_BYTES[this.dtype];
  }
}

/** Element (i, j, …) of a tensor is element offset + i · strides[0] + j · strides[1] + … of its storage. */
export class TorchTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  /** Whether it is the same numbers in the same order. */
  equals(other: TorchTensor): boolean {
    const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((size, i) => size === b[i]);
    return this.storage === other.storage && this.offset === other.offset && same(this.shape, other.shape) && same(this.strides, other.strides);
  }
}

/** torch's names of storages, to safetensors' of their elements. */
const STORAGES: Readonly<Record<string, string>> = {
  "torch.FloatStorage": "F32", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16", "torch.DoubleStorage": "F64",
  // Masks and counters, which are passed over.
  "torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL", "torch.CharStorage": "I8", "torch.ShortStorage": "I16", "torch.IntStorage": "I32", "torch.LongStorage": "I64",
};
const ORDERED_DICT = "collections.OrderedDict";
const TENSOR = "torch._utils._rebuild_tensor_v2";
/** torch's before 0.4. */
const OLD_TENSOR = "torch._utils._rebuild_tensor";
const PARAMETER = "torch._utils._rebuild_parameter";
const CALLED: readonly string[] = [ORDERED_DICT, TENSOR, OLD_TENSOR, PARAMETER];

const MOST_DIMENSIONS = 16;
const MOST_KEY = 64;

/** What a file's pickle may be made of: dicts, lists, tuples, texts, numbers and tensors. */
export class StateDictMakers implements Makers {
  /** By their keys. */
  readonly storages = new Map<string, Storage>();
  readonly fail: Makers["fail"];

  constructor(fail: Makers["fail"]) {
    this.fail = fail;
  }

  knows(name: string): boolean {
    return Object.hasOwn(STORAGES, name) || CALLED.includes(name);
  }

  call(name: string, args: readonly Value[]): Value {
    if (name === ORDERED_DICT && args.length === 0) return new Map();
    if (name === PARAMETER && args.length === 3 && args[0] instanceof TorchTensor) return args[0];
    if (name === TENSOR && (args.length === 6 || args.length === 7)) return this.#tensor(args);
    if (name === OLD_TENSOR && args.length === 4) return this.#tensor(args);
    return this.fail("weights", `calls ${name} with ${args.length} arguments that it does not take. The file is damaged, or of a version of torch that kvasm does not know`, name);
  }

  /** ("storage", type, key, device, elements), and in the old format a view of it, which torch has not written since 0.4. */
  outside(id: Value): Value {
    const [what, type, key, device, elements, view = null] = id instanceof Tuple ? id.items : [];
    const isStorage = what === "storage" && type instanceof Global && Object.hasOwn(STORAGES, type.name) && typeof key === "string" && key !== "" && key.length <= MOST_KEY && typeof device === "string";
    if (!isStorage || !isCount(elements)) return this.fail("weights", "refers to what is no storage of numbers. The file is damaged");
    if (view !== null) return this.fail("unsupported", "has a view of a storage, as torch before 0.4 wrote it. Save it with a newer torch");
    const known = this.storages.get(key);
    const storage = known ?? new Storage(key, STORAGES[type.name], elements);
    if (storage.dtype !== STORAGES[type.name] || storage.elements !== elements) this.fail("weights", `has two descriptions of storage ${shown(key)}. The file is damaged`, key);
    if (!Number.isSafeInteger(storage.bytes)) this.fail("weights", `has a storage of ${elements} elements. The file is damaged`, elements);
    this.storages.set(key, storage);
    return storage;
  }

  #tensor([storage, offset, shape, strides, , , metadata = null]: readonly Value[]): TorchTensor {
    const sizes = this.#sizes(shape);
    const steps = this.#sizes(strides);
    if (!(storage instanceof Storage) || !isCount(offset) || sizes.length !== steps.length) return this.fail("weights", "has a tensor without a storage, an offset, sizes and as many strides. The file is damaged");
    if (metadata !== null && !(metadata instanceof Map && metadata.size === 0)) this.fail("unsupported", "has a tensor that is negated or conjugated when it is read. Save a copy of it (tensor.clone())");
    // One past the last element, where there is any: then the offset alone must lie within.
    const end = sizes.includes(0) ? offset : sizes.reduce((last, size, i) => last + (size - 1) * steps[i], offset) + 1;
    if (!(end <= storage.elements)) this.fail("weights", `has a tensor that reaches to element ${end} of a storage of ${storage.elements}. The file is damaged`, end);
    return new TorchTensor(storage, offset, sizes, steps);
  }

  #sizes(value: Value): readonly number[] {
    const items: readonly unknown[] = value instanceof Tuple ? value.items : Array.isArray(value) ? value : [null];
    if (items.length <= MOST_DIMENSIONS && items.every(isCount)) return items;
    return this.fail("weights", "has a tensor whose sizes or strides are not a few integers from 0 on. The file is damaged");
  }
}

/** The tensors of the dict that a file holds, by name. */
export function tensorsOf(value: Value, fail: Makers["fail"]): ReadonlyMap<string, TorchTensor> {
  if (!(value instanceof Map)) return fail("weights", "holds no dict of tensors by name. Save model.state_dict()");
  if (value.size === 0) return fail("weights", "has no tensors");
  const tensors = new Map<string, TorchTensor>();
  for (const [name, tensor] of value) {
    if (typeof name === "string" && tensor instanceof TorchTensor) {
      tensors.set(name, tensor);
      continue;
    }
    const cure = tensor instanceof Map ? `Where it is the model's state dict, save that alone: torch.save(checkpoint[${shown(name)}], …)` : "Save model.state_dict()";
    fail("weights", `${shown(name)}: expected a tensor, got ${tensor instanceof Map ? "a dict" : shown(tensor)}. ${cure}`, name);
  }
  return tensors;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
