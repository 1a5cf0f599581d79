/**
 * Reads Python's pickles as data. Nothing that a pickle names is looked up or called: a name is text, and what is made of it is the
 * caller's affair, who says which names there are. The operations are those that torch writes.
 */

/** A class or function, by its name. */
export class Global {
  /** `module.name` */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** A dict is a Map, a list an array; any other object is of the makers'. */
export type Value = null | boolean | number | bigint | string | object;

export interface Makers {
  /** A name that the file may have. */
  knows(name: string): boolean;
  /** What calling `name` would give. */
  call(name: string, args: readonly Value[]): Value;
  /** What a reference to outside the pickle stands for. */
  outside(id: Value): Value;
  /** @param value what was found, where that says more than the message */
  fail(code: "weights" | "unsupported", message: string, value?: unknown): never;
}

export interface Pickle {
  readonly value: Value;
  /** Bytes that it has. */
  readonly length: number;
}

/** The pickle that `bytes` begin with; null: it goes on after them. */
export function readPickle(bytes: Uint8Array, makers: Makers): Pickle | null {
  try {
    return new Machine(bytes, makers).run();
  } catch (error) {
    if (error === ENDED) return null;
    throw error;
  }
}

const ENDED = Symbol("the bytes end before the pickle does");

/** Bytes of a name. */
const MOST_NAME = 200;

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #makers: Makers;
  #at = 0;
  /** Values since the last mark. */
  #stack: Value[] = [];
  /** The stacks below each mark. */
  readonly #below: Value[][] = [];
  readonly #memo = new Map<number, Value>();

