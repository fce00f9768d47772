"""Judges untrusted SQL with sqlglot, which Ibis compiles through, and brings a query to one normal form.

sqlglot knows the grammar of a dialect but not its binder, so it refuses only what is certain: text that does not
parse, tables and columns that the schema lacks, and the mistakes of `sqlrules`. Unknown functions pass.
"""

import itertools
import re

import ibis
import ibis.backends.sql.compilers as compilers
import sqlglot
import sqlrules
from checker import RequestError, make_tables
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.optimizer.qualify_columns import qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import MappingSchema
from sqlglot.tokens import TokenType
from tables import table_parts

MAX_SQL = 100_000
# Types that DuckDB has only with an extension, or not at all: their columns may be bound to anything.
NO_DUCKDB_TYPE = '"NULL"'
# The aliases that the normal form gives to tables.
CANONICAL_ALIAS = re.compile(r"_\d+")
# What gives rows.
QUERIES = (exp.Query, exp.Values, exp.Pivot)


def check_sql(sql, schema=None, dialect="duckdb", wanted="canonical"):
    """
    `{"stage", "ok"}` with `error`; when the text is one query, also what is `wanted` beyond the "verdict": "duckdb", of other
    dialects, or that and "canonical".
    """
    compiler = compiler_of(dialect)
    if schema is not None:
        make_tables(schema)  # raises RequestError where it is the schema that is wrong
    try:
        query = parse_query(sql, compiler.dialect)
    except (ParseError, TokenError, ValueError, TypeError, RecursionError) as error:
        return {"stage": "parse", "ok": False, "error": describe_parse_error(sql, error)}
    tables = None if schema is None else Tables(schema, compiler, query)
    try:
        qualified, failure = resolve(query, tables, compiler.dialect)
    except RecursionError:  # parsed, but too deep to walk
        return {"stage": "compile", "ok": True}
    answer = {"stage": "compile", "ok": True}
    if tables is not None:
        try:
            sqlrules.judge(query, qualified, failure, tables, compiler.dialect)
        except sqlrules.Mistake as mistake:
            answer = {"stage": mistake.stage, "ok": False, "error": describe_mistake(sql, mistake)}
        except RecursionError:
            pass
    if wanted == "verdict":
        return answer
    if dialect != "duckdb" and (executable := in_duckdb(query)) is not None:
        answer["duckdb"] = executable
    if wanted == "duckdb":
        return answer
    text = canonical(query, qualified, compiler.dialect)
    return answer if text is None else answer | {"canonical": text}


def in_duckdb(query):
    """The query in DuckDB's SQL, for running it; None where sqlglot knows that DuckDB has no such thing."""
    try:
        return query.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE, comments=False)
    except Exception:
        return None


def duckdb_tables(schema):
    """The tables of `schema` as DuckDB makes them, and the columns whose types it lacks."""
    make_tables(schema)
    mapper = compiler_of("duckdb").type_mapper
    tables, lacking = [], []
    for table, columns in schema.items():
        listed = []
        for column, text in columns.items():
            dtype = ibis.dtype(text)
            try:
                kind = mapper.to_string(dtype)
            except Exception:
                kind = NO_DUCKDB_TYPE
            if dtype.is_geospatial() or dtype.is_inet() or dtype.is_macaddr() or dtype.is_unknown():
                kind = NO_DUCKDB_TYPE
            if kind == NO_DUCKDB_TYPE:
                lacking.append(column)
            listed.append([column, kind])
        tables.append({"path": table_parts(table), "columns": listed})
    return {"tables": tables, "lacking": lacking}


def compiler_of(dialect):
    provider = getattr(compilers, dialect, None) if isinstance(dialect, str) else None
    if not hasattr(provider, "compiler"):
        raise RequestError(f"{dialect!r} is not a dialect that Ibis compiles to", "dialect-unknown")
    return provider.compiler


def parse_query(sql, dialect):
    if len(sql) > MAX_SQL:
        raise ValueError(f"the SQL has {len(sql)} characters; the limit is {MAX_SQL}")
    known = Dialect.get_or_raise(dialect)
    tokens = known.tokenize(sql)
    for before, token in itertools.pairwise(tokens):
        if before.token_type == token.token_type == TokenType.COMMA:  # sqlglot's parser passes over it
            raise ParseError.new("Expected an expression after a comma", line=token.line, col=token.col, highlight=",")
    statements = [
        s for s in known.parser().parse(tokens, sql) if s is not None and not isinstance(s, exp.Semicolon)
    ]
    if len(statements) != 1:
        raise ValueError(f"the SQL holds {len(statements)} statements, not one")
    if not isinstance(statements[0], QUERIES):
        raise TypeError(f"a query is asked for, not {statements[0].key.upper()}")
    return statements[0]


