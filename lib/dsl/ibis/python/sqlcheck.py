"""Parses untrusted SQL with sqlglot, which Ibis compiles through, and brings a query to one normal form."""

import ibis
import ibis.backends.sql.compilers as compilers
import sqlglot
from checker import RequestError, make_tables
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.simplify import simplify

MAX_SQL = 100_000


def check_sql(sql, schema=None, dialect="duckdb"):
    """`{"ok", "canonical"}` or `{"ok", "error"}`. With a schema the columns are resolved and must exist."""
    try:
        return {"ok": True, "canonical": canonical(sql, schema, dialect)}
    except ParseError as error:
        return {"ok": False, "error": describe_parse_error(error)}
    except (SqlglotError, ValueError, TypeError, RecursionError) as error:
        return {"ok": False, "error": {"type": type(error).__name__, "message": str(error)[:4000]}}


def canonical(sql, schema, dialect):
    if len(sql) > MAX_SQL:
        raise ValueError(f"the SQL has {len(sql)} characters; the limit is {MAX_SQL}")
    compiler = compiler_of(dialect)
    sql_dialect = compiler.dialect
    statements = [s for s in sqlglot.parse(sql, read=sql_dialect) if s is not None]
    if len(statements) != 1:
        raise ValueError(f"the SQL holds {len(statements)} statements, not one")
    query = statements[0]
    if not isinstance(query, exp.Query):
        raise TypeError(f"the statement is a {query.key.upper()}, not a query")
    query = normalize_identifiers(query, dialect=sql_dialect)
    if schema is not None:
        make_tables(schema)  # raises RequestError where it is the schema that is wrong
        types = {
            table: {column: compiler.type_mapper.to_string(ibis.dtype(t)) for column, t in columns.items()}
            for table, columns in schema.items()
        }
        query = qualify(query, schema=types, dialect=sql_dialect, canonicalize_table_aliases=True)
    query = simplify(query, dialect=sql_dialect)
    return query.sql(dialect=sql_dialect, pretty=True, identify=True, comments=False)


def compiler_of(dialect):
    provider = getattr(compilers, dialect, None)
    if not hasattr(provider, "compiler"):
        raise RequestError(f"{dialect!r} is not a dialect that Ibis compiles to", "dialect-unknown")
    return provider.compiler


def describe_parse_error(error):
    result = {"type": type(error).__name__, "message": str(error)[:4000]}
    first = error.errors[0] if error.errors else {}
    if first.get("description"):
        result["message"] = first["description"]
    if first.get("line"):
        # sqlglot gives the column of the last character of the token at fault, counted from 1.
        column = max(first["col"] - len(first.get("highlight") or " "), 0)
        result["position"] = {
            "line": first["line"],
            "column": column,
            "endLine": first["line"],
            "endColumn": first["col"],
        }
    return result
