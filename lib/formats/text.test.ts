import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { findJsonFault, readJson } from "./json.js";
import { temporaryFolder } from "./testing/temporary.js";
import { decodeText, readText } from "./text.js";

function file(content: string | Uint8Array): string {
  const path = join(temporaryFolder(), "file.json");
  writeFileSync(path, content);
  return path;
}

const errorOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe("decodeText", () => {
  it("gives every text back, without the mark before it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        fc.pre(!/^\ufeff|\0|\p{Surrogate}/u.test(text));
        expect(decodeText(Buffer.from(text), "t")).toBe(text);
        expect(decodeText(Buffer.from(`\ufeff${text}`), "t")).toBe(text);
      }),
    );
  });

  it("finds the first byte that is no UTF-8, wherever it stands", () => {
    const bad = [
      [0xe9],
      [0xff],
      [0xc0, 0x80],
      [0xf0, 0x9f],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0x80],
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "é", "😀", "\n", "\ufffd", "€")),
        fc.constantFrom(...bad),
        fc.constantFrom("", "b", "\nc", "é"),
        (before, bytes, after) => {
          const start = Buffer.from(`row${before.join("")}`);
          const error = errorOf(() =>
            decodeText(Buffer.concat([start, Buffer.from(bytes), Buffer.from(after)]), "t"),
          );
          const line = start.filter((byte) => byte === 10).length + 1;
          const column = start.length - start.lastIndexOf(10);
          expect(error).toMatchObject({ code: "text-encoding" });
          expect((error as Error).message).toContain(
            `t:${line}: byte ${start.length} of the file (byte ${column} of the line) is 0x`,
          );
        },
      ),
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["UTF-16, little end first", Buffer.from("\ufeffsteps: 1", "utf16le"), /is UTF-16/],
    ["UTF-16, big end first", Buffer.from("\ufeffsteps: 1", "utf16le").swap16(), /is UTF-16/],
    ["UTF-16 without a mark", Buffer.from("{}  ", "utf16le").swap16(), /is UTF-16/],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 65, 0, 0, 0]), /is UTF-32/],
    ["gzip", gzipSync("a"), /is compressed with gzip/],
    ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /is compressed with zstd/],
    ["zip", Buffer.from("PK\x03\x04rest"), /is a ZIP archive/],
  ])("says that a file is %s", (_, bytes, message) => {
    expect(() => readText(file(bytes))).toThrow(message);
  });
});

describe("readText", () => {
  it("names what is not there, a folder, and what is too large for one text", () => {
    const folder = temporaryFolder();
    expect(errorOf(() => readText(join(folder, "none")))).toMatchObject({ code: "file-missing" });
    mkdirSync(join(folder, "sub"));
    expect(errorOf(() => readText(join(folder, "sub")))).toMatchObject({ code: "not-a-file" });
    // A hole: it takes no room on the disk.
    execFileSync("truncate", ["-s", "600M", join(folder, "large")]);
    expect(errorOf(() => readText(join(folder, "large")))).toMatchObject({ code: "file-too-large" });
  });
});

describe("readJson", () => {
  it("reads over a byte order mark", () => {
    expect(readJson(file('\ufeff{"a": 1}'))).toEqual({ a: 1 });
  });

  it.each([
    ["", /file\.json: the file is empty/],
    ["\ufeff\n", /file\.json: the file is empty/],
    ['{\n  "a": 1,\n  "b": tru\n}', /file\.json:3: not JSON at column 8: tru stands where a value should/],
    ['{"a": 1,}', /file\.json:1: not JSON at column 9: a ',' stands before '}'/],
    ["{'a': 1}", /not JSON at column 2: 'a' stands where a key in double quotes should/],
    ['{"a": 1} // why', /not JSON at column 10: '\/' follows the value's end/],
    ['{\n"a": [1, 2', /file\.json:2: .* the text ends within what \[ opened at line 2, column 6/],
    ['"a\tb"', /U\+0009 stands unescaped in a string/],
    ['"a\\x41"', /"\\\\x" is no escape/],
    ["\u00a0{}", /column 1: U\+00A0 stands where a value should/],
  ])("says why and where %j is no JSON", (text, message) => {
    expect(() => readJson(file(text))).toThrow(message);
  });

  it("finds a fault in just what JSON.parse refuses", () => {
    const broken = fc.tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom("", "}", '"', "\\", ",", "x", "\u0001", "-", "1"),
    );
    fc.assert(
      fc.property(broken, ([json, place, inserted]) => {
        const at = place % (json.length + 1);
        const text = inserted === "" ? json.slice(0, at) : json.slice(0, at) + inserted + json.slice(at);
        const refused = errorOf(() => JSON.parse(text) as unknown) instanceof SyntaxError;
        const fault = findJsonFault(text);
        expect(fault.reason !== "it is no JSON").toBe(refused);
        expect(fault.at).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("ends on a text that is nested too deeply to look into", () => {
    expect(findJsonFault("[".repeat(200_000)).reason).toMatch(/nested too deeply|ends within/);
  });
});
