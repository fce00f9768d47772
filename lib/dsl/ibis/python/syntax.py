"""Reads a text into its syntax tree, within bounds and within the part of Python that a query may use."""

import ast
import io
import re
import tokenize

from limits import Refused
from scopes import YIELDS

MAX_SOURCE = 20_000
MAX_DEPTH = 250
MAX_NODES = 8_000
MAX_STATEMENT_TOKENS = 3_000
MAX_UNARY_RUN = 50

# What has no use in a query, and what it is called.
REFUSED_SYNTAX = {
    "Await": "await",
    "AsyncFunctionDef": "an asynchronous function", "AsyncFor": "an asynchronous loop",
    "AsyncWith": "an asynchronous with block", "TryStar": "except*",
    "TypeAlias": "a type alias", "TemplateStr": "a template string",
}  # fmt: skip

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[^\n`]*")


def parse(source):
    """The tree of `source`. Raises SyntaxError, as Python would, Refused or RecursionError."""
    if len(source) > MAX_SOURCE:
        raise Refused(f"the text has {len(source)} characters; the limit is {MAX_SOURCE}", "parse")
    if "\0" in source:
        raise SyntaxError("source code string cannot contain null bytes", ("<text>", 1, 1, None))
    source = without_fences(source)
    bound_tokens(source)
    tree = ast.parse(source)
    bound_tree(tree)
    if not tree.body:
        raise SyntaxError("the text holds no expression", ("<text>", 1, 1, None))
    # Python finds some mistakes only when it compiles: a return outside a function, an argument named twice. The code is
    # thrown away unseen; nothing of it runs.
    compile(tree, "<text>", "exec", dont_inherit=True)
    return tree


def without_fences(source):
    """A text that is one block in Markdown fences without these; its lines keep their numbers."""
    lines = source.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if not filled:
        return source
    opening = FENCE.fullmatch(lines[filled[0]].rstrip())
    if opening is None:
        return source
    lines[filled[0]] = ""
    closing = lines[filled[-1]].strip()
    if len(filled) > 1 and closing.startswith(opening[1]) and not closing.strip(opening[1][0]):
        lines[filled[-1]] = ""
    return "\n".join(lines)


def bound_tree(tree):
    level, depth, count = [tree], 0, 0
    statements = set()  # the yields that stand as one
    while level:
        depth += 1
        count += len(level)
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise Refused(f"the text nests over {MAX_DEPTH} levels or holds over {MAX_NODES} nodes", "parse")
        for node in level:
            name = type(node).__name__
            if name in REFUSED_SYNTAX:
                raise at(Refused(f"{REFUSED_SYNTAX[name]} has no part in a query", "parse"), node)
            if isinstance(node, YIELDS) and id(node) not in statements:
                raise at(Refused("a yield whose value is used has no part in a query", "parse"), node)
            if isinstance(node, ast.Expr) and isinstance(node.value, YIELDS):
                statements.add(id(node.value))
            if isinstance(node, ast.comprehension) and node.is_async:
                raise Refused("an asynchronous comprehension has no part in a query", "parse")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def bound_tokens(source):
    """Refuses what would overflow the stack of CPython's own parser, which in WebAssembly ends the process."""
    count = run = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            count = 0 if token.type == tokenize.NEWLINE else count + 1
            run = run + 1 if token.string in ("-", "+", "~", "not") else 0
            if count > MAX_STATEMENT_TOKENS or run > MAX_UNARY_RUN:
                raise Refused(
                    f"a statement has over {MAX_STATEMENT_TOKENS} tokens or {MAX_UNARY_RUN} operators in a row",
                    "parse",
                )
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser says it better


def at(error, node):
    error.node = node
    return error
