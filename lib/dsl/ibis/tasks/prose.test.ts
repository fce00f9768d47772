import { describe, expect, it } from "vitest";

import { codeIn, markCode } from "./prose.js";

const PROGRAM =
  "import ibis\ndef top(t, n):\n    kept = t.filter(t.a > 1)\n    return kept.limit(n)\ntop(t, 3)";

describe("code in prose", () => {
  it("is all that an interactive session shows, functions and several statements too", () => {
    expect(markCode("t.head()")).toBe(">>> t.head()");
    expect(markCode(PROGRAM).split("\n")[2]).toBe("...     kept = t.filter(t.a > 1)");
    expect(codeIn(markCode(PROGRAM))).toBe(PROGRAM);
    expect(codeIn(`So:\n${markCode(PROGRAM)}\n\nThat is all.`)).toBe(PROGRAM);
    expect(codeIn("Example:\n    >>> a = t.head()\n    >>> a\n    what it gives")).toBe("a = t.head()\na");
  });

  it("goes on without marks where an answer is nothing else", () => {
    expect(codeIn(`>>> ${PROGRAM}\n\nIt works.`)).toBe(PROGRAM);
  });

  it("is the first fenced block of a text without marks, and nothing of prose", () => {
    expect(codeIn("So:\n```python\nt.head()\nt\n```\n")).toBe("t.head()\nt");
    expect(codeIn("It keeps rows.")).toBeUndefined();
  });
});
