"""What a text may take of time and memory, and the refusal that says so."""

import re

MAX_ITEMS = 20_000
MAX_TEXT = 20_000
MAX_INTEGER_BITS = 4_096
MAX_EXPONENT = 6_144  # of a Decimal, as IEEE 754 has it for 128 bits: its text and its integer stay short
FORMAT_FIELD = re.compile(r"\{([^{}]*)\}")
WIDE = re.compile(r"\d{4}")


class Refused(PermissionError):
    """The text is Python, and perhaps Ibis, but asks for what a check does not give."""

    def __init__(self, message, stage="names"):
        super().__init__(message)
        self.stage = stage


def refusal(name):
    return f"`{name}` is not available: a text is compiled, it reads, runs and connects nothing"


def bound_text(length):
    if length > MAX_TEXT:
        raise Refused(f"a string of {length} characters is over the limit of {MAX_TEXT}", "build")


def bound_items(length, kind="list"):
    if length > MAX_ITEMS:
        raise Refused(f"a {kind} of {length} items is over the limit of {MAX_ITEMS}", "build")


def bound_bits(bits):
    if bits > MAX_INTEGER_BITS:
        raise Refused(f"an integer of {bits} bits is over the limit of {MAX_INTEGER_BITS}", "build")


def bound_power(base, exponent):
    """Before `base ** exponent` of integers is computed."""
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        bound_bits(int(base).bit_length() * abs(exponent))


def walks_or_swells(field):
    """Whether a format field reads attributes or has a huge width: Ibis formats column names by the text's patterns."""
    name, _, spec = field.partition(":")
    return "__" in name or bool(WIDE.search(spec))
