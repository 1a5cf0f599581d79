"""Golden bits from the same dist/kvasm.wasm and dist/kvasm.relaxed.wasm in an engine that is no JavaScript engine: wasmtime.

Loads each small checkpoint of tests/fixtures through the module's exports (bindings/wasm/exports.ts is the contract) and
compares digests with tests/fixtures/golden.json. Tells how each test ended as tests/support/runner.ts does.
"""

import hashlib
import json
import sys
from pathlib import Path

import wasmtime

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"

# bindings/wasm/exports.ts, of this ABI_VERSION:
ABI_VERSION = 3
WEIGHTS = {"f32": 0, "q8": 1, "q4": 2}
CACHES = {"f32": 0, "f16": 1, "q8": 2}
DTYPES = {"F32": (0, 4), "F16": (1, 2), "BF16": (2, 2), "F64": (3, 8)}
ACTIVATIONS = {
    "gelu_new": 0, "gelu_pytorch_tanh": 0, "gelu_fast": 0, "gelu": 1, "quick_gelu": 2, "relu": 3, "silu": 4, "swish": 4, "tanh": 5,
}
OUTER = {"wte.weight": 0, "wpe.weight": 1, "ln_f.weight": 2, "ln_f.bias": 3, "lm_head.weight": 4}
INNER = {
    "ln_1.weight": 5, "ln_1.bias": 6, "attn.c_attn.weight": 7, "attn.c_attn.bias": 8, "attn.c_proj.weight": 9,
    "attn.c_proj.bias": 10, "ln_2.weight": 11, "ln_2.bias": 12, "mlp.c_fc.weight": 13, "mlp.c_fc.bias": 14,
    "mlp.c_proj.weight": 15, "mlp.c_proj.bias": 16,
}
MODE_ALL = 2
PAGE = 65536


