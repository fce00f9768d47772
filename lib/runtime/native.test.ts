import * as childProcess from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { loadAddon, whyStale } from "./addon-file.js";
import * as cache from "./cache.js";
import * as host from "./host.js";
import { addon, addonPath } from "./native.js";
import { OP_TABLE } from "./ops.generated.js";

vi.mock("./cache.js", { spy: true });
vi.mock("./host.js", { spy: true });
vi.mock("node:child_process", { spy: true });
const { spawnSync } = vi.mocked(childProcess);

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
      code: "addon-unfit",
      message: expect.stringMatching(new RegExp(`does not load: ${path}: .`)),
    }),
  );
});

it("says what an addon that does not load needs of the system", () => {
  const path = join(temporaryFolder(), "ibert.node");
  writeFileSync(path, "no library");
  vi.stubEnv("IBERT_ADDON", path);
  expect(() => addon()).toThrow(/\n {2}The file is damaged, .*unset IBERT_ADDON/);
  vi.mocked(host.readHost).mockReturnValue(OLD);
  expect(() => addon()).toThrow(/\n {2}This Linux has glibc 2\.17; 2\.28 is needed/);
});

describe("a file that is tried", () => {
  /** A file that an addon's name is given, over a stand-in for the program that loads it first. */
  function tried(...answers: childProcess.SpawnSyncReturns<string>[]): string {
    const path = join(temporaryFolder(), "ibert.node");
    writeFileSync(path, "no library");
    vi.stubEnv("IBERT_ADDON", path);
    vi.stubEnv("IBERT_CACHE", temporaryFolder());
    for (const answer of answers) spawnSync.mockReturnValueOnce(answer);
    return path;
  }
  const ended = (end: Partial<childProcess.SpawnSyncReturns<string>>) =>
    ({ signal: null, status: 0, stdout: "", stderr: "", ...end }) as childProcess.SpawnSyncReturns<string>;

  it.each<[string, Partial<childProcess.SpawnSyncReturns<string>>, RegExp]>([
    [
      "crashes",
      { signal: "SIGILL", status: null },
      /process of its own that loaded it was ended by SIGILL\n/,
    ],
    ["ends without an answer", { stdout: "garbage" }, /ended with 0, without an answer\n/],
    [
      "hangs",
      { error: Object.assign(new Error("spawnSync ETIMEDOUT"), { code: "ETIMEDOUT" }) },
      /no answer after 60 s\n/,
    ],
    ["does not load", { stdout: '{"problem":"wrong ELF class"}' }, /wrong ELF class\n/],
  ])("is named where it %s, and tried again the next time", (_, end, text) => {
    const path = tried(ended(end), ended(end));
    for (let i = 0; i < 2; i++) {
      expect(() => addon()).toThrow(
        expect.objectContaining({ code: "addon-unfit", message: expect.stringMatching(text) }),
      );
    }
    expect(spawnSync.mock.calls.map(([, words]) => words?.[1])).toEqual([path, path]);
  });

  it("is tried once where it loads, until it is another file, and not at all where no process may be started", () => {
    const good = ended({ stdout: "{}" });
    const path = tried(good, good);
    const load = (): void => expect(() => addon()).toThrow(/does not load/); // here, by this process
    load();
    load();
    expect(spawnSync).toHaveBeenCalledTimes(1);
    writeFileSync(path, "another file");
    load();
    expect(spawnSync).toHaveBeenCalledTimes(2);
    const refused = Object.assign(new Error("restricted"), { code: "ERR_ACCESS_DENIED" });
    tried(ended({ error: refused }));
    load();
    tried();
    spawnSync.mockImplementationOnce(() => {
      throw refused; // as Node's permission model does
    });
    load();
    vi.stubEnv("IBERT_PROBE_SECONDS", "0");
    load();
    expect(spawnSync).toHaveBeenCalledTimes(4);
  });
});

describe("the version of an addon", () => {
  const needed = { version: "1.2.3", opTable: "00ff" };

  it("is that of the package, and so is its op table", () => {
    const { build } = addon();
    expect(build).toEqual({
      version: cache.packageVersion(),
      opTable: OP_TABLE,
      backendAbi: expect.any(Number),
    });
    expect(whyStale({ ...needed, backendAbi: 4 }, needed)).toBeUndefined();
  });

  it.each([
    ["names none", undefined, "it names none, and 1.2.3 is needed"],
    [
      "is an older one",
      { ...needed, version: "1.2.2", backendAbi: 4 },
      "it is of 1.2.2, and 1.2.3 is needed",
    ],
    [
      "is the same with another op table",
      { ...needed, opTable: "00fe", backendAbi: 4 },
      "its op table is 00fe, and 00ff is needed (version 1.2.3 both)",
    ],
  ])("is refused where it %s", (_, build, text) => {
    expect(whyStale(build, needed)).toBe(text);
  });

  it("is refused by name, with what helps", () => {
    vi.mocked(cache.packageVersion).mockReturnValue("99.0.0");
    const path = addonPath();
    expect(() => loadAddon()).toThrow(
      expect.objectContaining({
        code: "addon-unfit",
        message: expect.stringMatching(
          /ibert\.node belongs to another version of ibert: it is of [\d.]+, and 99\.0\.0 is needed\n/,
        ),
        hint: expect.stringMatching(/build:native|IBERT_ADDON/),
      }),
    );
    expect(existsSync(path)).toBe(true);
  });
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
    expect(() => addonPath()).toThrow(/\n {2}Install ibert again: npm install ibert@\d+\.\d+\.\d+\. /);
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
