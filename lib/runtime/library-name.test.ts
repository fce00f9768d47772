import { expect, it } from "vitest";

import { isLibraryPath, libraryName } from "./backend-file.js";

it("names a backend's library as each system does", () => {
  const names = ["linux", "darwin", "win32"].map((platform) => libraryName("reference", platform));
  expect(names).toEqual(["libibert-reference.so", "libibert-reference.dylib", "libibert-reference.dll"]);
});

it("takes a path of the system for the library itself", () => {
  expect(isLibraryPath("reference", "win32")).toBe(false);
  expect(isLibraryPath("C:\\ibert\\libibert-reference.dll", "win32")).toBe(true);
  expect(isLibraryPath("./libibert-reference.so", "linux")).toBe(true);
  expect(isLibraryPath("odd\\name", "linux")).toBe(false);
});