class Engine:
    """One instance of the module; `engine.name(…)` calls an export, addresses come back unsigned."""

    def __init__(self, module, engine):
        self.store = wasmtime.Store(engine)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]

    def __getattr__(self, name):
        return lambda *arguments: self.exports[name](self.store, *(signed(a) for a in arguments))

    def constant(self, name):
        return self.exports[name].value(self.store)

    def grow_to(self, end):
        missing = -(-end // PAGE) - self.memory.size(self.store)
        if missing > 0:
            self.memory.grow(self.store, missing)

    def write(self, address, data):
        self.memory.write(self.store, data, address)

    def read(self, address, count):
        return bytes(self.memory.read(self.store, address, address + count))


def signed(value):
    return value - 2**32 if isinstance(value, int) and value >= 2**31 else value


def unsigned(value):
    """An address: a signed i32, or an f64 where it may lie beyond the memory."""
    return int(value) if isinstance(value, float) else value & 0xFFFFFFFF


def tensors(path):
    """(name, dtype, bytes) of each tensor of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield name.removeprefix("transformer."), entry["dtype"], data[8 + length + start : 8 + length + end]


def load(engine, folder, weight_type, cache_type):
    """Lays out and fills one model of these types with room for one sequence; returns the header's address and the configuration."""
    config = json.loads((folder / "config.json").read_text())
    width = config["n_embd"]
    weights = list(tensors(folder / "model.safetensors"))
    flags = (0 if config.get("scale_attn_weights", True) else 1) | (2 if config.get("scale_attn_by_inverse_layer_idx") else 0)
    stored = any(name == "lm_head.weight" for name, _, _ in weights)

    assert engine.constant("ABI_VERSION") == ABI_VERSION, "the contract has changed: this file must follow it"
    model = unsigned(engine.lowestBase())
    engine.grow_to(model + engine.constant("HEADER_BYTES"))
    engine.grow_to(unsigned(engine.layoutWeights(
        model, config["n_layer"], width, config["n_head"], config.get("n_inner") or 4 * width, config["vocab_size"],
        config["n_positions"], ACTIVATIONS[config.get("activation_function", "gelu_new")], flags,
        float(config.get("layer_norm_epsilon", 1e-5)), int(stored), WEIGHTS[weight_type],
    )))
    staging, room = unsigned(engine.stagingAddress(model)), engine.constant("STAGING_BYTES")
    for name, dtype, data in weights:
        layer = 0
        tensor = OUTER.get(name)
        if tensor is None:
            _, number, rest = name.split(".", 2)
            layer, tensor = int(number), INNER.get(rest)
        if tensor is None:
            continue  # a causal mask of an old checkpoint
        code, size = DTYPES[dtype]
        for start in range(0, len(data), room):
            part = data[start : start + room]
            engine.write(staging, part)
            assert engine.packTensor(model, tensor, layer, code, start // size, len(part) // size, 0) == -1, name
    engine.finishWeights(model)
    pages = -(-config["n_positions"] // engine.constant("PAGE_TOKENS"))
    engine.grow_to(unsigned(engine.layoutCache(model, config["n_positions"], pages, 1, CACHES[cache_type])))
    engine.initialiseCache(model)
    return model, config


def digests(engine, folder, ids, weight_type="f32", cache_type="f32"):
    """SHA-256 of all logits, and of all hidden states, as golden.json has them."""
    model, config = load(engine, folder, weight_type, cache_type)
    layers, width, vocabulary = config["n_layer"], config["n_embd"], config["vocab_size"]
    slot = engine.openSequence(model)
    most, head_rows = engine.constant("MAX_ROWS"), engine.constant("HEAD_ROWS")
    row_bytes, logits_bytes = 4 * engine.rowStride(model), 4 * engine.logitsStride(model)

    def rows(address, stride, count, wanted):
        return b"".join(engine.read(address + row * stride, 4 * wanted) for row in range(count))

    hidden = [b""] * (layers + 1)
    logits = b""
    for start in range(0, len(ids), most):
        part = ids[start : start + most]
        engine.write(unsigned(engine.stepIds(model)), b"".join(id.to_bytes(4, "little") for id in part))
        assert engine.beginStep(model, slot, len(part)) == 0
        for layer in range(layers):
            hidden[layer] += rows(unsigned(engine.hiddenRows(model)), row_bytes, len(part), width)
            engine.runLayer(model, layer, 0)
        assert engine.finishStep(model, MODE_ALL) == 0
        hidden[layers] += rows(unsigned(engine.normedRows(model)), row_bytes, len(part), width)
        for first in range(0, len(part), head_rows):
            count = min(head_rows, len(part) - first)
            assert engine.headRows(model, first, count) == 0
            logits += rows(unsigned(engine.logitsRows(model)), logits_bytes, count, vocabulary)
        engine.commitStep(model)
    return hashlib.sha256(logits).hexdigest(), hashlib.sha256(b"".join(hidden)).hexdigest()


# Name, file, and whether relaxed operations are to be what the standard's deterministic profile says rather than what is fastest here.
VARIANTS = [
    ("kvasm.wasm", "kvasm.wasm", False),
    ("kvasm.relaxed.wasm", "kvasm.relaxed.wasm", False),
    ("kvasm.relaxed.wasm, deterministic", "kvasm.relaxed.wasm", True),
]


def engine_for(deterministic):
    config = wasmtime.Config()
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = deterministic
    return wasmtime.Engine(config)


def main():
    recorded = json.loads((FIXTURES / "golden.json").read_text())
    golden = [entry for entry in recorded["models"] + recorded["integers"] if (FIXTURES / entry["folder"]).is_dir()]
    engines = {deterministic: engine_for(deterministic) for deterministic in (False, True)}
    modules = {
        name: (engines[deterministic], wasmtime.Module.from_file(engines[deterministic], str(ROOT / "dist" / file)))
        for name, file, deterministic in VARIANTS
    }

    def test(name, body):
        print(f"#kvasm here {name}", flush=True)
        try:
            body()
            print(f"#kvasm passed {name}", flush=True)
            return True
        except Exception as error:  # noqa: BLE001: any failure is the test's
            print(f"#kvasm failed {name}\n{type(error).__name__}: {error}", flush=True)
            return False

    def found(module, entry, ids):
        engine, compiled = modules[module]
        return digests(Engine(compiled, engine), FIXTURES / entry["folder"], ids, *types(entry))

    def compare(module, entry):
        bits = found(module, entry, entry["ids"])
        assert bits == (entry["logits"], entry["hiddenStates"]), f"{bits} instead of {entry['logits'], entry['hiddenStates']}"

    def control(module):
        for entry in (golden[0], next(entry for entry in golden if types(entry)[0] == "q4")):
            other = found(module, entry, [*entry["ids"][:-1], (entry["ids"][-1] + 1) % 7])
            assert other[0] != entry["logits"] and other[1] != entry["hiddenStates"], "another token gave the same digests"

    def constants():
        assert [Engine(compiled, engine).constant("RELAXED_SIMD") for engine, compiled in modules.values()] == [0, 1, 1]

    def types(entry):
        return entry.get("weights", "f32"), entry.get("cache", "f32")

    passed = [test("RELAXED_SIMD says which module it is", constants)]
    for module in modules:
        passed += [test(" ".join([module, entry["folder"], *types(entry), str(len(entry["ids"]))]), lambda: compare(module, entry)) for entry in golden]
        passed.append(test(f"{module}: another token is missed", lambda: control(module)))
    assert len(passed) > 60
    sys.exit(0 if all(passed) else 1)


main()
