import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { readJson } from "./json.js";
import { temporaryFolder } from "./testing/temporary.js";

function written(bytes: string | Buffer): string {
  const path = join(temporaryFolder(), "file.json");
  writeFileSync(path, bytes);
  return path;
}

it("reads over a byte order mark", () => {
  expect(readJson(written('\ufeff{"a":"é"}'))).toEqual({ a: "é" });
});

it("names a file that is no JSON or no UTF-8", () => {
  expect(() => readJson(written("{"))).toThrow(/file\.json: /);
  expect(() => readJson(written(Buffer.from('"é"', "latin1")))).toThrow(/file\.json: the file is not UTF-8/);
  expect(() => readJson(written(Buffer.from('\ufeff"a"', "utf16le")))).toThrow(
    /file\.json: the file is UTF-16/,
  );
});
