"""Self-contained programs out of files that people wrote. Nothing of a file is run: what a program is, its syntax tree
tells, and the tables that it makes are made by the check's own interpreter."""

import ast
import copy
import textwrap

from bases import FRAME, Given, Named, inlined, used, without_aliases, written
from checker import POLICY, Failure, build
from interpreter import Interpreter
from limits import Refused
from sites import Climb, File, NoSite, does_something, ended, imports_of, is_ibis, read
from slices import Slice, names_read

MAX_PROGRAM = 750
MAX_EXAMPLES = 40


def programs_at(text, sites):
    """For each site of a file what it is made into: `{"programs": […]}`, or `{"reason", "detail"}`."""
    try:
        file = opened(text)
    except NoSite as error:
        return [refusal(error)] * len(sites)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [refusal(NoSite("its file does not parse", f"{type(error).__name__}: {error}"[:200]))] * len(sites)
    return [attempt(file, site) for site in sites]


def refusal(error):
    return {"reason": error.reason, "detail": error.detail}


def opened(text):
    tree = read(text)
    tree = Named(imports_of(tree)).visit(tree)
    return File(tree)


def attempt(file, site):
    try:
        programs = MAKERS[site["excerpt"]](file, site)
    except NoSite as error:
        return refusal(error)
    except (RecursionError, MemoryError) as error:
        return refusal(NoSite("its file nests too deep", type(error).__name__))
    return {"programs": programs}


def span(site):
    return site["line"], site["column"], site["endLine"], site["endColumn"]


def of_statement(file, site):
    return [program_of(file, Climb(file).whole(file.at(*span(site))))]


def program_of(file, node):
    """The program whose value is that of `node`, an expression of the file."""
    node = ended(node)
    if not does_something(node):
        raise NoSite("it does nothing with its table")
    for above in file.above(node):
        if isinstance(above, ast.With) and any("raises" in ast.unparse(item.context_expr) for item in above.items):
            raise NoSite("it is meant to fail")
        if isinstance(above, ast.FunctionDef) and any("xfail" in ast.unparse(d).partition("(")[0] for d in above.decorator_list):
            raise NoSite("it is meant to fail")
    found = Slice(file, has_module)
    found.of(node)
    given = Given(file.imports, evaluate)
    final = ast.Expr(node, lineno=node.lineno, col_offset=0)
    sliced = inlined([copy.deepcopy(s) for s in (*found.ordered(), final)], found.literals)
    *statements, final = [given.statement(s) for s in sliced]
    statements, final, tables = without_aliases(statements, final, found.tables)
    statements = used(statements, final)
    if not does_something(final):
        raise NoSite("it does nothing with its table")
    frame = next((t for t in tables if FRAME.search(t)), None)
    if frame is not None:
        raise NoSite("its table is a data frame", frame)
    if not tables:
        raise NoSite("it has no table")
    text = written([*statements, final])
    if len(text) > MAX_PROGRAM:
        raise NoSite("it is too long", f"{len(text)} characters; the most is {MAX_PROGRAM}")
    named = {n.id for s in [*statements, final] for n in ast.walk(s) if isinstance(n, ast.Name)}
    schemas = {t: s for t, s in given.schemas.items() if t in named}
    return {"text": text, "given": schemas, "free": [t for t in tables if t not in schemas and t in named]}


def has_module(name):
    try:
        POLICY.load(name)
        return True
    except (Refused, ImportError):
        return False


def evaluate(statements):
    """The value of a program that makes a table."""
    tree = ast.fix_missing_locations(ast.Module([copy.deepcopy(s) for s in statements], []))
    try:
        return build(tree, {}, Interpreter)
    except Failure as failure:
        raise NoSite("a table's schema cannot be read", f"{type(failure.error).__name__}: {failure.error}"[:200]) from None


def of_function(file, site):
    """What a function returns, and the function itself where it says what it does."""
    function = file.definition(site["line"], site["endLine"], ast.FunctionDef)
    returns = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
    last = function.body[-1]
    if returns != [last] or last.value is None:
        raise NoSite("a function returns more than one value", function.name)
    program = program_of(file, last.value)
    docstring = ast.get_docstring(function)
    if docstring is not None and file.parents[function] is file.tree and len(function.body) > 1:
        own = copy.deepcopy(function)
        own.body, own.decorator_list = own.body[1:], []
        free = [n for n in names_read(own) if not is_ibis(file.imports.get(n))]
        text = written([own])
        if not free and not function.decorator_list and len(text) <= MAX_PROGRAM and len(docstring) <= MAX_PROGRAM:
            program |= {"function": text, "docstring": docstring}
    return [program]


def of_docstring(file, site):
    """Each expression among the examples of a docstring that is a query."""
    owner = file.definition(site["line"], site["endLine"], (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))
    code = examples(ast.get_docstring(owner, clean=True) or "")
    if not code:
        raise NoSite("a docstring has no examples")
    try:
        inner = opened(code)
    except SyntaxError as error:
        raise NoSite("a docstring's examples do not parse", str(error)[:200]) from None
    # An example need not import what every one of its readers has.
    for name, module in (("ibis", "ibis"), ("_", "ibis._")):
        inner.imports.setdefault(name, module)
    programs, fault = [], None
    for statement in inner.tree.body[:MAX_EXAMPLES]:
        value = getattr(statement, "value", None)
        if not isinstance(statement, (ast.Expr, ast.Assign)) or value is None:
            continue
        try:
            programs.append(program_of(inner, value))
        except NoSite as error:
            fault = fault or error
    if programs:
        return programs
    raise fault or NoSite("a docstring has no examples")


def examples(docstring):
    """The statements of the sessions in a text, without what they print."""
    lines = []
    for line in docstring.split("\n"):
        bare = line.strip()
        if bare.startswith((">>> ", "... ")):
            lines.append(bare[4:])
        elif bare == "...":
            lines.append("")
    text = textwrap.dedent("\n".join(lines))
    return text if "import ibis" in text or not text else f"import ibis\nfrom ibis import _\n{text}"


def of_pair(file, site):
    """A program and the SQL that the file says is the same."""
    node = file.at(*span(site))
    sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else list(getattr(node, "args", ()))
    sql, query = None, None
    for side in sides[:2]:
        inner = side
        if isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute):
            base = side.func.value
            if isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr == "sql" and base.args:
                inner = base.args[0]
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            sql = textwrap.dedent(inner.value).strip()
        else:
            query = side
    if sql is None or query is None:
        raise NoSite("there is no SQL beside it")
    return [program_of(file, query) | {"sql": sql}]


MAKERS = {"statement": of_statement, "function": of_function, "docstring": of_docstring, "pair": of_pair}
