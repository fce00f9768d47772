import { createHash } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { RowFile } from "./row-file.js";

const good = {
  id: "train-qa-00001",
  task: "qa",
  split: "train",
  fields: { input: "How?" },
  completion: "So.",
  schema: {},
  schemaId: "none",
  shape: "api:x",
  source: "test",
  licence: "Apache-2.0",
};
const other = { ...good, id: "b" };

type Content = Buffer | (object | string)[];

function write(content: Content): string {
  const path = join(temporaryFolder(), "train.jsonl");
  const lines = (items: (object | string)[]): string =>
    items.map((item) => (typeof item === "string" ? item : JSON.stringify(item))).join("\n");
  writeFileSync(path, Buffer.isBuffer(content) ? content : lines(content));
  return path;
}

async function ids(content: Content): Promise<string[]> {
  const file = await RowFile.open(write(content));
  try {
    return [...file].map(({ id }) => id);
  } finally {
    file.close();
  }
}

const refusal = (content: Content): Promise<unknown> =>
  ids(content).then(
    () => "it was read",
    (reason: unknown) => reason,
  );

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

describe("RowFile reads", () => {
  const [one, two] = [JSON.stringify(good), JSON.stringify(other)];
  it.each([
    ["rows, over blank lines", bytes(one, "\n\n  \n", two, "\n")],
    ["a last line without an end", bytes(one, "\n", two)],
    ["Windows's ends of lines", bytes(one, "\r\n", two, "\r\n")],
    ["over byte order marks, also where files were joined", bytes("\ufeff", one, "\n\ufeff", two, "\n")],
    ["line separators within strings", bytes(one.replace("How?", "a\u2028b\u2029c\u0085"), "\n", two)],
    [
      "escaped characters of every plane",
      bytes(one.replace("How?", "\\ud83d\\ude00 \\u0000 \\\\ud83d"), "\n", two),
    ],
  ])("%s", async (_, content) => {
    expect(await ids(content)).toEqual([good.id, other.id]);
  });

  it("a row that spans many pieces of the file, as it is", async () => {
    const input = "é😀".repeat(500_000);
    const file = await RowFile.open(write([{ ...good, fields: { input } }, other]));
    expect(file.at(0).fields.input).toBe(input);
    expect(file.at(1)).toEqual(other);
    expect(file.where(1)).toBe(`${file.path}:2`);
    file.close();
  });

  it("and gives the hash of the file's bytes", async () => {
    const content = bytes("\ufeff", JSON.stringify(good), "\r\n\n");
    const file = await RowFile.open(write(content));
    expect(file.sha256).toBe(createHash("sha256").update(content).digest("hex"));
    file.close();
  });
});

