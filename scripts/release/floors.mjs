/** Holds a built library to the oldest system that must load it, by what it asks for. */
import { readElf } from "./elf.mjs";
import { readMachO } from "./macho.mjs";
import { readPe } from "./pe.mjs";

/** What every Linux with the GNU C library has; the C++ library is linked in. */
const LINUX_LIBRARIES = /^(lib(c|m|dl|rt|pthread)\.so\.\d+|ld-linux-[\w-]+\.so\.\d+)$/;
const MACOS_LIBRARIES = /^(\/usr\/lib\/|\/System\/Library\/)/;
/** What every Windows from 10 has: the system, and the universal C library. */
const WINDOWS_LIBRARIES = /^(kernel32|api-ms-win-crt-[\w-]+)\.dll$/i;
/** What Node gives to an addon. */
const OF_NODE = /^(napi_|node_api_)/;
/** What linkers add to each library of their own. */
const OF_LINKER = /^(__dso_handle|_mh_dylib_header|_init|_fini|_edata|_end|__bss_start)$/;
/** `operator new` and `delete`, which the C++ library that is linked in offers weakly: a process may have its own. */
const OF_CXX = /^_Z(n[aw]|d[al])/;

/** Whether a version ("2.28") comes after another one. */
export function isNewer(version, than) {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function problemsOfElf(found, { glibc }) {
  const problems = [];
  for (const library of found.needed) {
    if (!LINUX_LIBRARIES.test(library)) problems.push(`needs the library ${library}`);
  }
  for (const { library, version } of found.versions) {
    const [, number] = /^GLIBC_(\d+(?:\.\d+)*)$/.exec(version) ?? [];
    if (number === undefined) problems.push(`needs ${version} of ${library}`);
    else if (isNewer(number, glibc)) problems.push(`needs ${version} of ${library}; ${glibc} is the floor`);
  }
  return problems;
}

function problemsOfMachO(found, { macos }) {
  const problems = found.needed
    .filter((library) => !MACOS_LIBRARIES.test(library))
    .map((library) => `needs the library ${library}`);
  if (found.macos === undefined) problems.push("does not say on which macOS it runs");
  else if (isNewer(found.macos, macos)) problems.push(`needs macOS ${found.macos}; ${macos} is the floor`);
  if (found.name?.startsWith("/")) problems.push(`calls itself ${found.name}, a place of whoever built it`);
  // Apple's processors run nothing that has no signature, be it one that names nobody.
  if (!found.isSigned) problems.push("is not signed");
  return problems;
}

function problemsOfPe(found, { windows }) {
  const problems = found.needed
    .filter((library) => !WINDOWS_LIBRARIES.test(library))
    .map((library) => `needs the library ${library}`);
  if (isNewer(found.windows, windows))
    problems.push(`needs Windows ${found.windows}; ${windows} is the floor`);
  return problems;
}

/** How each format is read, and held to a floor. */
const FORMATS = {
  elf: { read: readElf, problems: problemsOfElf },
  "mach-o": { read: readMachO, problems: problemsOfMachO },
  pe: { read: readPe, problems: problemsOfPe },
};

/**
 * What keeps a library from being loaded at its floor (platforms.mjs); nothing where all is well.
 * @param entries the names that it exports: the first must be there, the rest may, and no other
 */
export function floorProblems(buffer, floor, entries) {
  const format = FORMATS[floor.format];
  const found = format.read(buffer);
  const problems = format.problems(found, floor);
  if (found.machine !== floor.machine) problems.push(`is for ${found.machine}, not for ${floor.machine}`);
  if (!found.offered.includes(entries[0])) problems.push(`does not export ${entries[0]}`);
  for (const name of found.offered)
    if (!entries.includes(name) && !OF_LINKER.test(name) && !OF_CXX.test(name))
      problems.push(`exports ${name}`);
  for (const name of found.wanted)
    if (!OF_NODE.test(name)) problems.push(`needs ${name}, which no library gives`);
  return problems;
}
