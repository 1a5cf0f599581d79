/** What stands between the bindings and the module: views over a memory that grows, and the host's arithmetic. */
import { checkArithmetic } from "../../bindings/wasm/engine.ts";
import { MEMORY_LIMIT } from "../../bindings/wasm/exports.ts";
import { Memory, checkFits, unsigned } from "../../bindings/wasm/memory.ts";
import { throwsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";

const PAGE = 65536;

describe("memory", () => {
  it("renews its views when it has grown", () => {
    const memory = new Memory(new WebAssembly.Memory({ initial: 1 }));
    memory.u32[3] = 0x3f800000;
    const old = memory.f32;
    assert.equal(old[3], 1);
    memory.growTo(PAGE + 1, "test");
    assert.equal(old.length, 0, "the old view is detached");
    assert.equal(memory.size, 2 * PAGE);
    assert.deepEqual([memory.u8.length, memory.u32.length, memory.f32.length, memory.f64.length], [2 * PAGE, PAGE / 2, PAGE / 2, PAGE / 4]);
    assert.equal(memory.f32[3], 1);
    assert.equal(memory.f32, memory.f32, "the same view while nothing grows");
  });

  it("renews them when someone else has grown it", () => {
    const raw = new WebAssembly.Memory({ initial: 1 });
    const memory = new Memory(raw);
    raw.grow(1);
    assert.equal(memory.u8.length, 2 * PAGE);
  });

  it("does not shrink, nor grow without need", () => {
    const memory = new Memory(new WebAssembly.Memory({ initial: 2 }));
    const view = memory.u8;
    for (const end of [0, 1, PAGE, 2 * PAGE]) memory.growTo(end, "test");
    assert.equal(memory.u8, view);
  });

  it("says how many bytes were needed when the host gives no more", () => {
    const memory = new Memory(new WebAssembly.Memory({ initial: 1, maximum: 2 }));
    const error = throwsKvasm(() => memory.growTo(2 * PAGE + 1, "weights"), "memory", "weights");
    assert.equal(error.value, 2 * PAGE + 1);
    assert.match(error.message, /131073 bytes/);
    assert.ok(error.cause instanceof RangeError);
    assert.equal(memory.size, PAGE);
    memory.growTo(2 * PAGE, "weights");
  });

  it("ends before 2³²", () => {
    checkFits(MEMORY_LIMIT, "test");
    for (const end of [MEMORY_LIMIT + 1, 2 ** 32, 2 ** 40, Infinity]) {
      assert.equal(throwsKvasm(() => checkFits(end, "test"), "memory", "test").value, end);
    }
    const memory = new Memory(new WebAssembly.Memory({ initial: 1 }));
    throwsKvasm(() => memory.growTo(2 ** 32, "test"), "memory", "test");
  });

  it("reads addresses as unsigned, whether they come as i32 or as f64", () => {
    assert.deepEqual([0, 5, -1, -(2 ** 31), 2 ** 31, 6e9].map(unsigned), [0, 5, 2 ** 32 - 1, 2 ** 31, 2 ** 31, 6e9]);
  });
});

describe("a host whose arithmetic is not everyone's", () => {
  it("is refused, and told what does it", () => {
    checkArithmetic(0);
    for (const [found, which] of [[1, "scalar"], [2, "SIMD"]] as const) {
      const error = throwsKvasm(() => checkArithmetic(found), "engine");
      assert.ok(error.message.includes(which) && error.message.includes("-ffast-math"));
    }
    assert.ok(throwsKvasm(() => checkArithmetic(3), "engine", "wasm").message.includes("kvasm.wasm instead"));
  });
});
