/**
 * What a release is built for: the target of the compiler, the system and processor as CMake names them, the file of the
 * addon, and the oldest system that must load it. `node-gyp-build` reads the tag `glibc` and leaves such a file alone on a
 * system with another C library. What is `untried` is built when it is named, and in no release.
 */
export const PLATFORMS = {
  "linux-x64": {
    target: "x86_64-linux-gnu.2.28",
    system: "Linux",
    processor: "x86_64",
    addon: "ibert.glibc.node",
    floor: { format: "elf", machine: "x86-64", glibc: "2.28" },
  },
  "linux-arm64": {
    target: "aarch64-linux-gnu.2.28",
    system: "Linux",
    processor: "aarch64",
    addon: "ibert.glibc.node",
    floor: { format: "elf", machine: "arm64", glibc: "2.28" },
  },
  "darwin-arm64": {
    target: "aarch64-macos.13.0",
    system: "Darwin",
    processor: "arm64",
    addon: "ibert.node",
    floor: { format: "mach-o", machine: "arm64", macos: "13.0" },
  },
  "win32-x64": {
    target: "x86_64-windows-gnu",
    system: "Windows",
    processor: "x86_64",
    addon: "ibert.node",
    floor: { format: "pe", machine: "x86-64", windows: "10.0" },
    untried: "loaded under Wine, on no Windows yet",
  },
};

/** "linux-x64,darwin-arm64" as names of platforms; nothing stands for those of a release. */
export function platformsOf(text) {
  if (text === undefined)
    return Object.keys(PLATFORMS).filter((name) => PLATFORMS[name].untried === undefined);
  const names = text.split(",");
  const unknown = names.find((name) => !Object.hasOwn(PLATFORMS, name));
  if (unknown !== undefined) {
    throw new Error(`there is no platform "${unknown}"; there are ${Object.keys(PLATFORMS).join(", ")}`);
  }
  return names;
}
