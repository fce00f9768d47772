"""`re` as a text may import it. A pattern's work is bounded before it is matched: the engine backtracks, and no limit of
ours is asked while it does.
"""

import functools
import re
from re import _constants as codes
from re import _parser

from exceptions import allow
from guarded import Constructor
from limits import Refused, bound_text
from values import Function, Stub, call, callee, is_text_function

MAX_PATTERN = 300
MAX_SUBJECT = 2_000
MAX_WORK = 100_000_000  # steps of the engine that all matches of a text may take, by the bound
COMPILED = 200  # steps that a character of a pattern is worth when it is compiled
FOLDED_RANGE = 20_000  # and a range of characters whose case is ignored: each of them is folded
FLAGS = {n: int(getattr(re, n)) for n in "A ASCII I IGNORECASE M MULTILINE S DOTALL U UNICODE X VERBOSE".split()}
KNOWN_FLAGS = functools.reduce(int.__or__, FLAGS.values())
ENDLESS = 10**18

REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
SINGLE = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN, codes.AT)


class Budget:
    """Of the text that is evaluated now."""

    left = MAX_WORK

    @classmethod
    def begin(cls):
        cls.left = MAX_WORK

    @classmethod
    def spend(cls, work):
        if work > cls.left:
            raise Refused("a regular expression may have to try too many ways here: simplify it or match less text", "build")
        cls.left -= work


def simple(tree, within=False):
    """Refuses backreferences, repeats without end within others, and what is not known here."""
    for code, argument in tree:
        if code in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            raise Refused("backreferences in a regular expression are not available", "build")
        if code in REPEATS:
            endless = argument[1] is codes.MAXREPEAT
            if endless and within:
                raise Refused("repeats without end within one another are not available in a regular expression", "build")
            simple(argument[2], within or endless)
        elif code is codes.BRANCH:
            for branch in argument[1]:
                simple(branch, within)
        elif code is codes.SUBPATTERN:
            simple(argument[3], within)
        elif code is codes.ATOMIC_GROUP:
            simple(argument, within)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            simple(argument[1], within)
        elif code not in SINGLE:
            raise Refused(f"{str(code).lower()} in a regular expression is not available", "build")


