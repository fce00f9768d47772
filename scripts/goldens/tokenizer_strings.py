"""The seeded strings on which tokenizers are compared: code, SQL, Unicode, white space, control characters, special tokens."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

from texts import CODE, PROSE, QUESTION

NAMES = ["orders", "t", "price_usd", "df", "_", "group_by", "n_rows2", "HTTPServer", "customerID", "x1", "été", "日付"]
WORDS = (PROSE + QUESTION).split() + ["we'll", "it's", "I'M", "they'RE", "don’t", "naïve", "Straße", "ПРИВЕТ", "slot_42"]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\n\n\n", "    ", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\ufeff", "\v"]
SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<file_sep>", "<|im_", "|>", "<s>", "[INST]", "</s>"]
# Blocks: Latin supplements, combining marks, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Hangul, CJK, numbers, symbols,
# emoji, mathematical letters, an astral script, astral ideographs.
BLOCKS = [
    (0xA1, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x669), (0x904, 0x96F),
    (0xE01, 0xE5B), (0xAC00, 0xACFF), (0x4E00, 0x4FFF), (0x2070, 0x218B), (0x2460, 0x24FF), (0x2200, 0x22FF), (0x1F600, 0x1F64F),
    (0x1D400, 0x1D4FF), (0x10330, 0x1034A), (0x20000, 0x200FF),
]  # fmt: skip
CLUSTERS = ["👩‍👩‍👧", "🇨🇭", "e\u0301", "ก็", "नि", "\u202eabc\u202c", "👍🏽", "ﬁ", "Å", "ǆ", "İ", "ß"]


def code(r: random.Random) -> str:
    name = lambda: r.choice(NAMES)  # noqa: E731
    number = lambda: r.choice([str(r.randrange(10 ** r.randrange(1, 9))), f"{r.random() * 1000:.3f}", "0x1F", "1e-9"])  # noqa: E731
    forms: list[Callable[[], str]] = [
        lambda: f"{name()}.{name()}({name()}=_.{name()}.sum(), {name()}={number()})",
        lambda: f"def {name()}({name()}: int = {number()}) -> list[str]:\n    return [{name()} for {name()} in {name()}]\n",
        lambda: f'{name()}["{name()}"] {r.choice(["==", "!=", "<=", ">>", "//", "**"])} {number()}  # {r.choice(WORDS)}',
        lambda: f"if (!{name()}) {{\n\tthrow new Error(`${{{name()}}} ≠ {number()}`);\n}}",
        lambda: CODE[(start := r.randrange(len(CODE) - 60)) : start + r.randrange(10, 60)],
    ]
    return r.choice(forms)()


def sql(r: random.Random) -> str:
    name = lambda: r.choice(NAMES)  # noqa: E731
    select = r.choice(["SELECT", "select", "Select"])
    return (
        f'{select} "{name()}"."{name()}", COUNT(*) AS c{r.randrange(99)}{r.choice([" ", chr(10)])}FROM {name()} '
        f"WHERE {name()} >= DATE '20{r.randrange(10, 30)}-0{r.randrange(1, 10)}-1{r.randrange(10)}' GROUP BY {r.randrange(1, 4)};"
    )


def prose(r: random.Random) -> str:
    return " ".join(r.choice(WORDS) for _ in range(r.randrange(1, 9))) + r.choice(["", ".", "?!", "…", ":\n"])


def unicode(r: random.Random) -> str:
    out = ""
    for _ in range(r.randrange(1, 8)):
        low, high = r.choice(BLOCKS)
        run = "".join(chr(r.randint(low, high)) for _ in range(r.randrange(1, 5)))
        # What is unassigned may be assigned by the next Unicode, at another time in each library.
        out += "".join(c for c in run if unicodedata.category(c) != "Cn") + r.choice(["", " ", r.choice(CLUSTERS)])
    return out


def white_space(r: random.Random) -> str:
    return "".join(r.choice([r.choice(SPACES) * r.randrange(1, 5), r.choice(NAMES), "."]) for _ in range(r.randrange(1, 7)))


def control(r: random.Random) -> str:
    controls = [*range(32), 127, *range(0x80, 0xA0), 0x200B, 0x200D, 0xFFFD]
    return "".join(r.choice([chr(r.choice(controls)), r.choice("ab 1")]) for _ in range(r.randrange(1, 9)))


def special(r: random.Random) -> str:
    parts = [r.choice([r.choice(SPECIALS), r.choice(WORDS), " ", "\n"]) for _ in range(r.randrange(1, 7))]
    return "".join(parts)


def digits(r: random.Random) -> str:
    return "".join(r.choice([str(r.randrange(1000)), r.choice("½²¾①Ⅻ٣४๕"), " ", ".", "a"]) for _ in range(r.randrange(1, 8)))


KINDS = [code, code, sql, prose, unicode, unicode, white_space, control, special, digits]


def strings(count: int, seed: int = 20250525) -> list[str]:
    """`count` distinct strings, of every kind in turn."""
    r = random.Random(seed)
    seen: dict[str, None] = {"": None}
    while len(seen) < count:
        seen[KINDS[len(seen) % len(KINDS)](r)] = None
    return list(seen)
