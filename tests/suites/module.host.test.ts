/** The modules' outside: what they import (nothing) and export (the contract, no more and no less). */
import { assert, describe, it } from "../support/harness.ts";
import { repositoryFile } from "../support/files.ts";
import { hasRelaxedSimd } from "../support/relaxed.ts";

const text = async (path: string) => new TextDecoder().decode(await repositoryFile(path));
const compiled = async (name: string) => new WebAssembly.Module(await repositoryFile(`dist/${name}`));

/** Names of an interface's members, in TypeScript's own words. */
function members(source: string, name: string): string[] {
  const body = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, "m").exec(source)![1];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[:(]/gm)].map((match) => match[1]);
}

/** Exported only so that the compiler keeps each a function of its own, with one loop in it; no binding calls them. */
const TILES = ["halfTileTwoStreams", "tileOneRow", "tileTwoRows", "tileTwoStreams"];

const globalsOf = async (name: string): Promise<[string, WebAssembly.Global][]> =>
  Object.entries(new WebAssembly.Instance(await compiled(name), {}).exports).filter(([, value]) => value instanceof WebAssembly.Global) as [string, WebAssembly.Global][];

/** Those that this engine compiles. */
const MODULES = ["kvasm.wasm", ...(hasRelaxedSimd ? ["kvasm.relaxed.wasm"] : [])];

for (const file of MODULES) {
  describe(file, () => {
    it("imports nothing", async () => {
      assert.deepEqual(WebAssembly.Module.imports(await compiled(file)), []);
    });

    it("exports what bindings/wasm/exports.ts says, and nothing else", async () => {
      const wanted = members(await text("bindings/wasm/exports.ts"), "KvasmExports").sort();
      assert.ok(wanted.length > 30 && wanted.includes("memory") && wanted.includes("step"), String(wanted));
      assert.deepEqual(WebAssembly.Module.exports(await compiled(file)).map(({ name }) => name).sort(), [...wanted, ...TILES].sort());
    });

    it("exports constants, never a variable: state lives in the arena", async () => {
      const globals = await globalsOf(file);
      assert.ok(globals.length > 0);
      for (const [name, global] of globals) assert.throws(() => { global.value = 1; }, TypeError, name);
    });

    it("has no global that changes", async () => {
      assert.deepEqual(mutableGlobals(await repositoryFile(`dist/${file}`)), 0);
      // (module (global (mut i32) (i32.const 0)) (global i32 (i32.const 0)))
      const control = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 6, 11, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 0, 0x41, 0, 0x0b);
      assert.equal(mutableGlobals(control), 1);
    });

    it("is refused in part", async () => {
      const bytes = await repositoryFile(`dist/${file}`);
      await assert.rejects(WebAssembly.compile(bytes.slice(0, bytes.length - 1)), WebAssembly.CompileError);
      await assert.rejects(WebAssembly.compile(Uint8Array.of(...bytes.slice(0, 4), 2, 0, 0, 0)), WebAssembly.CompileError);
    });
  });
}

describe("the two modules", () => {
  it("have the same constants but for one, which says which is which", async () => {
    const constants = await Promise.all(MODULES.map(async (file) => Object.fromEntries((await globalsOf(file)).map(([name, { value }]) => [name, value]))));
    assert.deepEqual(constants.map(({ RELAXED_SIMD }) => RELAXED_SIMD), [0, 1].slice(0, MODULES.length));
    for (const { RELAXED_SIMD: _, ...rest } of constants) {
      const { RELAXED_SIMD: __, ...first } = constants[0];
      assert.deepEqual(rest, first);
      assert.deepEqual([rest["ABI_VERSION"], rest["NUMERICS_VERSION"]], [9, 2]);
    }
  });

  it("are two: only one of them needs relaxed SIMD", async () => {
    assert.equal(WebAssembly.validate(await repositoryFile("dist/kvasm.wasm")), true);
    assert.equal(WebAssembly.validate(await repositoryFile("dist/kvasm.relaxed.wasm")), hasRelaxedSimd);
    if (!hasRelaxedSimd) await assert.rejects(compiled("kvasm.relaxed.wasm"), WebAssembly.CompileError);
    // What no engine is asked for: the one relaxed instruction is the dot product (0xfd 0x93 0x02), others would be 0xfd 0x80 … 0x94 0x02.
    const uses = (bytes: Uint8Array, opcode: number): number => bytes.reduce((sum, byte, i) => sum + Number(byte === 0xfd && bytes[i + 1] === opcode && bytes[i + 2] === 2), 0);
    const bytes = await Promise.all(["kvasm.wasm", "kvasm.relaxed.wasm"].map((file) => repositoryFile(`dist/${file}`)));
    assert.equal(uses(bytes[0], 0x93), 0);
    assert.ok(uses(bytes[1], 0x93) > 20);
    for (let opcode = 0x80; opcode <= 0x94; opcode++) if (opcode !== 0x93) assert.deepEqual(bytes.map((one) => uses(one, opcode)), [0, 0], opcode.toString(16));
  });
});

/** Counts the mutable ones in a module's global section. */
function mutableGlobals(bytes: Uint8Array): number {
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const end = number() + at;
    if (id === 6) {
      let mutable = 0;
      for (let left = number(); left > 0; left--) {
        at++; // its type
        mutable += bytes[at++];
        const opcode = bytes[at++];
        if (opcode === 0x41 || opcode === 0x42) number();
        else if (opcode === 0x43) at += 4;
        else if (opcode === 0x44) at += 8;
        else throw new Error(`unexpected initial value, opcode ${opcode}`);
        assert.equal(bytes[at++], 0x0b);
      }
      return mutable;
    }
    at = end;
  }
  return 0;
}