  constructor(bytes: Uint8Array, makers: Makers) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#makers = makers;
  }

  run(): Pickle {
    for (;;) {
      const code = this.#u8();
      if (code === 0x2e /* STOP . */) {
        const value = this.#pop();
        if (this.#stack.length > 0 || this.#below.length > 0) this.#damaged("ends with values left over");
        return { value, length: this.#at };
      }
      this.#step(code);
    }
  }

  #step(code: number): void {
    switch (code) {
      case 0x80: { // PROTO
        const version = this.#u8();
        if (version < 2 || version > 5) this.#makers.fail("unsupported", `is a pickle of protocol ${version}; kvasm reads 2 to 5. Save it with torch's default`, version);
        return;
      }
      case 0x95: return void this.#take(8); // FRAME
      case 0x4e: return this.#push(null); // NONE N
      case 0x88: return this.#push(true); // NEWTRUE
      case 0x89: return this.#push(false); // NEWFALSE
      case 0x4a: return this.#push(this.#view.getInt32(this.#take(4), true)); // BININT J
      case 0x4b: return this.#push(this.#u8()); // BININT1 K
      case 0x4d: return this.#push(this.#view.getUint16(this.#take(2), true)); // BININT2 M
      case 0x8a: return this.#push(this.#long(this.#u8())); // LONG1
      case 0x47: return this.#push(this.#view.getFloat64(this.#take(8), false)); // BINFLOAT G
      case 0x58: return this.#push(this.#text(this.#u32())); // BINUNICODE X
      case 0x8c: return this.#push(this.#text(this.#u8())); // SHORT_BINUNICODE
      case 0x55: return this.#push(this.#text(this.#u8())); // SHORT_BINSTRING U, Python 2's
      case 0x54: return this.#push(this.#text(this.#u32())); // BINSTRING T
      case 0x7d: return this.#push(new Map()); // EMPTY_DICT }
      case 0x5d: return this.#push([]); // EMPTY_LIST ]
      case 0x29: return this.#push(new Tuple([])); // EMPTY_TUPLE )
      case 0x28: // MARK (
        this.#below.push(this.#stack);
        this.#stack = [];
        return;
      case 0x74: return this.#push(new Tuple(this.#sinceMark())); // TUPLE t
      case 0x85: return this.#tuple(1);
      case 0x86: return this.#tuple(2);
      case 0x87: return this.#tuple(3);
      case 0x61: return this.#append([this.#pop()]); // APPEND a
      case 0x65: return this.#append(this.#sinceMark()); // APPENDS e
      case 0x73: { // SETITEM s
        const value = this.#pop();
        return this.#set([this.#pop(), value]);
      }
      case 0x75: return this.#set(this.#sinceMark()); // SETITEMS u
      case 0x71: return void this.#memo.set(this.#u8(), this.#top()); // BINPUT q
      case 0x72: return void this.#memo.set(this.#u32(), this.#top()); // LONG_BINPUT r
      case 0x94: return void this.#memo.set(this.#memo.size, this.#top()); // MEMOIZE
      case 0x68: return this.#recall(this.#u8()); // BINGET h
      case 0x6a: return this.#recall(this.#u32()); // LONG_BINGET j
      case 0x63: return this.#global(this.#line(), this.#line()); // GLOBAL c
      case 0x93: { // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        if (typeof name !== "string" || typeof module !== "string") return this.#damaged("names a class by what is no text");
        return this.#global(module, name);
      }
      case 0x52: { // REDUCE R
        const args = this.#pop();
        const called = this.#pop();
        if (!(called instanceof Global) || !(args instanceof Tuple)) return this.#damaged("calls what is no function");
        return this.#push(this.#makers.call(called.name, args.items));
      }
      case 0x62: { // BUILD b: attributes. A state dict has its modules' versions there, which say nothing of its tensors.
        const state = this.#pop();
        if (!(this.#top() instanceof Map) || !(state instanceof Map)) this.#makers.fail("unsupported", "gives an object attributes, which only a dict of tensors may have here. Save model.state_dict()");
        return;
      }
      case 0x51: return this.#push(this.#makers.outside(this.#pop())); // BINPERSID Q
      default:
        this.#makers.fail("unsupported", `has the pickle operation ${hex(code)} at byte ${this.#at - 1}, which a dict of tensors does not need. It is damaged, or no such dict: save model.state_dict()`, code);
    }
  }

  #global(module: string, name: string): void {
    const whole = `${module}.${name}`;
    if (!this.#makers.knows(whole)) {
      this.#makers.fail("unsupported", `holds ${JSON.stringify(whole)}, a class or function of Python's. kvasm reads tensors and runs no code. Save model.state_dict() alone, or as safetensors`, whole);
    }
    this.#push(new Global(whole));
  }

  #tuple(count: number): void {
    const items = Array.from({ length: count }, () => this.#pop()).reverse();
    this.#push(new Tuple(items));
  }

  #append(items: readonly Value[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) return this.#damaged("adds to what is no list");
    for (const item of items) list.push(item);
  }

  #set(items: readonly Value[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) return this.#damaged("sets items of what is no dict");
    for (let i = 0; i < items.length; i += 2) {
      if (dict.has(items[i])) this.#damaged(`has the key ${JSON.stringify(String(items[i])).slice(0, 100)} twice`);
      dict.set(items[i], items[i + 1]);
    }
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) return this.#damaged(`repeats value ${index}, which it does not have`);
    this.#push(value);
  }

  #push(value: Value): void {
    this.#stack.push(value);
  }

  #pop(): Value {
    const value = this.#stack.pop();
    return value === undefined ? this.#topless() : value; // null is a value
  }

  #top(): Value {
    const value = this.#stack[this.#stack.length - 1];
    return value === undefined ? this.#topless() : value;
  }

  #topless(): Value {
    return this.#damaged("takes a value that it does not have");
  }

  #sinceMark(): Value[] {
    const items = this.#stack;
    this.#stack = this.#below.pop() ?? this.#damaged("goes back to a mark that it does not have");
    return items;
  }

  #u8(): number {
    return this.#bytes[this.#take(1)];
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Where the next `count` bytes begin; they are taken. */
  #take(count: number): number {
    const from = this.#at;
    if (count > this.#bytes.length - from) throw ENDED;
    this.#at += count;
    return from;
  }

  /** Two's complement, least byte first. */
  #long(count: number): number | bigint {
    const from = this.#take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[from + i]);
    value = BigInt.asIntN(8 * count, value);
    return value >= -MOST_EXACT && value <= MOST_EXACT ? Number(value) : value;
  }

  #text(count: number): string {
    const from = this.#take(count);
    try {
      return utf8.decode(this.#bytes.slice(from, from + count)); // a copy: browsers do not decode shared memory
    } catch {
      return this.#damaged("has a text that is not UTF-8");
    }
  }

  #line(): string {
    const from = this.#at;
    const end = this.#bytes.subarray(from, from + MOST_NAME).indexOf(0x0a);
    if (end < 0 && this.#bytes.length - from < MOST_NAME) throw ENDED;
    if (end < 0) return this.#damaged("has a name without an end");
    const text = this.#text(end);
    this.#take(1);
    return text;
  }

  #damaged(message: string): never {
    return this.#makers.fail("weights", `its pickle ${message}. The file is damaged: download it again`);
  }
}

const MOST_EXACT = BigInt(Number.MAX_SAFE_INTEGER);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")}`;
}