class Tables:
    """The schema as sqlglot takes it, spelled as the schema spells it, and the query's identifiers brought to that."""

    def __init__(self, schema, compiler, query):
        self.columns = {}
        for table, columns in schema.items():
            # Ibis writes what a dialect takes as a name, and a table of the dialect has no other.
            types = {compiler._gen_valid_name(name): self.type_of(compiler, text) for name, text in columns.items()}
            self.columns[table] = types
        self.spelling = {}
        for name in {*schema, *(c for columns in self.columns.values() for c in columns)}:
            self.spelling.setdefault(name.casefold(), set()).add(name)
        self.mapping = MappingSchema(self.columns, dialect=compiler.dialect, normalize=False)
        self.respell(query, Dialect.get_or_raise(compiler.dialect))

    @staticmethod
    def type_of(compiler, text):
        try:
            return compiler.type_mapper.from_ibis(ibis.dtype(text))
        except Exception:  # the dialect lacks the type; the column may still be there unread
            return exp.DataType.build("unknown")

    def respell(self, query, dialect):
        loose = dialect.normalization_strategy is NormalizationStrategy.CASE_INSENSITIVE
        for identifier in query.find_all(exp.Identifier):
            spellings = self.spelling.get(identifier.this.casefold(), ())
            if (loose or not identifier.quoted) and len(spellings) == 1:
                identifier.set("this", next(iter(spellings)))
            else:
                dialect.normalize_identifier(identifier)
            identifier.set("quoted", True)


def resolve(query, tables, dialect):
    """The query with its tables and columns qualified, or None and the reason why sqlglot cannot."""
    if tables is None:
        return None, None
    try:
        # As `qualify` does it, but for the case of identifiers, which the schema has settled.
        qualified = qualify_tables(query.copy(), dialect=dialect)
        return qualify_columns(qualified, tables.mapping, dialect=dialect), None
    except RecursionError:
        raise
    except Exception as error:
        return None, error


def canonical(query, qualified, dialect):
    """
    The normal form, or None. Queries of one form mean the same: it settles layout, comments, quotes, some needless brackets,
    the case of identifiers that have none, and with a schema stars, qualification and the aliases of tables.
    """
    try:
        form = query.copy() if qualified is None else qualified.copy()
        if qualified is not None and not any(CANONICAL_ALIAS.fullmatch(i.name) for i in form.find_all(exp.Identifier)):
            try:
                form = qualify_tables(form, dialect=dialect, canonicalize_table_aliases=True)
            except Exception:
                form = qualified.copy()
        if qualified is None:
            known = Dialect.get_or_raise(dialect)
            for identifier in form.find_all(exp.Identifier):
                known.normalize_identifier(identifier)
        return unwrap(form, dialect).sql(dialect=dialect, pretty=True, identify=True, comments=False)
    except Exception:
        return None


def unwrap(query, dialect):
    """Without the brackets that say nothing: the text without them parses to the same tree."""

    def bare(tree):
        tree = tree.copy()
        for paren in list(tree.find_all(exp.Paren)):
            if paren is tree:
                return tree
            paren.replace(paren.this)
        return tree

    wanted = bare(query)
    text = wanted.sql(dialect=dialect, identify=True, comments=False)
    if text == query.sql(dialect=dialect, identify=True, comments=False):
        return query
    try:
        again = sqlglot.parse_one(text, read=dialect)
        if again.sql(dialect=dialect, identify=True, comments=False) == text and bare(again) == again == wanted:
            return wanted
    except Exception:
        pass
    return query


def describe_parse_error(sql, error):
    result = {"type": type(error).__name__, "message": str(error)[:4000]}
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    if first.get("description"):
        result["message"] = first["description"]
    line = first.get("line")
    if line and line <= sql.count("\n") + 1:
        # sqlglot gives the column of the last character of the token at fault, counted from 1.
        text = sql.split("\n")[line - 1]
        end = first["col"]
        start = max(end - len(first.get("highlight") or " "), 0)
        result["position"] = {
            "line": line,
            "column": width(text[:start]),
            "endLine": line,
            "endColumn": width(text[:end]),
        }
    return result


def describe_mistake(sql, mistake):
    result = {"type": type(mistake.error).__name__, "message": str(mistake.error)[:4000]}
    start, end = mistake.place or (None, None)
    if start is not None and end < len(sql):
        before, within = sql[:start], sql[: end + 1]
        result["position"] = {
            "line": before.count("\n") + 1,
            "column": width(before[before.rfind("\n") + 1 :]),
            "endLine": within.count("\n") + 1,
            "endColumn": width(within[within.rfind("\n") + 1 :]),
        }
    return result


def width(text):
    """Columns count bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))
