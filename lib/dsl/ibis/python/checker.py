"""Climbs the ladder with one text: parse → names → build → compile. The answer is a plain dict, ready for JSON."""

import ast
import re
import time

import ibis
import ibis.backends.sql.compilers as compilers
import ibis.common.exceptions as exc
import inference
import names
import plan
import regexes
from disarm import disarm
from ibis.common.deferred import Deferred
from ibis.expr.types import Table, Value
from ibis.expr.types.groupby import GroupedTable
from interpreter import Interpreter, parse
from limits import Refused
from policy import Policy
from tables import namespace, variables

disarm()
POLICY = Policy()

# A repr in a message carries the address of an object; without it the same text gives the same verdict.
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
MISSING_COLUMN = re.compile(r"^Column .* is not found in table\.", re.DOTALL)


class RequestError(Exception):
    """The caller's schema or dialect is at fault, not the text."""

    def __init__(self, message, code="schema-invalid"):
        super().__init__(message)
        self.code = code


class Failure(Exception):
    """A rung that was not passed: the stage, the real exception, and the node at which it happened."""

    def __init__(self, stage, error, node=None):
        super().__init__(str(error))
        self.stage, self.error, self.node = stage, error, node


def make_tables(schema):
    """Unbound tables, one for each entry. Raises RequestError that names the table and column at fault."""
    tables = {}
    for name, columns in schema.items():
        types = {}
        for column, dtype in columns.items():
            try:
                types[column] = ibis.dtype(dtype)
            except Exception as error:
                reason = ADDRESS.sub("", str(error)).strip().splitlines()
                raise RequestError(
                    f"table `{name}`, column `{column}`: {dtype!r} is not an Ibis type ({reason[0] if reason else type(error).__name__})"
                )
        tables[name] = ibis.table(types, **namespace(name))
    return tables


def stage_of(error):
    if isinstance(error, Refused):
        return error.stage
    if isinstance(error, (NameError, AttributeError, ImportError, exc.TableNotFound)):
        return "names"
    if isinstance(error, exc.IbisTypeError) and MISSING_COLUMN.match(str(error)):
        return "names"
    return "build"


def parse_text(text):
    try:
        return parse(text)
    except (SyntaxError, Refused, RecursionError, MemoryError, ValueError) as error:
        raise Failure("parse", error, getattr(error, "node", None))


def build(tree, tables, make_interpreter=Interpreter):
    """The Ibis expression that the tree makes over `tables`."""
    POLICY.begin(tables)
    interpreter = make_interpreter(POLICY, variables(tables))
    try:
        value = POLICY.result(interpreter.run(tree))
    except Exception as error:
        node = interpreter.failure[1] if interpreter.failure and interpreter.failure[0] is error else None
        raise Failure(stage_of(error), error, narrow(node, error))
    if not isinstance(value, (Table, Value)):
        raise Failure("build", TypeError(not_an_expression(value)), tree.body[-1])
    return value


def narrow(node, error):
    """The attribute that a deferred lookup could not resolve, when the failing call names it exactly once."""
    name = getattr(error, "name", None)
    if node is None or not isinstance(error, AttributeError) or name is None:
        return node
    found = [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == name]
    return found[0] if len(found) == 1 else node


def not_an_expression(value):
    if isinstance(value, GroupedTable):
        return "the text ends in a grouped table: follow group_by with aggregate, mutate, select, count or another method that gives a table"
    if isinstance(value, Deferred):
        return "the text ends in a deferred value: `_` has a table only inside a table's method"
    if value is None:
        return "the text ends in no value: its last line must be an expression"
    return f"the text ends in a {type(value).__name__}, not in an Ibis table or value"


def compile_sql(expr, dialect):
    if not hasattr(getattr(compilers, dialect, None), "compiler"):
        raise RequestError(f"{dialect!r} is not a dialect that Ibis compiles to", "dialect-unknown")
    try:
        return names.settle(str(ibis.to_sql(expr, dialect=dialect)))
    except Exception as error:
        raise Failure("compile", error)


def position(node):
    """Where a node stands. Of a method chain, the attribute or call at fault rather than the chain's first line."""
    if node is None:
        return None
    line, column = node.lineno, node.col_offset
    target = node.func if isinstance(node, ast.Call) else node
    if isinstance(target, ast.Attribute):
        line, column = target.end_lineno, target.end_col_offset - len(target.attr.encode())
    return {"line": line, "column": column, "endLine": node.end_lineno, "endColumn": node.end_col_offset}


def describe_error(error, node):
    name = "PermissionError" if isinstance(error, Refused) else type(error).__name__
    if isinstance(error, SyntaxError):
        message = error.msg or ""
        where = {"line": max(error.lineno or 1, 1), "column": max((error.offset or 1) - 1, 0)}
        if error.end_lineno and error.end_offset and error.end_offset > 0:
            where |= {"endLine": error.end_lineno, "endColumn": error.end_offset - 1}
    else:
        message, where = str(error), position(node)
    message = names.settle(ADDRESS.sub("", message))
    result = {"type": name, "message": message if len(message) <= 4000 else message[:4000] + " …"}
    if where is not None:
        result["position"] = where
    return result


def check(text, schema=None, dialect="duckdb", label=False):
    """The verdict on `text`; with `label` also the plan's hash and the result's columns and types."""
    start = time.perf_counter()
    inferred = None
    regexes.Budget.begin()
    try:
        tree = parse_text(text)
        if schema is None:
            expr, inferred = inference.build(tree, make_tables, build, Failure, POLICY)
        else:
            expr = build(tree, make_tables(schema))
        verdict = {"stage": "compile", "ok": True, "sql": compile_sql(expr, dialect)}
        if label:
            verdict |= plan.label(expr)
    except Failure as failure:
        verdict = {"stage": failure.stage, "ok": False, "error": describe_error(failure.error, failure.node)}
        if isinstance(failure.error, Refused):
            verdict["refused"] = True
        inferred = getattr(failure, "schema", inferred)
        if getattr(failure, "depends", False):
            verdict["dependsOnSchema"] = True
    if inferred is not None:
        verdict["inferredSchema"] = inferred
    verdict["milliseconds"] = round((time.perf_counter() - start) * 1000, 3)
    return verdict
