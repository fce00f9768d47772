import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, expect, it, vi } from "vitest";

import { addon, addonPath } from "./native.js";

afterEach(() => vi.unstubAllEnvs());

it("takes the addon that IBERT_ADDON names", () => {
  const path = join(mkdtempSync(join(tmpdir(), "ibert-addon-")), "ibert.node");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addonPath()).toThrow(`IBERT_ADDON names ${path}`);
  writeFileSync(path, "");
  expect(addonPath()).toBe(path);
});

it("says why an addon does not load, and names its file", () => {
  const path = join(mkdtempSync(join(tmpdir(), "ibert-addon-")), "ibert.node");
  writeFileSync(path, "no library");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addon()).toThrow(
    expect.objectContaining({
      name: "IBertError",
      code: "addon-missing",
      message: expect.stringMatching(new RegExp(`does not load: ${path}: .`)),
    }),
  );
});
