import { expect, it } from "vitest";

import { pythonPattern } from "./python-pattern.js";

it.each<[string, string[], string[]]>([
  ["q|v", ["q", "v"], ["qv", "xq"]],
  ["(?P<kind>q|v)_proj", ["q_proj"], ["kind_proj"]],
  ["a{,2}b", ["b", "aab"], ["aaab", "a{,2}b"]],
  ["[]x]+", ["]x]"], ["[]x]", ""]],
  ["[^]x]y", ["ay"], ["]y", "xy"]],
  ["[(?P<a>]", ["P", "<"], ["(?P<a>"]],
  ["\\Aq\\Z", ["q"], ["Aq"]],
  ["(?i)Q_PROJ", ["q_proj"], ["(?i)q_proj"]],
  ["[\\]]\\[a{,1}\\]", ["][]", "][a]"], ["][a{,1}]"]],
])("matches whole texts by %s as Python does", (pattern, yes, no) => {
  const found = pythonPattern(pattern, { whole: true });
  for (const text of yes) expect(found.test(text), text).toBe(true);
  for (const text of no) expect(found.test(text), text).toBe(false);
});

it("matches from the start where a part is enough", () => {
  const found = pythonPattern("a|b", { whole: false });
  expect([found.test("bc"), found.test("cb")]).toEqual([true, false]);
});

it.each<[string, RegExp]>([
  ["(a)\\1", /a reference to a group is not supported/],
  ["(?P<x>a)(?P=x)", /a reference to a group is not supported/],
  ["a*+", /Nothing to repeat/],
  ["(?>a)", /Invalid group/],
  ["(?x)a", /Invalid flags/],
  ["(", /Unterminated group/],
])("refuses %s", (pattern, message) => {
  expect(() => pythonPattern(pattern, { whole: true })).toThrow(message);
});
