"""The digest that tests/suites/unicode.test.ts expects: how the reference cuts every code point, in a text of several contexts, into words."""
import hashlib

from tokenizers import pre_tokenizers

cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
digest = hashlib.sha256()
for code in range(0x110000):
    if 0xD800 <= code < 0xE000:
        continue
    c = chr(code)
    ends = [end for _, (_, end) in cut.pre_tokenize_str(f"x{c} {c}'s1{c}{c}\n{c}!{c} {c}")]
    digest.update(bytes([len(ends), *ends]))
print(digest.hexdigest())
