"""Texts of the SmolLM2 goldens, written for them."""

CODE = '''import ibis
from ibis import _

orders = ibis.table({"order_id": "int64", "customer": "string", "placed": "timestamp", "total": "float64"}, name="orders")
customers = ibis.table({"customer": "string", "city": "string", "since": "date"}, name="customers")

# Revenue by city and month, for the cities in which more than one hundred orders were placed.
monthly = (
    orders.join(customers, "customer")
    .mutate(month=_.placed.truncate("M"))
    .group_by(["city", "month"])
    .aggregate(revenue=_.total.sum(), orders=_.count())
    .filter(_.orders > 100)
    .order_by([ibis.desc("revenue"), "city"])
    .limit(20)
)
print(ibis.to_sql(monthly, dialect="duckdb"))
'''

PROSE = '''A lazy table expression holds no rows. It is a plan: which tables to read, which rows to keep, how to join and group
them, and in which order to return the result. Nothing runs until a program asks for an answer, and by then the whole plan
is known, so a compiler can check every column name and every type, push filters down to the tables, and write one SQL
statement for the database in which the data already lives. Mistakes appear early, as errors about names and types.
'''

QUESTION = '''How do I count the distinct customers of each city, and keep only the ten largest?
Group by city, aggregate with nunique, sort in descending order, and take the first ten rows.
'''

PROMPTS = {
    "prose": "The capital of France is",
    "code": 'def read_lines(path):\n    """Return the lines of a text file, without line endings."""\n',
    "chat": (
        "<|im_start|>user\nIn one sentence, what does GROUP BY do in SQL?<|im_end|>\n<|im_start|>assistant\n"
    ),
}
