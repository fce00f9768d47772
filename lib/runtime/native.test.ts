import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import * as cache from "./cache.js";
import * as host from "./host.js";
import { addon, addonPath } from "./native.js";

vi.mock("./cache.js", { spy: true });
vi.mock("./host.js", { spy: true });

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetAllMocks(); // to what they spy on
});

const OLD = { platform: "linux-x64", glibc: "2.17", kernel: "3.10.0", translated: false };

it("takes the addon that IBERT_ADDON names", () => {
  const path = join(temporaryFolder(), "ibert.node");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addonPath()).toThrow(`IBERT_ADDON names ${path}`);
  writeFileSync(path, "");
  expect(addonPath()).toBe(path);
});

it("says why an addon does not load, and names its file", () => {
  const path = join(temporaryFolder(), "ibert.node");
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

it("says what an addon that does not load needs of the system", () => {
  const path = join(temporaryFolder(), "ibert.node");
  writeFileSync(path, "no library");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addon()).toThrow(/\n {2}The file is damaged, .*install ibert again/);
  vi.mocked(host.readHost).mockReturnValue(OLD);
  expect(() => addon()).toThrow(/\n {2}This Linux has glibc 2\.17; 2\.28 is needed/);
});

describe("a package without an addon for this system", () => {
  const here = `${process.platform}-${process.arch}`;

  /** A package whose prebuilds/ holds these files. */
  function packageWith(...files: string[]): string {
    const root = temporaryFolder();
    for (const file of files) {
      mkdirSync(dirname(join(root, "prebuilds", file)), { recursive: true });
      writeFileSync(join(root, "prebuilds", file), "");
    }
    vi.stubEnv("IBERT_ADDON", undefined);
    vi.mocked(cache.packageRoot).mockReturnValue(root);
    return root;
  }

  it.each([
    ["nothing", [], "not there$"],
    ["other platforms", ["sunos-sparc/ibert.node"], "not there, beside it sunos-sparc$"],
    ["another ABI", [`${here}/ibert.abi1.node`], "holds ibert\\.abi1\\.node, not for"],
  ])("lists each place where it looked, and finds %s", (_, files, found) => {
    const root = packageWith(...files);
    const lines = [
      `^ibert's native addon is not there for ${here}:`,
      `${join(root, "build", "Release", "ibert.node")}: not there`,
      `${join(root, "prebuilds", here)}: ${found}`,
    ];
    expect(() => addonPath()).toThrow(new RegExp(lines.join("\n"), "m"));
    expect(() => addonPath()).toThrow(/\n {2}Install ibert again: npm install ibert\./);
  });

  it("says why there is none", () => {
    packageWith();
    vi.mocked(host.readHost).mockReturnValue({ ...OLD, platform: "linux-riscv64" });
    expect(() => addonPath()).toThrow(
      /not there for linux-riscv64(.|\n)*This is linux-riscv64; the package has/,
    );
  });

  it("takes the one for this system where it is there", () => {
    const root = packageWith(`${here}/ibert.node`, "sunos-sparc/ibert.node");
    expect(addonPath()).toBe(join(root, "prebuilds", here, "ibert.node"));
  });
});
