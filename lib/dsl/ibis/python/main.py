"""The worker's door: one JSON request in, one JSON answer out. No exception leaves by it, whatever its kind."""

import gc
import json
import time
import traceback

import collectable  # noqa: F401 before anything makes what it replaces
import graphs
import ibis
import names
import objects
from api import describe_api
from checker import ADDRESS, RequestError, check
from mined import programs_at
from neighbours import neighbours
from sqlcheck import check_sql, duckdb_tables
from trace import trace

names.install()
graphs.install()
objects.install()
# What is loaded stays: the collector need not look through it again and again.
gc.collect()
gc.freeze()

# The function of `checker` or `sqlcheck` that an exception passed through tells the rung.
RUNGS = {"parse_text": "parse", "parse_query": "parse", "compile_sql": "compile", "label": "compile"}


def unforeseen(error):
    """The rung and the error of a verdict on a text that raised what nobody expected."""
    try:
        passed = [frame.name for frame in traceback.extract_tb(error.__traceback__, limit=50)]
        message = names.settle(ADDRESS.sub("", str(error)))[:4000]
    except BaseException:  # an exception that cannot be read is still one
        passed, message = [], "the exception has no message that can be read"
    stage = next((RUNGS[name] for name in passed if name in RUNGS), "build")
    return {"stage": stage, "ok": False, "error": {"type": type(error).__name__, "message": message}}


def verdict_of(judge, timed):
    """What `judge` gives, made sure that JSON can hold it; a verdict as well when it raises anything at all."""
    start = time.perf_counter()
    try:
        names.forget()
        verdict = judge()
        json.dumps(verdict, allow_nan=False)
        return verdict
    except RequestError:
        raise
    except BaseException as error:
        verdict = unforeseen(error)
        if timed:
            verdict["milliseconds"] = round((time.perf_counter() - start) * 1000, 3)
        return verdict
    finally:
        graphs.forget()


def check_one(text, schema=None, dialect="duckdb", label=False):
    return verdict_of(lambda: check(text, schema, dialect, label), True)


def check_many(items, label=False):
    verdicts = []
    for index, item in enumerate(items):
        try:
            verdicts.append(
                check_one(item["text"], item.get("schema"), item.get("dialect") or "duckdb", label)
            )
        except RequestError as error:
            raise RequestError(f"item {index}: {error}", error.code) from error
    return verdicts


def check_sql_text(sql, schema=None, dialect="duckdb", wanted="canonical"):
    return verdict_of(lambda: check_sql(sql, schema, dialect, wanted), False)


def version():
    return {"name": "ibis-framework", "version": ibis.__version__}


METHODS = {
    "check": check_one,
    "checkMany": check_many,
    "checkSql": check_sql_text,
    "duckdbTables": duckdb_tables,
    "neighbours": neighbours,
    "programsAt": programs_at,
    "describeApi": describe_api,
    "trace": trace,
    "version": version,
}


def handle(method, params):
    """JSON text of `{"result": …}` or `{"error": {"code", "message"}}`."""
    try:
        return json.dumps({"result": METHODS[method](**json.loads(params))}, allow_nan=False)
    except RequestError as error:
        return json.dumps({"error": {"code": error.code, "message": str(error)}})
    except BaseException as error:
        described = unforeseen(error)["error"]
        message = f"{described['type']}: {described['message']}"
        return json.dumps({"error": {"code": "sandbox-internal", "message": message}})
