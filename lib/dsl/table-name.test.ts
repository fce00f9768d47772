import { describe, expect, it } from "vitest";

import { tableName, tableParts } from "./table-name.js";

describe("the name of a table", () => {
  it.each([
    ["orders", ["orders"]],
    ["my table", ["my table"]],
    ["größe", ["größe"]],
    ["sales.orders", ["sales", "orders"]],
    ["lake.sales.orders", ["lake", "sales", "orders"]],
    ['"orders.old"', ["orders.old"]],
    ['sales."orders.old"', ["sales", "orders.old"]],
    ['"a ""b"""', ['a "b"']],
  ])("%s", (name, parts) => {
    expect(tableParts(name)).toEqual(parts);
    expect(tableName(parts)).toBe(name);
  });

  it.each([
    ['"sales".orders', ["sales", "orders"]],
    ['6" pipes', ['6" pipes']],
    ["a..b", ["a..b"]],
    [".a", [".a"]],
    ["a.", ["a."]],
    ['"a"b', ['"a"b']],
  ])("%s, which is not how we write it", (name, parts) => {
    expect(tableParts(name)).toEqual(parts);
    expect(tableParts(tableName(parts))).toEqual(parts);
  });
});
