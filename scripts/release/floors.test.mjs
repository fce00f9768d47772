/** The checks of a release's libraries, on libraries that goldens/make.sh built with the compiler of releases. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { readElf } from "./elf.mjs";
import { floorProblems, isNewer } from "./floors.mjs";
import { readMachO } from "./macho.mjs";
import { readPe } from "./pe.mjs";
import { PLATFORMS, platformsOf } from "./platforms.mjs";

const golden = (name) => gunzipSync(readFileSync(new URL(`goldens/${name}.gz`, import.meta.url)));
const ENTRY = "napi_register_module_v1";
const ENTRIES = [ENTRY];
const linux = PLATFORMS["linux-x64"].floor;
const macos = PLATFORMS["darwin-arm64"].floor;
const windows = PLATFORMS["win32-x64"].floor;

/** A copy with other bytes at a place. */
function patched(name, at, ...bytes) {
  const buffer = golden(name);
  buffer.set(bytes, at);
  return buffer;
}

describe("a library for Linux", () => {
  it("is good at its floor", () => {
    expect(floorProblems(golden("linux-2.28.so"), linux, ENTRIES)).toEqual([]);
  });

  it("is refused for newer symbols, another name, and symbols that nobody has", () => {
    expect(floorProblems(golden("linux-2.34.so"), linux, ENTRIES)).toEqual([
      "needs GLIBC_2.34 of libc.so.6; 2.28 is the floor",
      `does not export ${ENTRY}`,
      "exports another_entry",
      "needs strayFunction, which no library gives",
    ]);
    expect(floorProblems(golden("linux-2.34.so"), { ...linux, glibc: "2.34" }, ["another_entry"])).toEqual([
      "needs strayFunction, which no library gives",
    ]);
  });

  it("is refused for another processor, and for libraries and versions beyond the C library", () => {
    const arm = PLATFORMS["linux-arm64"].floor;
    expect(floorProblems(golden("linux-2.28.so"), arm, ENTRIES)).toEqual(["is for x86-64, not for arm64"]);
    const renamed = (from, to) =>
      Buffer.from(golden("linux-2.28.so").toString("latin1").replaceAll(from, to), "latin1");
    expect(floorProblems(renamed("libpthread.so", "libpthreed.so"), linux, ENTRIES)).toEqual([
      "needs the library libpthreed.so.0",
    ]);
    expect(floorProblems(renamed("GLIBC_2.2.5", "OTHER_2.2.5"), linux, ENTRIES)).toEqual([
      "needs OTHER_2.2.5 of libpthread.so.0",
    ]);
  });

  it.skipIf(process.platform !== "linux")("is read as readelf reads it", () => {
    const file = process.execPath;
    const text = (...words) =>
      execFileSync("readelf", [...words, "--wide", file], { encoding: "utf8", maxBuffer: 2 ** 28 });
    const { needed, versions } = readElf(readFileSync(file));
    expect(needed).toEqual([...text("-d").matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name));
    const [, needs = ""] = text("-V").split("Version needs section");
    const names = [...needs.matchAll(/Name: (\S+)\s+Flags/g)].map(([, name]) => name);
    expect(versions.map(({ version }) => version)).toEqual(names);
    expect(names.length).toBeGreaterThan(0);
  });

  it("is an error when it is something else", () => {
    expect(() => readElf(golden("macos-13.dylib"))).toThrow("it is no ELF file");
    expect(() => readElf(patched("linux-2.28.so", 4, 1))).toThrow("no little-endian ELF file of 64 bits");
  });
});

