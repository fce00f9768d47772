"""What the Rust tokenizers make of each part that a tokenizer.json may have: ids, and what they decode to.

    .venv-goldens/bin/python scripts/goldens/tokenizer_parts.py

Writes lib/models/goldens/tokenizer-parts.json { versions, texts, bases { name: tokenizer.json }, cases { name: { base,
change, ids (one list a text), decoded } } }. A case is its base with the top-level keys of `change` replaced, those of
`change.model` and `change.added_tokens` added. The merges are chosen so that a cut in another place gives other ids.
"""

from __future__ import annotations

import copy
import json
from importlib.metadata import version
from typing import Any

from tokenizers import Tokenizer

from common import MODEL_GOLDENS, write_json

Json = dict[str, Any]

TEXTS = [
    "ab ab,ab",
    "  ab  a!!",
    "a<t> ab <t>ab  <t>",
    "()  12 (ab), 123",
    "é éa É Σας ΣΑΣ",
    "x\u0085y\ufeffz\u00a0w",
    "ab<s> ab",
    "Ａ１ ﬁ",
    "日本語 ab 😀!",
    "a\u0301b e\u0301a",
    "ab\n\n ab\t!",
    " ab",
    " ",
]


def token(id: int, content: str, **flags: bool) -> Json:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": id, "content": content, **plain, **flags}


def byte_characters() -> list[str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def base(characters: list[str], merges: list[tuple[str, str]], decoder: Json, first: Json, **model: object) -> Json:
    vocab = {character: i for i, character in enumerate(characters)}
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [first if first["id"] >= 0 else {**first, "id": len(vocab)}],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [list(pair) for pair in merges],
            **model,
        },
    }


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES_ALONE = {**BYTE_LEVEL, "use_regex": False}
BYTE_MERGES = [
    *[("a", "b"), ("Ġ", "a"), ("Ġ", "ab"), ("Ġa", "b"), ("ab", ","), (",", "Ġ"), ("!", "!"), ("a", "Ġ"), ("ab", "Ġ")],
    *[("1", "2"), ("(", ")"), ("Ġ", "Ġ"), ("Ã", "©"), ("Ã©", "a")],
]
SPACE_MERGES = [("▁", "a"), ("a", "b"), ("▁a", "b"), ("▁", "▁"), ("b", "▁")]
SENTENCE_PIECE = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ],
}
BASES = {
    "bytes": base(byte_characters(), BYTE_MERGES, BYTE_LEVEL, token(-1, "<eos>", special=True)),
    "spaces": base(
        ["<unk>", "<s>", *"▁ab,!()12é", *[f"<0x{byte:02X}>" for byte in range(256)]],
        SPACE_MERGES,
        SENTENCE_PIECE,
        token(1, "<s>", special=True),
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    ),
}


def cut(*parts: Json) -> Json:
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*parts, BYTES_ALONE]}}


def split(pattern: Json, behavior: str, invert: bool) -> Json:
    return cut({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})


def metaspace(scheme: str, **more: object) -> Json:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, **more}


def byte_cases() -> dict[str, Json]:
    whole: Json = {"pre_tokenizer": BYTE_LEVEL}
    behaviors = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    cases: dict[str, Json] = {
        "ByteLevel": whole,
        "ByteLevel with a space before": {"pre_tokenizer": {**BYTE_LEVEL, "add_prefix_space": True}},
        "Digits": cut({"type": "Digits", "individual_digits": False}),
        "Digits, each": cut({"type": "Digits", "individual_digits": True}),
        "Whitespace": cut({"type": "Whitespace"}),
        "WhitespaceSplit": cut({"type": "WhitespaceSplit"}),
        "BertPreTokenizer": cut({"type": "BertPreTokenizer"}),
        "FixedLength": cut({"type": "FixedLength", "length": 3}),
        "ignore_merges": {**whole, "model": {"ignore_merges": True}},
        "end_of_word_suffix": {**whole, "model": {"end_of_word_suffix": "Ġ"}},
    }
    for behavior in behaviors:
        cases[f"Split, {behavior}"] = split({"String": " "}, behavior, False)
        cases[f"Split of a pattern, {behavior}"] = split({"Regex": "\\s+"}, behavior, False)
        cases[f"Split inverted, {behavior}"] = split({"Regex": "[a-z]+"}, behavior, True)
        cases[f"Punctuation, {behavior}"] = cut({"type": "Punctuation", "behavior": behavior})
    normalizers: dict[str, Json] = {
        **{kind: {"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")},
        "NFD, StripAccents": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
        "Strip": {"type": "Strip", "strip_left": True, "strip_right": True},
        "Prepend": {"type": "Prepend", "prepend": "a"},
        "Replace": {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"},
        "Replace by a dollar": {"type": "Replace", "pattern": {"String": "a"}, "content": "$&"},
        "BertNormalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
    }
    cases |= {f"normalizer {name}": {**whole, "normalizer": value} for name, value in normalizers.items()}
    for flag in ("lstrip", "rstrip", "normalized", "single_word"):
        added = token(len(BASES["bytes"]["model"]["vocab"]) + 1, "<t>", **{flag: True})
        cases[f"added token with {flag}"] = {**whole, "normalizer": {"type": "NFC"}, "added_tokens": [added]}
    return cases


def space_cases() -> dict[str, Json]:
    to_spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    llama = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, to_spaces]}
    cases: dict[str, Json] = {
        "Llama 2's normalizer": {"normalizer": llama},
        "byte fallback alone": {
            "model": {"fuse_unk": False},
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        },
    }
    for scheme in ("always", "first", "never"):
        whole = metaspace(scheme, split=False)
        cases[f"Metaspace, {scheme}"] = {"pre_tokenizer": whole}
        cases[f"Metaspace with its decoder, {scheme}"] = {"pre_tokenizer": whole, "decoder": whole}
        cases[f"Metaspace split, {scheme}"] = {"pre_tokenizer": metaspace(scheme, split=True)}
    return cases


def changed(start: Json, change: Json) -> Json:
    result = {**copy.deepcopy(start), **change}
    result["model"] = {**start["model"], **change.get("model", {})}
    result["added_tokens"] = [*start["added_tokens"], *change.get("added_tokens", [])]
    return result


def golden(name: str, change: Json) -> Json:
    tokenizer = Tokenizer.from_str(json.dumps(changed(BASES[name], change)))
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    decoded = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
    return {"base": name, "change": change, "ids": ids, "decoded": decoded}


def main() -> None:
    cases = {name: golden("bytes", change) for name, change in byte_cases().items()}
    cases |= {name: golden("spaces", change) for name, change in space_cases().items()}
    write_json(
        MODEL_GOLDENS / "tokenizer-parts.json",
        {"versions": {"tokenizers": version("tokenizers")}, "texts": TEXTS, "bases": BASES, "cases": cases},
    )


if __name__ == "__main__":
    main()
