"""The worker's door: one JSON request in, one JSON answer out."""

import json

import ibis
from api import describe_api
from checker import RequestError, check
from sqlcheck import check_sql


def check_many(items, label=False):
    verdicts = []
    for index, item in enumerate(items):
        try:
            verdicts.append(check(item["text"], item.get("schema"), item.get("dialect") or "duckdb", label))
        except RequestError as error:
            raise RequestError(f"item {index}: {error}", error.code) from error
    return verdicts


def version():
    return {"name": "ibis-framework", "version": ibis.__version__}


METHODS = {
    "check": check,
    "checkMany": check_many,
    "checkSql": check_sql,
    "describeApi": describe_api,
    "version": version,
}


def handle(method, params):
    """JSON text of `{"result": …}` or `{"error": {"code", "message"}}`."""
    try:
        return json.dumps({"result": METHODS[method](**json.loads(params))})
    except RequestError as error:
        return json.dumps({"error": {"code": error.code, "message": str(error)}})
