"""The worker's door: one JSON request in, one JSON answer out."""

import json

import ibis
from checker import SchemaError, check


def check_many(items, label=False):
    return [check(item["text"], item.get("schema"), item.get("dialect") or "duckdb", label) for item in items]


def version():
    return {"name": "ibis-framework", "version": ibis.__version__}


METHODS = {"check": check, "checkMany": check_many, "version": version}


def handle(method, params):
    """JSON text of `{"result": …}` or `{"error": {"code", "message"}}`."""
    try:
        return json.dumps({"result": METHODS[method](**json.loads(params))})
    except SchemaError as error:
        return json.dumps({"error": {"code": "schema-invalid", "message": str(error)}})
