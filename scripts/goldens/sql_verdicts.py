"""What DuckDB's own binder says of SQL statements over a fixed schema, for lib/dsl/ibis/checker/sql-battery.test.ts.

DuckDB must be of the engine version of the npm package @duckdb/node-api:
    python -m venv .venv-sql && .venv-sql/bin/pip install duckdb==1.5.6 ibis-framework==12.0.0 sqlglot==30.30.0 packaging
    .venv-sql/bin/python scripts/goldens/sql_verdicts.py
"""

import json
import re
from pathlib import Path

import duckdb
import ibis
from ibis import _
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

OUT = Path(__file__).parents[2] / "lib/dsl/ibis/checker/goldens/sql_verdicts.json"

SCHEMA = {
    "orders": {"id": "int64", "a": "int64", "g": "string", "x": "float64", "d": "timestamp", "day": "date",
               "s": "struct<x: int64, y: string>", "l": "array<int64>", "m": "map<string, int64>", "j": "json",
               "dec": "decimal(12, 2)", "flag": "boolean", "tz": "timestamp('UTC')", "t3": "timestamp(3)", "u": "uuid",
               "deep": "array<struct<k: string, v: array<float64>>>"},
    "customers": {"id": "int64", "name": "string", "city": "string"},
    'od"d name': {"a b": "int64", "select": "string"},
}  # fmt: skip

VALID = """
select * from orders
SELECT o.* FROM orders AS o
select orders.* from orders
select o.*, c.name from orders o join customers c on o.id = c.id
select x.* from (select * from orders) x
with x as (select * from orders) select x.* from x
select t0.* exclude (a) from orders t0
select * exclude (a, g) from orders
select * replace (a + 1 as a) from orders
select * rename (a as b) from orders
select s.x, s.y from orders
select o.s.x from orders o
select orders.s.x + 1 from orders
select s['x'], struct_extract(s, 'y') from orders
select deep[1].k, deep[1].v[2] from orders
select m['k'], map_keys(m), cardinality(m) from orders
select a from orders -- trailing
select a from orders;
select a from orders; -- trailing
/* first */ select a from orders /* last */
select unnest(l) from orders
select id, unnest(l) as v from orders
select v from orders, unnest(l) as q(v)
select o.id, q.v from orders o, lateral (select unnest(o.l) as v) q
select o.id, q.n from orders o left join lateral (select count(*) as n from customers c where c.id = o.id) q on true
select id from orders qualify row_number() over (partition by g order by d) = 1
select id, sum(x) over (partition by g order by d rows between 2 preceding and current row) from orders
select id, lag(a, 1) over w from orders window w as (order by d)
select g, count(*) from orders group by g
select g, count(*) from orders group by 1
select g, count(*) from orders group by all
select g, count(*) as n from orders group by g having count(*) > 1
select g, count(*) as n from orders group by g having n > 1
select g as k, sum(a) from orders group by k
select g, count(*) filter (where a > 1) from orders group by g
select upper(g), sum(a) from orders group by upper(g)
select a + 1, count(*) from orders group by a + 1
select g, a, sum(x) from orders group by rollup (g, a)
select g, a, sum(x) from orders group by grouping sets ((g), (a), ())
select g, a, grouping(g), sum(x) from orders group by cube (g, a)
select count(*), max(a) from orders
select max(a) + 1 from orders
select any_value(a), first(g), arg_max(g, a), list(a), string_agg(g, ',') from orders
select a from orders union select id from customers
select a, g from orders union all select id, name from customers
select a from orders intersect select id from customers
select a from orders except select id from customers
select a from orders union all by name select id as a, name from customers
select * from orders where id in (select id from customers)
select * from orders o where exists (select 1 from customers c where c.id = o.id)
select (select max(id) from customers) from orders
select * from orders join customers using (id)
select * from orders natural join customers
select * from orders asof join customers on orders.id >= customers.id
select * from orders semi join customers using (id)
select * from orders anti join customers using (id)
select * from orders cross join customers
select * from orders positional join customers
select a as b, b + 1 as c from orders
select a as b from orders where b > 1
select a from orders order by g desc nulls last limit 10 offset 5
select a from orders order by 1
select distinct g from orders
select distinct on (g) g, a from orders order by g, a
with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select n from r
with a as (select 1 as k), b as (select k from a) select * from b
from orders
from orders select a where a > 1
table orders
values (1, 'a'), (2, 'b')
select * from (values (1, 'a')) v(i, t)
select [x + 1 for x in l if x > 2] from orders
select list_transform(l, lambda x: x + a) from orders
select list_filter(l, x -> x > 1) from orders
select list_sum(l), len(l), l[1:2] from orders
pivot orders on g using sum(a)
pivot orders on g using sum(a) group by id
select * from (pivot orders on g in ('p', 'q') using sum(a) group by id)
unpivot (select id, a from orders) on a into name n value v
select * from orders pivot (sum(a) for g in ('p', 'q'))
select columns('^a') from orders
select max(columns(*)) from customers
select case when a > 1 then 'x' else 'y' end from orders
select coalesce(g, 'none'), nullif(a, 0), ifnull(a, 0) from orders
select cast(g as integer), a::varchar, try_cast(g as double) from orders
select date_trunc('month', d), extract(year from d), year(day), d + interval 1 day from orders
select d - interval '2 hours', day - day, age(d, d) from orders
select tz::date, date_trunc('day', tz), tz at time zone 'UTC', t3 from orders
select strftime(d, '%Y'), epoch(d), date_diff('day', d, d) from orders
select j->'k', j->>'k', json_extract(j, '$.k') from orders
select u::varchar, dec * 2, dec + a, round(dec, 1) from orders
select g like 'a%', g ilike '%b', regexp_matches(g, 'a+'), g similar to 'x.*' from orders
select g || a, concat(g, 'x'), substr(g, 1, 2), g[1] from orders
select a / 2, a // 2, a % 2, a ** 2 from orders
select a between 1 and 2, a in (1, 2), a is null, g is distinct from 'x' from orders
select {'k': a, 'v': g}, [a, id], map {'k': a}, row(a, g) from orders
select * from range(10)
select * from generate_series(1, a) from orders
select i from range(3) r(i)
select "a b", "select" from "od""d name"
select A, G from ORDERS
select "A" from "Orders"
select 1
select 1/0
select null
select a from orders where a > $1
select random(), uuid(), current_date, now()
select quantile_cont(x, 0.5), median(x), stddev(x), corr(x, a) from orders
select approx_count_distinct(g), mode(g), histogram(a) from orders
select * from orders tablesample 10%
select * from orders using sample 5
select 'é' as "naïve" from orders
select $$it's$$ from orders
select e'a\\'b'
(select a from orders) union (select id from customers)
select count(distinct g), count(distinct (a, g)) from orders
select flag and not flag or a > 1 from orders
select row_number() over () from orders
select sum(sum(a)) over () from orders group by g
select a from orders where not exists (from customers where customers.id = orders.id)
summarize orders
describe orders
show tables
"""

