import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "./error-codes.js";

const root = fileURLToPath(new URL("..", import.meta.url));

function sources(folder: string): string {
  const files = readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => /\.(ts|mjs|py|cpp|h)$/.test(file) && !/\.test\.ts$|(^|\/)error-codes\.ts$/.test(file))
    .map((file) => readFileSync(`${root}${folder}/${file}`, "utf8"))
    .join("\n");
}

describe("error codes", () => {
  it("are of one style", () => {
    for (const code of Object.keys(ERROR_CODES)) expect(code).toMatch(/^[a-z]+(-[a-z\d]+)*$/);
  });

  it("are thrown somewhere, every one", () => {
    const text = sources("lib") + sources("bindings");
    // Put together in lib/formats/system-error.ts.
    const derived = new Set(["read-failed", "write-failed"]);
    const unused = Object.keys(ERROR_CODES).filter(
      (code) => !derived.has(code) && !text.includes(`"${code}"`),
    );
    expect(unused).toEqual([]);
  });

  it("stand in the documentation as they do here", () => {
    const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
    const table = readFileSync(`${root}docs/errors.md`, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.replace(/ +/g, " "));
    expect(table).toEqual(rows);
  });
});
