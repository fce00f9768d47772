import { describe, expect, it } from "vitest";
import { Random } from "../../../data/random.js";
import { randomProgram } from "../generator/programs.js";
import { write } from "../generator/syntax.js";
import {
  definesFunction,
  DOCSTRING_STYLES,
  documentedParameters,
  functionOf,
  parametersOf,
} from "./docstring.js";

describe("a function around a program", () => {
  const written = Array.from({ length: 200 }, (_, i) => {
    const random = Random.of(2, i);
    const program = randomProgram(random, "full");
    return functionOf(random, program, write(program.node), ["a", "b"], DOCSTRING_STYLES[i % 2]);
  }).filter((one) => one !== undefined);

  it("has a docstring that names its parameters, and an example that gives each a value", () => {
    for (const { source, docstring } of written) {
      const parameters = parametersOf(source);
      expect(definesFunction(source)).toBe(true);
      expect(documentedParameters(docstring)).toEqual(parameters);
      const [, called, list = ""] = /^(?: {4})?>>> (\w+)\((.*)\)$/m.exec(docstring) ?? [];
      expect(source).toContain(`def ${called}(`);
      expect(list.split(/, (?=(?:[^"]*"[^"]*")*[^"]*$)/)).toHaveLength(parameters.length);
    }
    expect(written.length).toBeGreaterThan(150);
  });

  it("says the same in Google's style and in NumPy's, which gives types too", () => {
    const random = (): Random => Random.of(2, 7);
    const program = randomProgram(random(), "quickstart");
    const text = "orders.filter(_.amount > 5).limit(3)";
    const tables = [{ ...program.schema.tables[0], name: "orders" }];
    const known = {
      ...program,
      english: ["keep amount above 5", "take 3 rows"],
      schema: { ...program.schema, tables },
    };
    const docstring = (style: (typeof DOCSTRING_STYLES)[number]): string[] | undefined =>
      functionOf(random(), known as typeof program, text, ["amount"], style)?.docstring.split("\n");
    expect(docstring("numpy")?.slice(2)).toEqual(
      ["Parameters", "----------", "orders : Table", "    Table of any columns."].concat(
        ...["min_amount : int", "    Lower bound of amount.", "n : int", "    Number of rows."],
        ...["", "Returns", "-------", "Table", "    Table with amount.", "", "Examples", "--------"],
        ">>> top_orders(orders, 5, 3)",
      ),
    );
    expect(docstring("google")?.slice(2)).toEqual(
      ["Args:", "    orders: Table of any columns.", "    min_amount: Lower bound of amount."].concat(
        ...["    n: Number of rows.", "", "Returns:", "    Table with amount.", "", "Example:"],
        "    >>> top_orders(orders, 5, 3)",
      ),
    );
  });

  it("takes literals for parameters, which its summary names in their place", () => {
    const own = written.filter(({ source }) =>
      parametersOf(source).some((name) => /^(min|max)_|^n$/.test(name)),
    );
    expect(own.length).toBeGreaterThan(30);
    for (const { source, docstring } of own) {
      for (const name of parametersOf(source).slice(2)) {
        expect(docstring.split("\n")[0]).toMatch(new RegExp(`\\b${name}\\b`));
        expect(source.split("\n")[1]).toMatch(new RegExp(`\\b${name}\\b`));
      }
    }
  });
});

describe("documentedParameters", () => {
  it("reads Google's style and NumPy's", () => {
    const google =
      "Do it.\n\nArgs:\n    t (Table): The table:\n        with all.\n    n: A number.\n\nReturns:\n    Table: t.";
    const numpy =
      "Do it.\n\nParameters\n----------\nt : Table\n    The table.\nn : int, optional\n    A number.\n\nReturns\n-------\nTable";
    expect(documentedParameters(google)).toEqual(["t", "n"]);
    expect(documentedParameters(numpy)).toEqual(["t", "n"]);
    expect(documentedParameters("Do it.")).toEqual([]);
  });

  it("are held against those of the function", () => {
    const heading =
      "Sums.\n\n    Args:\n        returns: Rows.\n        Returns: Table.\n\n    Returns:\n        Table.";
    expect(documentedParameters(heading)).toEqual(["returns", "Returns"]);
    expect(parametersOf("x = 1\ndef f(a, *b: list[int], c=(1, 2), **d) -> int:\n    return a")).toEqual([
      "a",
      "b",
      "c",
      "d",
    ]);
  });
});
