import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { mine, type Mined } from "./mine.js";
import { licenceOf } from "./repository.js";
import type { Scan } from "./semgrep.js";

const folder = mkdtempSync(join(tmpdir(), "ibert-mined-"));
afterAll(() => rmSync(folder, { recursive: true }));
const root = join(folder, "reports");
const output = join(folder, "found");

/** Matches each line with a filter; a text that says so cannot be matched. */
const scan = (_: unknown, texts: readonly string[]): Promise<Scan> =>
  Promise.resolve({
    version: "1",
    faults: texts.map((text) => (text.includes("broken") ? "it does not parse" : undefined)),
    matches: texts.map((text) =>
      text.split("\n").flatMap((line, i) => {
        const place = { line: i + 1, column: 1, endLine: i + 1, endColumn: line.length + 1 };
        return line.includes(".filter(") ? [{ rule: "filter", excerpt: "statement" as const, ...place }] : [];
      }),
    ),
  });

const asked = { places: [root], rules: [], output, mentions: (text: string) => text.includes("ibis"), scan };
const found = (): Record<string, unknown>[] =>
  readFileSync(join(output, "found.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("mining", () => {
  it("says of each match where it is from, in one order, and of each file that it could not take why", async () => {
    mkdirSync(join(root, "tests"), { recursive: true });
    writeFileSync(join(root, "b.py"), "import ibis\r\n\r\nt.filter(a)\r\nt.filter(b)\r\n");
    writeFileSync(join(root, "tests", "a.py"), "import ibis\nx = t.filter(c)\n");
    writeFileSync(join(root, "other.py"), "t.filter(c)\n");
    writeFileSync(join(root, "latin.py"), Buffer.from("import ibis # caf\xe9\n", "latin1"));
    writeFileSync(join(root, "broken.py"), "import ibis # broken\n");
    writeFileSync(join(root, "LICENSE"), "Apache License\n  Version 2.0, January 2004\n");
    const [first] = (await mine(asked)).repositories;
    expect(first).toEqual({
      ...{ name: "reports", commit: "none", licence: "Apache-2.0", files: 5, read: 3, found: 3 },
      rules: { filter: 3 },
      refused: ["latin.py: it is no UTF-8 text", "broken.py: it does not parse"],
    });
    const common = { repository: "reports", commit: "none", licence: "Apache-2.0", rule: "filter" };
    expect(found()).toEqual([
      { ...common, file: "b.py", line: 3, endLine: 3, excerpt: "statement", text: "t.filter(a)" },
      { ...common, file: "b.py", line: 4, endLine: 4, excerpt: "statement", text: "t.filter(b)" },
      { ...common, file: "tests/a.py", line: 2, endLine: 2, excerpt: "statement", text: "x = t.filter(c)" },
    ]);
  });

  it("knows the commit of git, whether files differ from it, and leaves out what git ignores", async () => {
    const git = (...words: string[]): string =>
      execFileSync("git", ["-C", root, "-c", "user.name=a", "-c", "user.email=a@b", ...words], {
        encoding: "utf8",
      });
    writeFileSync(join(root, ".gitignore"), "tests/\n");
    git("init", "--quiet");
    git("add", "-A");
    git("commit", "--quiet", "--message", "one");
    const head = git("rev-parse", "HEAD").trim();
    const bytes = async (): Promise<string> => {
      await mine(asked);
      return readFileSync(join(output, "found.jsonl"), "utf8");
    };
    const clean = await bytes();
    expect(found().map(({ file, commit }) => [file, commit])).toEqual(Array(2).fill(["b.py", head]));
    expect(await bytes()).toBe(clean);
    const manifest = JSON.parse(readFileSync(join(output, "manifest.json"), "utf8")) as Mined;
    expect(manifest.repositories[0]).toMatchObject({ commit: head, found: 2 });
    writeFileSync(join(root, "b.py"), "import ibis\n");
    expect((await mine(asked)).repositories[0]?.commit).toBe(`${head}+`);
  });

  it("leaves what was found before where a run fails", async () => {
    writeFileSync(join(root, "b.py"), "import ibis\nt.filter(a)\n");
    await mine(asked);
    const before = readFileSync(join(output, "found.jsonl"), "utf8");
    const failing = { ...asked, scan: () => Promise.reject(new Error("no semgrep")) };
    await expect(mine(failing)).rejects.toThrow("no semgrep");
    expect(readFileSync(join(output, "found.jsonl"), "utf8")).toBe(before);
    await expect(mine({ ...asked, places: [join(folder, "none")] })).rejects.toMatchObject({
      code: "file-missing",
    });
    await expect(mine({ ...asked, places: [join(root, "b.py")] })).rejects.toMatchObject({
      code: "option-invalid",
    });
  });

  it("reads licences from their texts, else from metadata", () => {
    expect(
      licenceOf("Permission is hereby granted, free of charge, to any person obtaining a copy", ""),
    ).toBe("MIT");
    expect(licenceOf(undefined, '[project]\nlicense = { text = "BSD-3-Clause" }\n')).toBe("BSD-3-Clause");
    expect(licenceOf("All rights reserved.", 'license = "Proprietary"')).toBe("Proprietary");
    expect(licenceOf(undefined, "Name: x\nLicense: MIT\n")).toBe("MIT");
    expect(licenceOf(undefined, undefined)).toBe("unstated");
  });
});
