"""Golden bits from the same dist/kvasm.wasm and dist/kvasm.relaxed.wasm in an engine that is no JavaScript engine: wasmtime.

Loads each small checkpoint of tests/fixtures through the module's exports (bindings/wasm/exports.ts is the contract) and
compares digests with tests/fixtures/golden.json. Tells how each test ended as tests/support/runner.ts does.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import wasmtime

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"

# The numbers of assembly/contract.ts by their names. The calls below are those of this version of it.
CONTRACT = {
    name: int(value)
    for name, value in re.findall(r"\b([A-Z]\w*) = (\d+)\b", re.sub(r"/\*.*?\*/|//[^\n]*", "", (ROOT / "assembly" / "contract.ts").read_text(), flags=re.S))
}
ABI_VERSION = 9
WEIGHTS = {name: CONTRACT[f"WEIGHTS_{name.upper()}"] for name in ("f32", "q8", "q4")}
CACHES = {name: CONTRACT[f"CACHE_{name.upper()}"] for name in ("f32", "f16", "q8")}
DTYPES = {name: (CONTRACT[name], size) for name, size in {"F32": 4, "F16": 2, "BF16": 2, "F64": 8}.items()}
ACTIVATIONS = {
    name: CONTRACT[function]
    for name, function in {
        "gelu_new": "GELU_TANH", "gelu_pytorch_tanh": "GELU_TANH", "gelu_fast": "GELU_TANH", "gelu": "GELU_ERF", "quick_gelu": "QUICK_GELU",
        "relu": "RELU", "silu": "SILU", "swish": "SILU", "tanh": "TANH",
    }.items()
}
OUTER = {
    name: CONTRACT[tensor]
    for name, tensor in {"wte.weight": "WTE", "wpe.weight": "WPE", "ln_f.weight": "LN_F_GAIN", "ln_f.bias": "LN_F_BIAS", "lm_head.weight": "HEAD"}.items()
}
INNER = {
    name: CONTRACT[tensor]
    for name, tensor in {
        "ln_1.weight": "LN_1_GAIN", "ln_1.bias": "LN_1_BIAS", "attn.c_attn.weight": "ATTN_WEIGHT", "attn.c_attn.bias": "ATTN_BIAS",
        "attn.c_proj.weight": "ATTN_PROJ_WEIGHT", "attn.c_proj.bias": "ATTN_PROJ_BIAS", "ln_2.weight": "LN_2_GAIN", "ln_2.bias": "LN_2_BIAS",
        "mlp.c_fc.weight": "FC_WEIGHT", "mlp.c_fc.bias": "FC_BIAS", "mlp.c_proj.weight": "MLP_PROJ_WEIGHT", "mlp.c_proj.bias": "MLP_PROJ_BIAS",
    }.items()
}
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


def words(*values):
    """u32, as memory has them."""
    return b"".join(value.to_bytes(4, "little") for value in values)


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

    assert engine.constant("ABI_VERSION") == CONTRACT["ABI_VERSION"] == ABI_VERSION, "the contract has changed: this file must follow it"
    model = unsigned(engine.lowestBase())
    engine.grow_to(model + CONTRACT["HEADER_BYTES"])
    engine.grow_to(unsigned(engine.layoutWeights(
        model, config["n_layer"], width, config["n_head"], config.get("n_inner") or 4 * width, config["vocab_size"],
        config["n_positions"], ACTIVATIONS[config.get("activation_function", "gelu_new")], flags,
        float(config.get("layer_norm_epsilon", 1e-5)), int(stored), WEIGHTS[weight_type],
    )))
    staging, room = unsigned(engine.stagingAddress(model)), CONTRACT["STAGING_BYTES"]
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
    pages = -(-config["n_positions"] // CONTRACT["PAGE_TOKENS"])
    engine.grow_to(unsigned(engine.layoutCache(model, config["n_positions"], pages, 1, CACHES[cache_type], 1)))
    engine.initialiseCache(model)
    return model, config


def digests(engine, folder, ids, weight_type="f32", cache_type="f32"):
    """SHA-256 of all logits, and of all hidden states, as golden.json has them."""
    model, config = load(engine, folder, weight_type, cache_type)
    layers, width, vocabulary = config["n_layer"], config["n_embd"], config["vocab_size"]
    slot = engine.openSequence(model)
    most, head_rows = CONTRACT["MAX_ROWS"], CONTRACT["HEAD_ROWS"]
    row_bytes, logits_bytes = 4 * engine.rowStride(model), 4 * engine.logitsStride(model)

    def rows(address, stride, count, wanted):
        return b"".join(engine.read(address + row * stride, 4 * wanted) for row in range(count))

    hidden = [b""] * (layers + 1)
    logits = b""
    for start in range(0, len(ids), most):
        part = ids[start : start + most]
        engine.write(unsigned(engine.stepEntries(model)), words(slot, len(part), CONTRACT["MODE_ALL"]))
        engine.write(unsigned(engine.stepIds(model)), words(*part))
        assert engine.beginStep(model, 1) == 0
        for layer in range(layers):
            hidden[layer] += rows(unsigned(engine.hiddenRows(model)), row_bytes, len(part), width)
            engine.runLayer(model, layer, 0)
        assert engine.finishStep(model) == 0
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
