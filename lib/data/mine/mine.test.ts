import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";

import { mine, type Mined, type MiningProgress } from "./mine.js";
import { licenceOf } from "./repository.js";
import { scan as runSemgrep, type Scan } from "./semgrep.js";

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

/** Whether a process has ended; one that nobody has waited for yet has too. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return existsSync(`/proc/${pid}/stat`) && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

const asked = { places: [root], rules: [], output, mentions: (text: string) => text.includes("ibis"), scan };
const found = (): Record<string, unknown>[] =>
  readFileSync(join(output, "found.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const at = (line: number, endColumn: number): object => ({ line, column: 1, endLine: line, endColumn });

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
      ...{ name: "reports", place: root, commit: "none", licence: "Apache-2.0", files: 5, read: 3, found: 3 },
      rules: { filter: 3 },
      refused: ["latin.py: it is no UTF-8 text", "broken.py: it does not parse"],
    });
    const common = { repository: "reports", commit: "none", licence: "Apache-2.0", rule: "filter" };
    expect(found()).toEqual([
      { ...common, file: "b.py", ...at(3, 12), excerpt: "statement", text: "t.filter(a)" },
      { ...common, file: "b.py", ...at(4, 12), excerpt: "statement", text: "t.filter(b)" },
      { ...common, file: "tests/a.py", ...at(2, 16), excerpt: "statement", text: "x = t.filter(c)" },
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

  it("goes on after the batches of a run that was ended, of the same rules and texts alone, to the same bytes", async () => {
    const many = join(folder, "many");
    mkdirSync(many);
    for (let i = 0; i < 250; i++)
      writeFileSync(join(many, `f${String(i).padStart(3, "0")}.py`), "import ibis\nt.filter(a)\n");
    const controller = new AbortController();
    let scans = 0;
    const told: number[][] = [];
    const counted = {
      ...{ ...asked, places: [many], output: join(folder, "ended") },
      scan: (...words: Parameters<typeof scan>) => (scans++, scan(...words)),
      onProgress: ({ files, found: matches, resumed }: MiningProgress) =>
        void told.push([files, matches, resumed]),
    };
    const ending = {
      ...counted,
      signal: controller.signal,
      onProgress: ({ files }: MiningProgress) => files === 200 && controller.abort(),
    };
    await expect(mine(ending)).rejects.toMatchObject({ name: "AbortError" });
    // Nothing but the finished batches is there: no half-written file.
    expect(readdirSync(counted.output)).toEqual([".mining"]);
    expect([scans, readdirSync(join(counted.output, ".mining")).length]).toEqual([2, 2]);
    await mine(counted);
    expect([scans, told]).toEqual([
      3,
      [
        [0, 0, 0],
        [100, 100, 100],
        [200, 200, 200],
        [250, 250, 200],
      ],
    ]);
    expect(readdirSync(counted.output).sort()).toEqual(["found.jsonl", "manifest.json"]);
    const bytes = readFileSync(join(counted.output, "found.jsonl"), "utf8");
    await mine(counted);
    expect([scans, readFileSync(join(counted.output, "found.jsonl"), "utf8") === bytes]).toEqual([6, true]);
    // A changed file, and other rules, are not what was finished.
    const again = new AbortController();
    const endingAgain = { ...ending, signal: again.signal, onProgress: () => scans === 7 && again.abort() };
    await expect(mine(endingAgain)).rejects.toMatchObject({ name: "AbortError" });
    writeFileSync(join(many, "f000.py"), "import ibis\nt.filter(b)\n");
    await mine(counted);
    expect(scans).toBe(10);
  });

  it.skipIf(process.platform === "win32")(
    "ends Semgrep with all that it has started, and leaves none of its files",
    async () => {
      const program = join(folder, "semgrep");
      const [mark, temporary] = [join(folder, "pid"), join(folder, "tmp")];
      mkdirSync(temporary);
      writeFileSync(
        program,
        `#!/bin/sh\nsleep 60 &\necho $! > "${mark}.new"\nmv "${mark}.new" "${mark}"\nwait\n`,
      );
      chmodSync(program, 0o755);
      const before = process.env["TMPDIR"];
      process.env["TMPDIR"] = temporary;
      try {
        const controller = new AbortController();
        const scanning = runSemgrep(program, [], ["t.filter(a)"], controller.signal);
        await vi.waitUntil(() => existsSync(mark), { timeout: 10_000 });
        expect(readdirSync(temporary)).toHaveLength(1);
        controller.abort();
        await expect(scanning).rejects.toMatchObject({ name: "AbortError" });
        const child = Number(readFileSync(mark, "utf8"));
        await vi.waitUntil(() => isGone(child), { timeout: 10_000 });
        expect(readdirSync(temporary)).toEqual([]);
      } finally {
        if (before === undefined) delete process.env["TMPDIR"];
        else process.env["TMPDIR"] = before;
      }
    },
  );

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
