"""Small checkpoints that torch itself writes, in its new and its old format, for tests/suites/torch.test.ts.

    python write.py FOLDER

tests/fixtures/torch is what torch 2.15.0 wrote (but for no-checksums.bin, which older ones cannot write, all versions write the
same tensors); test:everywhere lets another version write them anew. The tensors are those of tests/support/checkpoint.ts.
"""
import collections
import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
import torch  # noqa: E402

LAYERS, C, F, V, P = 2, 6, 10, 11, 5
TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]


def tensor(name, shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    state = 7
    for character in name:
        state = (state * 31 + ord(character)) & 0xFFFFFFFF
    data = bytearray()
    for _ in range(count * torch.tensor([], dtype=dtype).element_size()):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data.append((state >> 24) & 0x3F)
    return torch.frombuffer(data, dtype=dtype).clone().reshape(shape)


def shapes():
    yield "wte.weight", [V, C]
    yield "wpe.weight", [P, C]
    for layer in range(LAYERS):
        for name, shape in {
            "ln_1.weight": [C], "ln_1.bias": [C], "attn.c_attn.weight": [C, 3 * C], "attn.c_attn.bias": [3 * C], "attn.c_proj.weight": [C, C],
            "attn.c_proj.bias": [C], "ln_2.weight": [C], "ln_2.bias": [C], "mlp.c_fc.weight": [C, F], "mlp.c_fc.bias": [F],
            "mlp.c_proj.weight": [F, C], "mlp.c_proj.bias": [C],
        }.items():
            yield f"h.{layer}.{name}", shape
    yield "ln_f.weight", [C]
    yield "ln_f.bias", [C]


def plain():
    """As transformers writes it: the head is the embedding, and the dict has the modules' versions as an attribute."""
    state = collections.OrderedDict((f"transformer.{name}", tensor(f"transformer.{name}", shape)) for name, shape in shapes())
    state["lm_head.weight"] = state["transformer.wte.weight"]
    state._metadata = collections.OrderedDict([("", {"version": 1}), ("transformer", {"version": 1})])
    return state


def types():
    """Parameters of each type in turn, under bare names, and masks among them as old checkpoints have them."""
    state = {}
    for i, (name, shape) in enumerate(shapes()):
        if name.endswith("attn.c_attn.weight"):
            prefix = name[: -len("c_attn.weight")]
            mask = torch.tril(torch.ones(P, P, dtype=torch.uint8)).view(1, 1, P, P)
            state[f"{prefix}bias"] = mask if prefix.startswith("h.0") else mask.bool()
            state[f"{prefix}masked_bias"] = torch.tensor(-1e4)
        state[name] = torch.nn.Parameter(tensor(name, shape, TYPES[i % 4]))
    state["step"] = torch.tensor([7], dtype=torch.int64)
    return state


def views():
    """All in one storage, in another order than by name: matrices transposed, rows wider than the embedding, one number for a whole bias."""
    wanted = [(name, tensor(name, shape)) for name, shape in shapes()]
    parts, places, at = [torch.full([3], 0.5)], {}, 3
    for name, value in reversed(wanted):
        if name == "ln_f.bias":
            stored = value[:1]
            place = ([C], [0], at)
        elif name == "wte.weight":
            stored = torch.full([V, C + 3], 0.25)
            stored[:, 2 : 2 + C] = value
            place = ([V, C], [C + 3, 1], at + 2)
        elif name.endswith(("c_attn.weight", "c_fc.weight")):
            stored = value.t().contiguous()
            place = (list(value.shape), [1, value.shape[0]], at)
        else:
            stored = value
            place = (list(value.shape), list(value.stride()), at)
        parts.append(stored.reshape(-1))
        places[name] = place
        at += stored.numel()
    flat = torch.cat(parts)
    # The head is another view of the same numbers, and so overlaps the embedding.
    state = {name: torch.as_strided(flat, *places[name]) for name, _ in wanted}
    state["lm_head.weight"] = torch.as_strided(flat, *places["wte.weight"])
    return state


class Code:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    path = lambda name: os.path.join(folder, name)
    for suffix, zipped in (("", True), ("-legacy", False)):
        save = lambda state, name: torch.save(state, path(f"{name}{suffix}.bin"), _use_new_zipfile_serialization=zipped)
        for make in (plain, types, views):
            save(make(), make.__name__)
        state = plain()
        names = list(state)
        index = {}
        for i, part in enumerate((["lm_head.weight"] + names[:9], names[9:-1])):
            shard = f"shard{suffix}-0000{i + 1}-of-00002.bin"
            torch.save({name: state[name] for name in part}, path(shard), _use_new_zipfile_serialization=zipped)
            index.update({name: shard for name in part})
        with open(path(f"shard{suffix}.index.json"), "w") as file:
            json.dump({"metadata": {"total_size": 1}, "weight_map": index}, file)
        save({"transformer.wte.weight": Code()}, "code")
        save({"state_dict": {"wte.weight": torch.ones(1)}, "epoch": 3}, "nested")
    if hasattr(torch.serialization, "set_crc32_options"):
        torch.serialization.set_crc32_options(False)
        torch.save(plain(), path("no-checksums.bin"))
    print(torch.__version__)


main(sys.argv[1])
