"""What the tokenizers library of Hugging Face makes of every code point, as JSON: for scripts/reference-tables.mjs."""
import json
import unicodedata
import tokenizers
from tokenizers import normalizers, pre_tokenizers

ALL = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def where(holds):
    return [code for code in ALL if holds(chr(code))]


def pieces(pre_tokenizer):
    return lambda text: [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]


words, spaces = pieces(pre_tokenizers.Whitespace()), pieces(pre_tokenizers.WhitespaceSplit())
punctuation, digits = pieces(pre_tokenizers.Punctuation("isolated")), pieces(pre_tokenizers.Digits(individual_digits=True))
accents = normalizers.StripAccents()
bert = {name: normalizers.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), name: True}) for name in ("clean_text", "handle_chinese_chars", "strip_accents")}
lower = normalizers.Lowercase()


def contexts(code):
    """A character alone, after the mark of the highest class, before the mark of the lowest."""
    return [chr(code), "\u0345" + chr(code), chr(code) + "\u0334"]


def changed(of):
    return {code: of(code) for code in ALL if of(code) != contexts(code)}


forms = {name: getattr(normalizers, name)() for name in ("NFC", "NFD", "NFKC", "NFKD")}

print(json.dumps({
    "version": tokenizers.__version__,
    "space": where(lambda c: len(spaces("a" + c + "a")) == 2),
    "word": where(lambda c: words("a" + c) == ["a" + c]),
    "punctuation": where(lambda c: len(punctuation("\u4e00" + c)) == 2),
    "numeric": where(lambda c: len(digits("a" + c)) == 2),
    "combining": where(lambda c: accents.normalize_str(c) == ""),
    "nonspacing": where(lambda c: forms["NFD"].normalize_str(c) == c and bert["strip_accents"].normalize_str(c) == ""),
    "other": where(lambda c: bert["clean_text"].normalize_str(c) == ""),
    "chinese": where(lambda c: bert["handle_chinese_chars"].normalize_str(c) != c),
    "lower": {code: lower.normalize_str(chr(code)) for code in ALL if lower.normalize_str(chr(code)) != chr(code)},
    **{name: changed(lambda code: [form.normalize_str(text) for text in contexts(code)]) for name, form in forms.items()},
    # An older Unicode, as the oldest engines have it.
    "older": {"lower": {code: chr(code).lower() for code in ALL if chr(code).lower() != chr(code)},
        **{name: changed(lambda code: [unicodedata.normalize(name, text) for text in contexts(code)]) for name in forms}},
}))
