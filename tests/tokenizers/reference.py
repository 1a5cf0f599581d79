"""
The reference's ids and texts: reads {"kinds": {name: tokenizer.json}, "texts": {name: [text]}, "samples": {name: [ids]}} and writes
{name: {"rows": [{ids, text}], "decoded": [text]}}.
"""
import json
import sys

from tokenizers import Tokenizer

with open(sys.argv[1], encoding="utf-8") as file:
    given = json.load(file)
result = {}
for name, kind in given["kinds"].items():
    try:
        tokenizer = Tokenizer.from_str(json.dumps(kind))
    except Exception as error:
        result[name] = {"error": str(error)}
        continue
    tokenizer.no_truncation()
    rows = []
    for text in given["texts"][name]:
        try:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
        except Exception as error:
            rows.append({"error": str(error)})
            continue
        rows.append({"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)})
    result[name] = {"rows": rows, "decoded": [tokenizer.decode(ids, skip_special_tokens=False) for ids in given["samples"].get(name, [])]}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(result, file)
