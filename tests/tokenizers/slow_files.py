"""Random sets of a slow tokenizer's files and what transformers makes of them: writes tests/fixtures/slow-tokenizers.json, which
tests/suites/slow-tokenizer.test.ts reads.

    pip install transformers==5.24.0 tokenizers==0.23.3 && python tests/tokenizers/slow_files.py
"""
import json
import logging
import os
import random
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer

logging.disable(logging.WARNING)
rnd = random.Random(8)
SETS, TEXTS = 60, 8
TOKENS = ["<|user|>", "<|end|>", "[PAD]", "<s>", "</s>", "tok", "ng", "<m>", " x", "Hi there", "<|", "|>", "in"]
SPECIAL = ["<s>", "</s>", "[PAD]", "<|endoftext|>", "<|user|>", "<mask>"]
PIECES = [*TOKENS, "<|endoftext|>", "<mask>", "Hi", "<img>", "ing", " ", "  ", "\n", "a", "é", "1", "_", "!", "\u0085", "x"]

others = iter(range(256, 512))
BYTES = [chr(b if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else next(others)) for b in range(256)]
MERGES = "#version: 0.2\nH i\ni n\nin g\nĠ H\n"


def chance(p):
    return rnd.random() < p


def flags(content, **more):
    return {"content": content, **{name: chance(0.3) for name in ["lstrip", "rstrip", "single_word", "normalized"] if chance(0.9)}, **more}


def token(content, typed):
    if chance(0.6):
        return content
    return flags(content, __type="AddedToken") if typed else flags(content)


def files():
    ends = [["<|endoftext|>"], ["<|endoftext|>", "</s>"], ["<|endoftext|>", "<s>", "[PAD]"], ["</s>"]]
    tail = ["Hi", "in", "ing", "ĠH", *rnd.choice(ends)]
    vocab = {word: i for i, word in enumerate([*BYTES, *tail])}
    made = {}
    some = rnd.sample(TOKENS, rnd.randint(0, 5))
    new = [t for t in some if t not in vocab]
    if chance(0.5):
        made["added_tokens.json"] = {t: len(vocab) + i for i, t in enumerate(new)}
    if chance(0.7):
        config = made["tokenizer_config.json"] = {}
        if chance(0.5):
            config["tokenizer_class"] = "GPT2Tokenizer"
        if chance(0.4):
            config["add_prefix_space"] = chance(0.5)
        if chance(0.5):
            ids = {t: vocab.get(t, len(vocab) + new.index(t) if t in new else None) for t in some}
            config["added_tokens_decoder"] = {str(i): flags(t, special=chance(0.5)) for t, i in ids.items()}
        for name in ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "image_token"]:
            if chance(0.3):
                config[name] = rnd.choice([token(rnd.choice(SPECIAL), True), "<|endoftext|>", None])
        if chance(0.2):
            config["additional_special_tokens"] = [token(t, True) for t in rnd.sample(TOKENS, 2)]
        if chance(0.2):
            config["extra_special_tokens"] = rnd.choice([[], {}, ["<m>", "<x>"], {"img_token": "<img>"}])
    if chance(0.5):
        named = made["special_tokens_map.json"] = {}
        for name in ["bos_token", "eos_token", "unk_token", "pad_token", "mask_token", "image_token"]:
            if chance(0.35):
                named[name] = token(rnd.choice(SPECIAL), False)
        if chance(0.3):
            named["additional_special_tokens"] = rnd.sample(TOKENS, 2)
        if chance(0.15):
            named["extra_special_tokens"] = rnd.choice([[], {}, ["<m>", "<y>"], {"img_token": "<img>"}])
    return tail, vocab, made


rows = []
while len(rows) < SETS:
    tail, vocab, made = files()
    texts = ["".join(rnd.choice(PIECES) for _ in range(rnd.randint(1, 9))) for _ in range(TEXTS)]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"vocab.json": vocab, "config.json": {"model_type": "gpt2"}, **made}.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file)
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
            file.write(MERGES)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        rows.append({"tail": tail, "files": made, "texts": [[text, tokenizer.encode(text, add_special_tokens=False)] for text in texts]})
target = os.path.join(os.path.dirname(__file__), "../fixtures/slow-tokenizers.json")
with open(target, "w", encoding="utf-8") as file:
    file.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows) + "\n]\n")
