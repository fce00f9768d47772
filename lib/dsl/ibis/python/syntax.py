"""Reads a text into a syntax tree, within bounds and within the grammar of what a check evaluates."""

import ast
import io
import re
import tokenize
import warnings

from policy import Refused

MAX_SOURCE = 20_000
MAX_DEPTH = 250
MAX_NODES = 8_000
MAX_STATEMENT_TOKENS = 3_000
MAX_UNARY_RUN = 50

GRAMMAR = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.Expr,
    ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass, ast.Assert, ast.Global, ast.Nonlocal,
    ast.FunctionDef, ast.Return, ast.Try, ast.ExceptHandler, ast.Raise,
    ast.Constant, ast.Name, ast.Attribute, ast.NamedExpr,
    ast.Call, ast.keyword, ast.Starred, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.Slice,
    ast.List, ast.Tuple, ast.Dict, ast.Set, ast.IfExp, ast.Lambda, ast.arguments, ast.arg, ast.ListComp, ast.DictComp,
    ast.SetComp, ast.GeneratorExp, ast.comprehension, ast.JoinedStr, ast.FormattedValue,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip

FENCE = re.compile(r"\s*(`{3,}|~{3,})[ \t]*([\w+-]*)[ \t]*\n(.*\n)?[ \t]*\1[ \t]*\s*", re.DOTALL)


def describe(node):
    return {
        "ClassDef": "a class definition", "With": "a with block", "AsyncWith": "an async with block",
        "AsyncFunctionDef": "an async function definition", "AsyncFor": "an async loop", "Await": "await",
        "Yield": "yield", "YieldFrom": "yield from", "Match": "a match statement", "TryStar": "an except* block",
    }.get(type(node).__name__, type(node).__name__)  # fmt: skip


def unfenced(source):
    """`source` without the Markdown fences around the whole of it; every other line keeps its place."""
    match = FENCE.fullmatch(source)
    if match is None:
        return source
    before = source[: match.start(3)] if match[3] is not None else source
    return "\n" * before.count("\n") + (match[3] or "")


def parse(source):
    """The tree of `source`. Raises SyntaxError, Refused or RecursionError."""
    if len(source) > MAX_SOURCE:
        raise Refused(f"the text has {len(source)} characters; the limit is {MAX_SOURCE}", "parse")
    if "\0" in source:
        raise SyntaxError("source code string cannot contain null bytes", ("<text>", 1, 1, None))
    source = unfenced(source)
    bound_tokens(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(source, filename="<text>")
        outside = bound_nodes(tree)
        # Finds what the grammar alone does not say, such as a `return` outside a function. The code is thrown away.
        compile(source, "<text>", "exec", dont_inherit=True)
    if outside is not None:
        error = Refused(f"{describe(outside)} is not available: a check evaluates functions, loops and assignments", "parse")
        error.node = outside if hasattr(outside, "lineno") else None
        raise error
    if not tree.body:
        raise SyntaxError("the text holds no expression", ("<text>", 1, 1, None))
    return tree


def bound_nodes(tree):
    """The first node that is not in the grammar. Raises Refused where the tree is too deep or too large."""
    level, depth, count, outside = [tree], 0, 0, None
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise Refused(f"the text nests over {MAX_DEPTH} levels or holds over {MAX_NODES} nodes", "parse")
        for node in level:
            unknown = not isinstance(node, GRAMMAR) or isinstance(node, ast.comprehension) and node.is_async
            if unknown and outside is None:
                outside = node
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return outside


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
