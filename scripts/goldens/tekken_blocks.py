"""Ids of many strings of all kinds in mistral-common, as one hash for each block of strings.

    .venv-goldens/bin/python scripts/goldens/tekken_blocks.py

The strings are not kept: from lib/models/goldens/tekken/kinds.json, which says what each kind is put together from, this
script and lib/models/testing/tekken-strings.ts make the same ones. Writes blocks.json { versions, strings, block, hashes }
beside it, of the tokenizer in tekken.json there.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from mistral_common.tokens.tokenizers.tekken import Tekkenizer

FOLDER = Path(__file__).resolve().parents[2] / "lib/models/goldens/tekken"
STRINGS = 10_000
BLOCK = 250
SEED = 20250525


def is_stable(point: int) -> bool:
    """Whether no version of Unicode will make something else of it: libraries differ in theirs."""
    never = 0xD800 <= point < 0xE000 or 0x40000 <= point < 0xE0000 or point & 0xFFFE == 0xFFFE or 0xFDD0 <= point < 0xFDF0
    return never or unicodedata.category(chr(point)) != "Cn"


def strings(count: int) -> Iterator[str]:
    kinds = list(json.loads((FOLDER / "kinds.json").read_text()).values())
    for kind in kinds:
        for part in kind["of"]:
            if isinstance(part, list):
                unstable = next((point for point in range(part[0], part[1] + 1) if not is_stable(point)), None)
                if unstable is not None:
                    raise SystemExit(f"kinds.json: U+{unstable:04X} is not assigned in every version of Unicode")
    state = SEED

    def draw(below: int) -> int:
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        high = state >> 16
        state = (state * 1664525 + 1013904223) % 2**32
        return (high << 16 | state >> 16) % below

    for index in range(count):
        kind = kinds[index % len(kinds)]
        text = ""
        for _ in range(kind["least"] + draw(kind["most"] - kind["least"] + 1)):
            part = kind["of"][draw(len(kind["of"]))]
            times = 1 + draw(kind["repeat"])
            text += (part if isinstance(part, str) else chr(part[0] + draw(part[1] - part[0] + 1))) * times
        yield text


def hashes(tokenizer: Tekkenizer, count: int = STRINGS) -> list[str]:
    """SHA-256 of each block's ids, those of a string on a line."""
    found: list[str] = []
    lines: list[str] = []
    for text in strings(count):
        lines.append(",".join(map(str, tokenizer.encode(text, bos=False, eos=False))) + "\n")
        if len(lines) == BLOCK:
            found.append(hashlib.sha256("".join(lines).encode()).hexdigest())
            lines.clear()
    return found


def main() -> None:
    golden = {
        "versions": {name: version(name) for name in ("mistral_common", "tiktoken")},
        "strings": STRINGS,
        "block": BLOCK,
        "hashes": hashes(Tekkenizer.from_file(FOLDER / "tekken.json")),
    }
    (FOLDER / "blocks.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