def effort(tree, size):
    """`(ways, work)`: in how many ways `tree` may match at one place in a text of `size`, and the steps to try them all."""
    ways, work = 1, 0
    for code, argument in tree:
        of_item, steps = 1, 1
        if code in REPEATS:
            least, most, body = argument
            turns = max(size // max(body.getwidth()[0], 1) + 1, least if body.getwidth()[0] == 0 else 0)
            turns = min(int(most), turns)
            inner, each = effort(body, size)
            each += 1
            if inner == 1:
                of_item, steps = max(turns - min(int(least), turns), 0) + 1, (turns + 1) * each
            else:
                of_item = min(inner ** min(turns + 1, 60), ENDLESS)
                steps = of_item * each
        elif code is codes.BRANCH:
            parts = [effort(branch, size) for branch in argument[1]]
            of_item, steps = sum(w for w, _ in parts), sum(s for _, s in parts) + len(parts)
        elif code is codes.SUBPATTERN:
            of_item, steps = effort(argument[3], size)
        elif code is codes.ATOMIC_GROUP:
            of_item, steps = effort(argument, size)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            of_item, steps = effort(argument[1], size)
        elif code is codes.IN:
            steps = 1 + len(argument)
        work = min(work + ways * max(steps, 1), ENDLESS)
        ways = min(ways * of_item, ENDLESS)
    return ways, work


def ranges(tree):
    """How many ranges of characters `tree` holds, at whatever depth."""
    if isinstance(tree, (_parser.SubPattern, list, tuple)):
        return sum(map(ranges, tree))
    return tree is codes.RANGE


class Match(Stub):
    kind = "re.Match"

    def __init__(self, match):
        self.match = match

    def members(self):
        match = self.match
        found = {n: Function(getattr(match, n), n) for n in "group groups groupdict start end span".split()}
        return found | {n: getattr(match, n) for n in "string pos endpos lastgroup lastindex".split()}

    def __getitem__(self, group):
        return self.match[group]


class Pattern(Stub):
    kind = "re.Pattern"

    def __init__(self, pattern, flags):
        if not isinstance(pattern, str):
            raise Refused(f"a regular expression is a string here, not {type(pattern).__name__}", "build")
        if not isinstance(flags, int):
            raise TypeError(f"flags must be an int, not {type(flags).__name__}")
        if flags & ~KNOWN_FLAGS:
            raise Refused("of the flags of `re`, a text has " + ", ".join(n for n in FLAGS if len(n) > 1), "build")
        if len(pattern) > MAX_PATTERN:
            raise Refused(f"a regular expression of {len(pattern)} characters is over the limit of {MAX_PATTERN}", "build")
        Budget.spend(COMPILED * len(pattern))
        self.tree = _parser.parse(pattern, flags)
        simple(self.tree)
        if self.tree.state.flags & re.IGNORECASE:
            Budget.spend(FOLDED_RANGE * ranges(self.tree.data))
        self.compiled = re.compile(pattern, flags)

    def members(self):
        methods = {n: Function(getattr(self, n), n) for n in METHODS}
        return methods | {n: getattr(self.compiled, n) for n in ("pattern", "flags", "groups")} | {
            "groupindex": dict(self.compiled.groupindex)
        }

    def bound(self, text, places):
        """Before `text` is matched from each of `places` on."""
        if not isinstance(text, str):
            raise TypeError(f"expected string or bytes-like object, got '{type(text).__name__}'")
        if len(text) > MAX_SUBJECT:
            raise Refused(f"a regular expression takes texts of up to {MAX_SUBJECT} characters here", "build")
        Budget.spend(places(len(text)) * effort(self.tree, len(text))[1])

    def one(self, find, string):
        self.bound(string, (lambda size: size + 1) if find == "search" else lambda size: 1)
        match = getattr(self.compiled, find)(string)
        return None if match is None else Match(match)

    def match(self, string):
        return self.one("match", string)

    def search(self, string):
        return self.one("search", string)

    def fullmatch(self, string):
        return self.one("fullmatch", string)

    def every(self, string):
        # After an empty match the engine tries the same place once more.
        self.bound(string, lambda size: 2 * size + 2)
        return self.compiled.finditer(string)

    def findall(self, string):
        self.every(string)
        return self.compiled.findall(string)

    def finditer(self, string):
        return [Match(match) for match in self.every(string)]

    def split(self, string, maxsplit=0):
        self.every(string)
        return self.compiled.split(string, maxsplit)

    def sub(self, repl, string, count=0):
        return self.subn(repl, string, count)[0]

    def subn(self, repl, string, count=0):
        matches = self.every(string)
        if isinstance(repl, str):
            if len(repl) > MAX_PATTERN:
                raise Refused(f"a replacement of {len(repl)} characters is over the limit of {MAX_PATTERN}", "build")
            self.compiled.sub(repl, "")  # a template that is none is an error even where nothing matches
            replaced = lambda match: match.expand(repl)  # noqa: E731
        elif callable(repl) and (is_text_function(repl) or isinstance(repl, Function) or callee(repl)):
            replaced = lambda match: call(repl, Match(match))  # noqa: E731
        else:
            raise TypeError(f"decoding to str: need a bytes-like object, {type(repl).__name__} found")
        parts, length, end, done = [], 0, 0, 0
        for match in matches:
            if 0 < count <= done:
                break
            new = replaced(match)
            if not isinstance(new, str):
                raise TypeError(f"expected str instance, {type(new).__name__} found")
            parts += [string[end : match.start()], new]
            length += match.start() - end + len(new)
            bound_text(length)
            end, done = match.end(), done + 1
        return "".join([*parts, string[end:]]), done


METHODS = "match search fullmatch findall finditer split sub subn".split()


def compile(pattern, flags=0):
    if isinstance(pattern, Pattern):
        if flags:
            raise ValueError("cannot process flags argument with a compiled pattern")
        return pattern
    return Pattern(pattern, flags)


def escape(pattern):
    if not isinstance(pattern, str):
        raise TypeError(f"decoding to str: need a bytes-like object, {type(pattern).__name__} found")
    bound_text(2 * len(pattern))
    return re.escape(pattern)


def members():
    def search(name):
        return lambda pattern, string, flags=0: getattr(compile(pattern, flags), name)(string)

    return {
        **{name: search(name) for name in ("match", "search", "fullmatch", "findall", "finditer")},
        "split": lambda pattern, string, maxsplit=0, flags=0: compile(pattern, flags).split(string, maxsplit),
        "sub": lambda pattern, repl, string, count=0, flags=0: compile(pattern, flags).sub(repl, string, count),
        "subn": lambda pattern, repl, string, count=0, flags=0: compile(pattern, flags).subn(repl, string, count),
        "compile": compile,
        "escape": escape,
        "error": re.error,
        "Pattern": Constructor(Pattern, unmade),
        "Match": Constructor(Match, unmade),
        **FLAGS,
    }


def unmade(*_args, **_kwargs):
    raise TypeError("cannot create 're' instances")


allow([re.error])