INVALID = """
select * from nope
select * from nope.orders
select nope from orders
select orders.nope from orders
select o.a from orders
select c.a from orders o
select s.nope from orders
select o.s.nope from orders o
select deep[1].nope from orders
select 'é', nope from orders
select * from orders where nope > 1
select * from orders order by nope
select * from orders group by nope
select * exclude (nope) from orders
select * replace (1 as nope) from orders
select * from orders join customers using (nope)
select * from orders join customers on orders.id = customers.nope
select id from orders join customers on orders.id = customers.id
select columns('zzz') from orders
select nope(a) from orders
select nope(*) from orders
select * from nope(1)
select g, nope(a) over () from orders
select a from orders where sum(a) > 1
select a from orders where row_number() over () = 1
select sum(sum(a)) from orders
select a, count(*) from orders
select g, a, count(*) from orders group by g
select a from orders group by g
select a from orders having a > 1
select count(*) from orders group by sum(a)
select a from orders order by 3
select a from orders group by 4
select a from orders union select id, name from customers
select 1 union all select 1, 2
select * from orders except select * from customers
select a + g from orders
select a + s from orders
select date_trunc('month', g) from orders
select upper(a, g) from orders
select sum(g) from orders
select avg(g) from orders
select a and l from orders
select l + 1 from orders
select not s from orders
select a from orders where g + 1
select case when a then g else l end from orders
select substr(l, 1) from orders
select d + d from orders
select extract(nope from d) from orders
select cast(a as nope) from orders
select a::struct(x int) from orders
select (select a, g from orders)
select * from orders where id in (select id, name from customers)
select * from orders t join customers t on true
with x as (select 1) select y from x
with x(p, q) as (select 1) select * from x
with recursive r as (select 1 as n union all select m from r) select * from r
select * from (values (1, 2), (3)) v
select lag(a) from orders
select rank() from orders
select list_transform(l, lambda x: x + nope) from orders
select [y + 1 for x in l] from orders
pivot orders on nope using sum(a)
pivot orders on g using nope(a)
unpivot customers on nope into name n value v
select unnest(a) from orders
select q.nope from orders, unnest(l) as q(v)
select * from orders limit 'x'
select distinct on (nope) a from orders
select a from orders qualify nope = 1
select sum(a) over nope from orders
select m.k from orders
select 1 + from orders
selec a from orders
select a from
select a from orders where
select (a from orders
select a b c from orders
select a,, g from orders
select 'open from orders
select "open from orders
select case a then 1 end from orders
select a from orders group g
select a from orders limit
with x as select 1 select * from x
select * from orders join
/* open select 1
insert into orders(id) values (1)
update orders set a = 1
delete from orders
drop table orders
create table t2 as select * from orders
copy orders to 'out.csv'
attach 'x.db'
pragma show_tables
set threads = 4
explain select a from orders
with x as (select 1 as k) insert into orders(id) select k from x
select 1; select 2
select 1; drop table orders
begin
call pragma_version()
"""


