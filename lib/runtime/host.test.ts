import { pathToFileURL } from "node:url";
import { join } from "node:path";

import { afterEach, describe, expect, it, vi } from "vitest";

import { packageRoot } from "./cache.js";
import { FLOORS, readHost, whyHostCannot, type Host } from "./host.js";

afterEach(() => vi.restoreAllMocks());

const LINUX: Host = { platform: "linux-x64", glibc: "2.36", kernel: "6.1.0", translated: false };
const MAC: Host = { platform: "darwin-arm64", kernel: "22.6.0", translated: false };

describe("whyHostCannot", () => {
  it.each<[string, Host]>([
    ["the oldest glibc", { ...LINUX, glibc: "2.28" }],
    ["a newer glibc", { ...LINUX, platform: "linux-arm64", glibc: "3.1" }],
    ["the oldest macOS", { ...MAC, kernel: "22.0.0" }],
    ["a newer macOS", { ...MAC, kernel: "25.1.0" }],
  ])("has nothing against %s", (_, host) => {
    expect(whyHostCannot(host)).toBeUndefined();
  });

  it.each<[string, Host, RegExp]>([
    ["an old glibc", { ...LINUX, glibc: "2.27" }, /has glibc 2\.27; 2\.28 is needed\. .*build:native/],
    ["a glibc of one digit", { ...LINUX, glibc: "2.9" }, /has glibc 2\.9; 2\.28 is needed/],
    ["a glibc of another age", { ...LINUX, glibc: "1.99" }, /has glibc 1\.99; 2\.28/],
    ["an old macOS", { ...MAC, kernel: "21.6.0" }, /Darwin 21\.6\.0; macOS 13\.0 \(Darwin 22\) is needed/],
    ["Windows", { ...LINUX, platform: "win32-x64" }, /is win32-x64; .*linux-x64, .*`wsl --install`/],
    [
      "another processor",
      { ...LINUX, platform: "linux-riscv64" },
      /is linux-riscv64; .*`npm run build:native`/,
    ],
    ["an Intel Mac", { ...MAC, platform: "darwin-x64" }, /is darwin-x64; .*darwin-arm64/],
    ["Rosetta", { ...MAC, platform: "darwin-x64", translated: true }, /Rosetta.*`node -p process\.arch`/],
  ])("names %s, what is needed and what helps", (_, host, text) => {
    expect(whyHostCannot(host)).toMatch(text);
  });

  it("names musl", () => {
    const { glibc: _, ...musl } = LINUX;
    expect(whyHostCannot(musl)).toMatch(/musl; glibc 2\.28 is needed.*node:22-bookworm-slim/);
  });
});

describe("readHost", () => {
  it("tells GNU's C library from another one by Node's report", () => {
    const report = vi.spyOn(process.report, "getReport");
    const under = (header: object) => {
      report.mockReturnValue({ header });
      return readHost().glibc;
    };
    const linux = process.platform === "linux";
    expect(under({ glibcVersionRuntime: "2.31" })).toBe(linux ? "2.31" : undefined);
    expect(under({})).toBeUndefined();
  });

  it("finds nothing against the machine that runs the tests", () => {
    const host = readHost();
    expect(host.platform).toBe(`${process.platform}-${process.arch}`);
    expect(whyHostCannot(host)).toBeUndefined();
  });
});

it("holds to the floors that releases are built for", async () => {
  const file = pathToFileURL(join(packageRoot(), "scripts", "release", "platforms.mjs")).href;
  const { PLATFORMS } = (await import(file)) as {
    PLATFORMS: Record<string, { floor: { glibc?: string; macos?: string }; untried?: string }>;
  };
  const released = Object.entries(PLATFORMS).filter(([, { untried }]) => untried === undefined);
  expect(Object.keys(FLOORS)).toEqual(released.map(([name]) => name));
  for (const [name, { floor }] of released) {
    const { glibc, macos } = floor;
    expect(FLOORS[name]).toMatchObject(glibc === undefined ? { macos } : { glibc });
  }
});
