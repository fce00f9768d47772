import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

const schema: Schema = { t: { a: "int64", q1: "int64", q22: "int64", g: "string" } };
const engine = createIbisEngine({ workers: 1 });
afterAll(() => engine.close());

/** An expression of Python, and its `repr` as Python has it. */
const WORTH: [string, string][] = [
  ["[c for c in t.columns if re.match(r'q\\d+', c)]", "['q1', 'q22']"],
  ["[c for c in t.columns if re.fullmatch('Q.', c, re.I)]", "['q1']"],
  ["re.search('b(c)?', 'abd').group(1)", "None"],
  ["re.search('(?P<x>b)(c)', 'abcd').groupdict()", "{'x': 'b'}"],
  ["re.search('(b)(c)', 'abcd')[2]", "'c'"],
  ["re.search('b', 'abc').span()", "(1, 2)"],
  ["re.findall('a|(b)', 'ab')", "['', 'b']"],
  ["[m.start() for m in re.finditer('a*', 'baac')]", "[0, 1, 3, 4]"],
  ["re.split(r'[,;]\\s*', 'a, b;c', maxsplit=1)", "['a', 'b;c']"],
  ["re.split('(-)', 'a-b')", "['a', '-', 'b']"],
  ["re.sub('a*', '-', 'baac')", "'-b--c-'"],
  ["re.sub(r'(\\w)(\\d)', r'\\2\\1', 'a1b2', count=1)", "'1ab2'"],
  ["re.sub(r'_(\\w)', lambda m: m.group(1).upper(), 'snake_case_name')", "'snakeCaseName'"],
  ["re.subn('a', 'b', 'aXa')", "('bXb', 2)"],
  ["re.escape('a.b')", "'a\\\\.b'"],
  ["re.compile('(a)(?P<n>b)').groupindex", "{'n': 2}"],
  ["re.compile('^b', re.M | re.I).findall('a\\nB')", "['B']"],
  ["list(map(bool, map(re.compile('a').match, ['a', 'b'])))", "[True, False]"],
  ["re.sub(r'[^0-9a-zA-Z]+', '_', 'Total amount (in $)').strip('_').lower()", "'total_amount_in'"],
  ["re.match(r'([a-z]+)_([a-z]+)_(\\d+)$', 'total_amount_2024').groups()", "('total', 'amount', '2024')"],
];

const RAISED: [string, string][] = [
  ["re.compile('(')", "error"],
  ["re.match('a', 'b').group()", "AttributeError"],
  ["re.match('a', 'a').group(3)", "IndexError"],
  ["re.sub('a', r'\\9', 'b')", "error"],
  ["re.match('a', 1)", "TypeError"],
  ["re.match('a', t.g)", "TypeError"],
  ["re.sub('a', 1, 'a')", "TypeError"],
];

describe("regular expressions", () => {
  it.each(WORTH)("%s", async (expression, worth) => {
    const text = `import re\nt.mutate(z=ibis.literal(repr(${expression})))`;
    const verdict = await engine.check(text, { schema });
    expect(verdict.error).toBeUndefined();
    const plain = await engine.check(`t.mutate(z=ibis.literal(${JSON.stringify(worth)}))`, { schema });
    expect(verdict.sql).toBe(plain.sql);
  });

  it.each(RAISED)("%s raises as in Python", async (expression, type) => {
    const { ok, error } = await engine.check(`import re\n${expression}\nt`, { schema });
    expect(ok).toBe(false);
    expect(error?.type === "PatternError" ? "error" : error?.type).toBe(type);
  });

  it("are bounded over all of a text", async () => {
    const once = "import re\nre.search('[a-z]*[a-z]*x', 'a' * 60)\nt";
    expect(await engine.check(once, { schema })).toMatchObject({ ok: true });
    const often = once.replace("re.search", "for _i in range(1000):\n    re.search");
    expect(await engine.check(often, { schema })).toMatchObject({ ok: false, refused: true });
    expect(await engine.check(once, { schema })).toMatchObject({ ok: true });
  });

  it("tell what columns a text looks for, where no schema is given", async () => {
    const text = "import re\nt.select([c for c in t.columns if re.match(r'q\\d$', c)])";
    const { ok, inferredSchema } = await engine.check(text);
    expect(ok).toBe(true);
    expect(Object.keys(inferredSchema?.["t"] ?? {}).filter((name) => /^q\d$/.test(name))).toHaveLength(1);
  });
});