def ibis_statements():
    """SQL that Ibis itself compiles."""
    o, c = (ibis.table(SCHEMA[name], name=name) for name in ("orders", "customers"))
    programs = [
        o.drop("a", "g"), o.l.unnest(), o.select("id", v=o.l.unnest()), o.unnest("l"), o.filter(_.a > 1).limit(3),
        o.group_by("g").agg(n=_.count(), m=_.x.mean()), o.join(c, "id"), o.left_join(c, o.id == c.id)[o.a, c.name],
        o.asof_join(c, "id"), o.semi_join(c, "id"), o.anti_join(c, "id"), o.cross_join(c), o.s.lift(), o.unpack("s"),
        o.mutate(r=ibis.row_number().over(group_by="g", order_by=_.d)), o.order_by(ibis.desc("d")), o.distinct(),
        o.distinct(on="g"), o.mutate(k=_.d.truncate("M")), o.mutate(k=_.l.map(lambda v: v + 1)), o.l.filter(lambda v: v > 1),
        o.mutate(k=_.l.contains(3), n=_.l.length(), z=_.l.sort()), o.mutate(k=_.m["k"], n=_.m.keys()),
        o.mutate(k=_.j["k"], n=_.j["q"].str), o.mutate(k=_.s.x + 1), o.union(o), o.intersect(o), o.difference(o),
        c.pivot_longer(["name", "city"], names_to="n", values_to="v"),
        o.pivot_wider(id_cols="id", names_from="g", values_from="a", names=["p", "q"]),
        o.g.upper().length(), o.a.quantile(0.5), o.agg(_.g.group_concat(",")), o.agg(o.a.sum(where=o.flag)),
        o.mutate(k=ibis.cases((_.a > 1, "x"), else_="y")), o.mutate(k=_.a.cast("string"), n=_.g.try_cast("int64")),
        o.sample(0.1), o.fill_null({"a": 0}), o.drop_null("a"), o.mutate(k=_.dec.round(1)), o.mutate(k=_.d + ibis.interval(days=1)),
        o.mutate(k=_.d.strftime("%Y")), o.filter(_.id.isin(c.id)), o.g.value_counts(), o.g.topk(3), o.count(),
        o.mutate(k=ibis.struct({"p": _.a}), n=ibis.array([_.a, _.id])), o.mutate(k=_.deep[0].k), o.mutate(k=_.tz.date()),
        o.mutate(k=_.g.re_extract("(a)", 1), n=_.g.split(",")), o.g.nunique(), o.rename(z="a"),
        ibis.range(5).unnest().name("i"), o.mutate(k=_.a.lag(1).over(order_by=_.d)), o.head(),
    ]  # fmt: skip
    return [ibis.to_sql(p, dialect="duckdb") for p in programs]


def stage_of(error):
    """The rung of an exception, by its class and the first words of its message."""
    text = re.sub(r"^\w+ Error: ", "", str(error))
    if isinstance(error, duckdb.ParserException):
        return "parse"
    names = r"Referenced (table|column)|Table \".*\" does not have a col|Values list .* does not have|Could not find key|No matching col|Ambiguous ref|Column .* in (EXCLUDE|REPLACE) list|Column name .* ambig|column .* specified in USING|Column \".*\" does not exist on|.* not found in FROM"
    return "names" if isinstance(error, duckdb.CatalogException) or re.match(names, text, re.S) else "build"


# The first words of what is no query: refused by ibert, whatever the binder says.
NO_QUERY = re.compile(r"(insert|update|delete|drop|create|copy|attach|pragma|set|explain|begin|call|summarize|describe|show)\b|with .* insert ")


def judge(sql):
    con = duckdb.connect()
    for table, columns in SCHEMA.items():
        name = '"' + table.replace('"', '""') + '"'
        listed = ", ".join(f'"{c}" {DuckDBCompiler.type_mapper.to_string(ibis.dtype(t))}' for c, t in columns.items())
        con.execute(f"CREATE TABLE {name} ({listed})")
    try:
        statements = con.extract_statements(sql)
        if NO_QUERY.match(sql):
            return {"ok": False, "stage": "parse", "type": "TypeError"}
        dynamic = "pivot orders on" in sql and " in (" not in sql
        if len(statements) > 1 and not dynamic:
            return {"ok": False, "stage": "parse", "type": "ValueError"}
        con.execute("PRAGMA disable_optimizer")
        if dynamic:
            con.execute(sql)
        else:
            con.execute("PREPARE judged AS " + sql)
    except duckdb.Error as error:
        return {"ok": False, "stage": stage_of(error), "type": type(error).__name__}
    return {"ok": True}


def main():
    texts = [*VALID.strip().split("\n"), *INVALID.strip().split("\n"), *ibis_statements()]
    rows = [{"sql": sql, **judge(sql)} for sql in dict.fromkeys(texts)]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    golden = {"duckdb": duckdb.__version__, "schema": SCHEMA, "statements": rows}
    OUT.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    right = [r["ok"] for r in rows]
    print(f"{len(rows)} statements, {sum(right)} valid")
    for sql in VALID.strip().split("\n"):
        if not judge(sql)["ok"]:
            print("not valid:", sql, judge(sql))
    for sql in INVALID.strip().split("\n"):
        if judge(sql)["ok"]:
            print("valid:", sql)


main()
