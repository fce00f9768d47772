import { describe, expect, it } from "vitest";
import {
  differences,
  documentedFunctions,
  questionsAbout,
  shortSignature,
  summaryOf,
  type DocumentedFunction,
} from "./documentation.js";

describe("shortSignature", () => {
  it.each([
    ["(self, /, *by: 'str | Deferred', **key_exprs: 'Any') -> 'GroupedTable'", "(*by, **key_exprs)"],
    [
      "(self, how: \"Literal['a', 'b']\" = 'a', n=5, f: 'dict[str, int] | None' = None)",
      "(how='a', n=5, f=None)",
    ],
    ["(self) -> 'StringValue'", "()"],
    ["(self, *, where: 'ir.BooleanValue' = None)", "(*, where=None)"],
  ])("of %s", (long, short) => {
    expect(shortSignature(long)).toBe(short);
  });
});

describe("summaryOf", () => {
  it("is the first sentence on one line, links as their text", () => {
    expect(summaryOf("Sort a table by\none or more [keys](./x.qmd#y). Then more.\n\nParameters\n----")).toBe(
      "Sort a table by one or more keys.",
    );
  });

  it("is not taken from a docstring too short or too long to be one", () => {
    expect(summaryOf("Short.")).toBeUndefined();
    expect(summaryOf("x".repeat(200))).toBeUndefined();
  });
});

describe("answers about functions", () => {
  const of = (key: string, signature: string, summary: string): DocumentedFunction => ({
    ...{ key, name: key.split(".")[1] ?? "", signature: key + signature, summary, isStep: true },
  });

  it("name the parameters that the signature has", () => {
    const asked = (signature: string) => questionsAbout(of("Table.f", signature, "Do.")).qa[2];
    expect(asked("(n, *, offset=0)")).toEqual([
      "Which parameters does Table.f take?",
      "It takes `n` and `offset`.",
    ]);
    expect(asked("(*by, how=(1, 2), **kwargs)")[1]).toBe("It takes `by`, `how` and `kwargs`.");
    expect(asked("()")[1]).toBe("It takes no parameters.");
  });

  it("hold those against each other that are taken for each other", () => {
    const functions = [of("Table.union", "()", "Add."), of("Table.difference", "()", "Take away.")];
    expect(differences(functions)).toEqual([
      {
        keys: ["Table.union", "Table.difference"],
        input: "What is the difference between Table.union and Table.difference?",
        answer: "Table.union: Add. Table.difference: Take away.",
      },
    ]);
    expect(differences(functions.slice(1))).toEqual([]);
  });
});

describe("documentedFunctions", () => {
  const entry = (owner: string, name: string) => ({
    path: `ibis.${owner}.${name}`,
    owner,
    name,
    signature: "(self)",
    docstring: "Return something useful.",
  });

  it("keeps in the quick start what an example can be written for, and leaves rare types out", () => {
    const api = [entry("Table", "filter"), entry("Table", "unpack"), entry("GeoSpatialValue", "area")];
    expect(documentedFunctions(api, "quickstart").map(({ key }) => key)).toEqual(["Table.filter"]);
    expect(documentedFunctions(api, "full").map(({ key }) => key)).toEqual(["Table.filter", "Table.unpack"]);
  });
});