describe("RowFile refuses, by file and line,", () => {
  const text = JSON.stringify(good);
  it.each<[string, Content, string, RegExp]>([
    ["an empty file", [""], "corpus-empty", /train\.jsonl: the corpus is empty/],
    [
      "broken JSON",
      [good, "{"],
      "row-json",
      /train\.jsonl:2: not JSON at column 2: the text ends within what \{/,
    ],
    [
      "a missing comma",
      ['{"id": "a" "task": "qa"}'],
      "row-json",
      /:1: not JSON at column 12: '"' stands where/,
    ],
    [
      "a row cut short",
      [good, text.slice(0, 40)],
      "row-json",
      /:2: not JSON at column 41: the text ends within the string/,
    ],
    [
      "NaN",
      [text.replace('"So."', "NaN")],
      "row-json",
      /:1: not JSON at column \d+: NaN stands where a value should/,
    ],
    ["two rows in one line", [text + text], "row-json", /'\{' follows the value's end/],
    ["ends of lines of old Macs", bytes(text, "\r", text), "row-json", /'\{' follows the value's end/],
    ["a raw NUL", bytes(text.replace("How?", "H\0w?")), "row-json", /U\+0000 stands unescaped in a string/],
    [
      "an invisible character",
      [good, `\u200b${text}`],
      "row-json",
      /:2: not JSON at column 1: U\+200B stands/,
    ],
    [
      "half of a character",
      [text.replace("How?", "a\\ud83d!")],
      "row-json",
      /:1: fields\.input: \\ud83d is half of a/,
    ],
    ["an unknown task", [{ ...good, task: "poem" }], "task-unknown", /train\.jsonl:1: unknown task "poem"/],
    [
      "no completion",
      [good, other, { ...good, id: "c", completion: " " }],
      "row-unsupervised",
      /:3: row c has/,
    ],
    ["a missing field", [{ ...good, shape: undefined }], "row-shape", /train\.jsonl:1: shape/],
    ["a line that is no object", ["null"], "row-shape", /train\.jsonl:1: the line is no JSON object/],
    ["an array of rows", [[good]], "row-shape", /train\.jsonl:1: the line is no JSON object/],
    [
      "Latin-1",
      bytes(text, "\n", text.slice(0, 60), [0xe9], text.slice(60)),
      "text-encoding",
      /:2: byte \d+ of the file \(byte 61 of the line\) is 0xE9/,
    ],
    ["a character cut off", bytes(text, "\n", text, [0xf0, 0x9f, 0x98]), "text-encoding", /is 0xF0/],
    [
      "a surrogate in UTF-8",
      bytes(text.slice(0, 60), [0xed, 0xa0, 0x80], text.slice(60)),
      "text-encoding",
      /0xED/,
    ],
    ["UTF-16 with a mark", Buffer.from(`\ufeff${text}`, "utf16le"), "text-encoding", /is UTF-16, not UTF-8/],
    ["UTF-16 without a mark", Buffer.from(text, "utf16le"), "text-encoding", /is UTF-16, not UTF-8/],
    ["a compressed file", gzipSync(text), "text-encoding", /is compressed with gzip/],
  ])("%s", async (_, content, code, message) => {
    const error = await refusal(content);
    expect(error).toMatchObject({ name: "IBertError", code });
    expect((error as Error).message).toMatch(message);
  });

  it.each([
    ["at once", ["a", "b", "a"], 1, 3],
    ["after blank lines", ["a", "", "", "a"], 1, 4],
    ["all of them", ["a", "a", "a"], 1, 2],
    ["far apart", [...Array.from({ length: 3000 }, (_, i) => `r${i}`), "r7"], 8, 3001],
  ])("equal ids, %s, naming both lines", async (_, names, first, second) => {
    const error = await refusal(names.map((id) => (id === "" ? "" : { ...good, id })));
    expect(error).toMatchObject({ code: "row-duplicate" });
    expect((error as Error).message).toMatch(
      new RegExp(
        `train\\.jsonl:${first} and .*train\\.jsonl:${second}: both rows have the id "${names.at(-1)}"`,
      ),
    );
  });

  it("what is not there, a folder, and a file that may not be read", async () => {
    const folder = temporaryFolder();
    await expect(RowFile.open(join(folder, "none.jsonl"))).rejects.toMatchObject({ code: "corpus-missing" });
    mkdirSync(join(folder, "train.jsonl"));
    const error = await RowFile.open(join(folder, "train.jsonl")).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "not-a-file",
      message: expect.stringMatching(/folder, not a file/) as string,
    });
    writeFileSync(join(folder, "a"), "");
    await expect(RowFile.open(join(folder, "a", "train.jsonl"))).rejects.toMatchObject({
      code: "read-failed",
    });
  });
});

describe("a RowFile in use", () => {
  it("notices that its file was changed, and names the line", async () => {
    const path = write([good, other]);
    const file = await RowFile.open(path);
    appendFileSync(path, "\n");
    expect(file.at(1)).toEqual(other);
    writeFileSync(path, `${JSON.stringify(good)}\n${JSON.stringify({ ...other, completion: "No." })}`);
    expect(file.at(0)).toEqual(good);
    expect(() => file.at(1)).toThrow(/train\.jsonl:2: the file was changed while it was in use/);
    writeFileSync(path, "");
    expect(() => file.at(0)).toThrow(/train\.jsonl:1: the file was changed/);
    file.close();
  });

  it("keeps to its file when another takes the place", async () => {
    const path = write([good]);
    const file = await RowFile.open(path);
    copyFileSync(write([other]), `${path}.new`);
    renameSync(`${path}.new`, path);
    expect(file.at(0)).toEqual(good);
    file.close();
  });
});

describe("a file of more than 512 MiB", () => {
  it("is read by line, in little memory", { timeout: 600_000 }, async () => {
    const path = join(temporaryFolder(), "train.jsonl");
    const row = { ...good, id: "id-00000000", fields: { input: "x".repeat(100_000) } };
    const line = Buffer.from(`${JSON.stringify(row)}\n`);
    const at = line.indexOf("00000000");
    const rows = Math.ceil((560 * 2 ** 20) / line.length);
    const descriptor = openSync(path, "w");
    for (let i = 0; i < rows; i++) {
      line.write(String(i).padStart(8, "0"), at);
      writeSync(descriptor, line);
    }
    closeSync(descriptor);

    const before = process.memoryUsage.rss();
    let most = before;
    const file = await RowFile.open(path, {
      onProgress: () => (most = Math.max(most, process.memoryUsage.rss())),
    });
    expect(file.length).toBe(rows);
    expect(file.at(rows - 1).id).toBe(`id-${String(rows - 1).padStart(8, "0")}`);
    file.close();
    expect(most - before).toBeLessThan(200 * 2 ** 20);
  });
});