describe("a library for macOS", () => {
  it("is good at its floor", () => {
    const library = golden("macos-13.dylib");
    expect(readMachO(library)).toMatchObject({
      machine: "arm64",
      macos: "13.0",
      needed: ["/usr/lib/libSystem.B.dylib"],
      offered: ["__dso_handle", "_mh_dylib_header", ENTRY],
      wanted: ["napi_create_object"],
    });
    expect(readMachO(library).commands).toEqual(
      expect.arrayContaining([
        "LC_BUILD_VERSION macOS 13.0, SDK 27.0",
        "LC_LOAD_DYLIB /usr/lib/libSystem.B.dylib",
        "LC_SEGMENT_64 __TEXT",
        "LC_CODE_SIGNATURE",
      ]),
    );
    expect(floorProblems(library, macos, ENTRIES)).toEqual([]);
  });

  it("is refused for a newer system, another name, and symbols that nobody has", () => {
    expect(floorProblems(golden("macos-14.dylib"), macos, ENTRIES)).toEqual([
      "needs macOS 14.0; 13.0 is the floor",
      `does not export ${ENTRY}`,
      "exports another_entry",
      "needs strayFunction, which no library gives",
    ]);
  });

  it("is refused for another processor, foreign libraries, and when it names no system", () => {
    expect(floorProblems(patched("macos-13.dylib", 4, 7, 0, 0, 1), macos, ENTRIES)).toEqual([
      "is for x86-64, not for arm64",
    ]);
    const library = golden("macos-13.dylib");
    library.write("/opt/lib/", library.indexOf("/usr/lib/libSystem"), "latin1");
    expect(floorProblems(library, macos, ENTRIES)[0]).toMatch(/^needs the library \/opt\/lib\/libSystem/);
    const placed = golden("macos-13.dylib");
    placed.write("/acos-13.dylib", placed.indexOf("macos-13.dylib"), "latin1");
    expect(floorProblems(placed, macos, ENTRIES)).toEqual([
      "calls itself /acos-13.dylib, a place of whoever built it",
    ]);
    const platform = golden("macos-13.dylib");
    platform.writeUInt32LE(2, platform.indexOf(Buffer.from([0x32, 0, 0, 0])) + 8);
    expect(floorProblems(platform, macos, ENTRIES)).toEqual(["does not say on which macOS it runs"]);
  });

  it("is refused without a signature", () => {
    const signature = golden("macos-13.dylib").indexOf(Buffer.from([0x1d, 0, 0, 0, 16, 0, 0, 0]));
    expect(floorProblems(patched("macos-13.dylib", signature, 0x2b), macos, ENTRIES)).toEqual([
      "is not signed",
    ]);
  });

  it("exports what its trie has, in whichever command that is", () => {
    // A root without a name, below it "_a" (a terminal) with "b" and "cd" below.
    const node = (edges, terminal = []) => [
      terminal.length,
      ...terminal,
      edges.length,
      ...edges.flatMap(([edge, child]) => [...Buffer.from(`${edge}\0`), child]),
    ];
    const trie = [
      ...node([["_a", 6]]),
      ...node(
        [
          ["b", 17],
          ["cd", 21],
        ],
        [0, 1],
      ),
      ...node([], [0, 2]),
      ...node([], [0, 3]),
    ];
    const file = (command, bytes) => {
      const [at, size] = [32 + 16, bytes.length];
      const header = [0xfeedfacf, 0x0100000c, 0, 6, 1, 16, 0, 0, command, 16, at, size];
      return Buffer.concat([Buffer.from(new Uint32Array(header).buffer), Buffer.from(bytes)]);
    };
    expect(readMachO(file(0x80000033, trie)).offered).toEqual(["a", "ab", "acd"]);
    expect(readMachO(file(0x33, []))).toMatchObject({ offered: [], commands: ["LC_DYLD_EXPORTS_TRIE"] });
    expect(readMachO(file(0x77, []))).toMatchObject({ isSigned: false, commands: ["LC_number 0x77"] });
    const loop = node([["_a", 0]]);
    expect(() => readMachO(file(0x33, loop))).toThrow("its exports are no tree");
    const long = file(0x33, trie);
    long.writeUInt32LE(400, 36);
    expect(() => readMachO(long)).toThrow("its load commands do not fit into it");
  });

  it("is an error when it is something else", () => {
    expect(() => readMachO(golden("linux-2.28.so"))).toThrow("it is no Mach-O file");
  });
});

describe("a library for Windows", () => {
  it("is good at its floor", () => {
    const library = golden("windows.dll");
    const { needed, ...found } = readPe(library);
    expect(found).toEqual({ machine: "x86-64", windows: "6.0", offered: [ENTRY], wanted: [] });
    expect(needed).toContain("KERNEL32.dll");
    expect(floorProblems(library, windows, ENTRIES)).toEqual([]);
  });

  it("is refused for foreign libraries, and for another name", () => {
    expect(floorProblems(golden("windows-foreign.dll"), windows, ENTRIES)).toEqual([
      "needs the library USER32.dll",
      `does not export ${ENTRY}`,
      "exports another_entry",
    ]);
  });

  it("is refused for another processor, and for a newer system", () => {
    const newer = patched("windows.dll", golden("windows.dll").readUInt32LE(60) + 24 + 48, 11, 0);
    expect(floorProblems(newer, windows, ENTRIES)).toEqual(["needs Windows 11.0; 10.0 is the floor"]);
    const header = golden("windows.dll").readUInt32LE(60);
    expect(floorProblems(patched("windows.dll", header + 4, 0x64, 0xaa), windows, ENTRIES)).toEqual([
      "is for arm64, not for x86-64",
    ]);
  });

  it("is an error when it is something else", () => {
    expect(() => readPe(golden("linux-2.28.so"))).toThrow("it is no PE file");
    const header = golden("windows.dll").readUInt32LE(60);
    expect(() => readPe(patched("windows.dll", header + 24, 0x0b, 1))).toThrow("no PE file of 64 bits");
    expect(() => readPe(golden("windows.dll").subarray(0, 200))).toThrow("it is no PE file");
    expect(() => readPe(patched("windows.dll", header + 24 + 112, 0, 0, 0, 0x7f))).toThrow(
      "lies in no section",
    );
  });
});

it("compares versions by their numbers", () => {
  expect([isNewer("2.9", "2.28"), isNewer("2.28", "2.28"), isNewer("13.0.1", "13.0")]).toEqual([
    false,
    false,
    true,
  ]);
});

it("names the platforms there are for an unknown one", () => {
  expect(platformsOf("linux-x64,darwin-arm64")).toEqual(["linux-x64", "darwin-arm64"]);
  expect(() => platformsOf("linux-x64,amiga")).toThrow(
    'there is no platform "amiga"; there are linux-x64, linux-arm64, darwin-arm64, win32-x64',
  );
});
