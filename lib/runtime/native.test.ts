import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, expect, it, vi } from "vitest";

import { addonPath } from "./native.js";

afterEach(() => vi.unstubAllEnvs());

it("takes the addon that IBERT_ADDON names", () => {
  const path = join(mkdtempSync(join(tmpdir(), "ibert-addon-")), "ibert.node");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addonPath()).toThrow(`IBERT_ADDON names ${path}`);
  writeFileSync(path, "");
  expect(addonPath()).toBe(path);
});
