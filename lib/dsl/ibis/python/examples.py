"""Short texts that regular expressions match: names of columns that a text looks for by a pattern."""

from re import _constants as constants
from re import _parser as pattern_parser

from regexes import Pattern


def example_of(pattern):
    """A short text that a regular expression matches, or the empty text where it is too clever."""
    try:
        text = spell(pattern_parser.parse(pattern))
        return text if Pattern(pattern, 0).search(text) is not None else ""
    except Exception:
        return ""


def spell(tokens):
    text = ""
    for kind, value in tokens:
        if kind is constants.LITERAL:
            text += chr(value)
        elif kind is constants.ANY:
            text += "1"
        elif kind is constants.NOT_LITERAL:
            text += "1" if value != ord("1") else "2"
        elif kind is constants.IN:
            text += member(value)
        elif kind is constants.BRANCH:
            text += spell(value[1][0])
        elif kind is constants.SUBPATTERN:
            text += spell(value[-1])
        elif kind in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            text += spell(value[2]) * min(max(value[0], 1), 8)
    return text


def member(choices):
    """A character of a class in brackets."""
    for candidate in "1xaA_ -.":
        compiled = choices[1:] if choices[0][0] is constants.NEGATE else choices
        inside = any(holds(kind, value, candidate) for kind, value in compiled)
        if inside != (choices[0][0] is constants.NEGATE):
            return candidate
    first = choices[0]
    return chr(first[1] if first[0] is constants.LITERAL else first[1][0])


def holds(kind, value, character):
    code = ord(character)
    if kind is constants.LITERAL:
        return code == value
    if kind is constants.RANGE:
        return value[0] <= code <= value[1]
    return {
        constants.CATEGORY_DIGIT: character.isdigit(),
        constants.CATEGORY_WORD: character.isalnum() or character == "_",
        constants.CATEGORY_SPACE: character.isspace(),
    }.get(value, False)
