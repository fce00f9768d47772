/** What a Mach-O library asks of the system that loads it. */

const MAGIC = 0xfeedfacf;
const MACHINES = { 0x01000007: "x86-64", 0x0100000c: "arm64" };
const MACOS = 1;
/** The last bit of a command says that the loader must know it. */
const MUST_KNOW = 0x80000000;
const COMMANDS = {
  0x2: "SYMTAB",
  0xb: "DYSYMTAB",
  0xc: "LOAD_DYLIB",
  0xd: "ID_DYLIB",
  0xe: "LOAD_DYLINKER",
  0x18: "LOAD_WEAK_DYLIB",
  0x19: "SEGMENT_64",
  0x1b: "UUID",
  0x1c: "RPATH",
  0x1d: "CODE_SIGNATURE",
  0x1f: "REEXPORT_DYLIB",
  0x22: "DYLD_INFO",
  0x26: "FUNCTION_STARTS",
  0x29: "DATA_IN_CODE",
  0x2a: "SOURCE_VERSION",
  0x32: "BUILD_VERSION",
  0x33: "DYLD_EXPORTS_TRIE",
  0x34: "DYLD_CHAINED_FIXUPS",
};
const LIBRARIES = ["LOAD_DYLIB", "LOAD_WEAK_DYLIB", "REEXPORT_DYLIB"];
const SYMBOL = { debugging: 0xe0, external: 0x01, type: 0x0e };
/** "Whoever in the process has it", in place of the number of a library: as Apple's linker writes it, and as zig's does. */
const DYNAMIC_LOOKUP = [0xfe, 0];

function textAt(buffer, offset) {
  const end = buffer.indexOf(0, offset);
  if (end < 0) throw new Error("a name in it does not end");
  return buffer.toString("latin1", offset, end);
}

/** C's names begin with an underscore there. */
const plainName = (name) => name.replace(/^_/, "");

/** xxxx.yy.zz in one word; a patch of zero is left out. */
function versionOf(word) {
  const [major, minor, patch] = [word >>> 16, (word >>> 8) & 0xff, word & 0xff];
  return patch === 0 ? `${major}.${minor}` : `${major}.${minor}.${patch}`;
}

/** The names that it needs of nobody in particular. */
function readWanted(buffer, at) {
  const [table, count, names] = [8, 12, 16].map((offset) => buffer.readUInt32LE(at + offset));
  const wanted = [];
  for (let i = 0; i < count; i++) {
    const symbol = table + i * 16;
    const kind = buffer[symbol + 4];
    if ((kind & SYMBOL.debugging) !== 0 || (kind & SYMBOL.external) === 0 || (kind & SYMBOL.type) !== 0)
      continue;
    if (DYNAMIC_LOOKUP.includes(buffer.readUInt16LE(symbol + 6) >> 8))
      wanted.push(plainName(textAt(buffer, names + buffer.readUInt32LE(symbol))));
  }
  return wanted;
}

/** A number in groups of seven bits, and the place behind it. */
function readUleb(buffer, at) {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = buffer.readUInt8(at++);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return [value, at];
  }
}

/** The names in a trie of exports, which is what `dlsym` reads. */
function readExports(buffer, start, size) {
  const names = [];
  // Of a tree each node is met once; one that loops would be met for ever.
  let left = size;
  const visit = (node, prefix) => {
    if (left-- < 0) throw new Error("its exports are no tree");
    const [bytes, behind] = readUleb(buffer, start + node);
    if (bytes > 0) names.push(plainName(prefix));
    let at = behind + bytes;
    for (let children = buffer.readUInt8(at++); children > 0; children--) {
      const edge = textAt(buffer, at);
      const [child, next] = readUleb(buffer, at + edge.length + 1);
      visit(child, prefix + edge);
      at = next;
    }
  };
  if (size > 0) visit(0, "");
  return names.sort();
}

/** What a load command says, for those who print it. */
function describe(buffer, name, at) {
  if (name === "SEGMENT_64") return textAt(buffer.subarray(at + 8, at + 25), 0);
  if (name === "RPATH" || name === "ID_DYLIB" || LIBRARIES.includes(name))
    return textAt(buffer, at + buffer.readUInt32LE(at + 8));
  if (name !== "BUILD_VERSION") return "";
  const [platform, least, sdk] = [8, 12, 16].map((offset) => buffer.readUInt32LE(at + offset));
  const system = platform === MACOS ? "macOS" : `platform ${platform}`;
  return `${system} ${versionOf(least)}, SDK ${versionOf(sdk)}`;
}

/**
 * `{ machine, macos, name, isSigned, needed, offered, wanted, commands }` of a 64-bit library; `macos` is the oldest system
 * that it says it runs on, undefined where it says none, `name` what those call it that link it, and `commands` are its load
 * commands as text.
 * @throws Error that says what is wrong with the bytes
 */
export function readMachO(buffer) {
  if (buffer.length < 32 || buffer.readUInt32LE(0) !== MAGIC)
    throw new Error("it is no Mach-O file of 64 bits");
  const machine = buffer.readUInt32LE(4);
  const found = {
    machine: MACHINES[machine] ?? `number ${machine}`,
    macos: undefined,
    name: undefined,
    isSigned: false,
    needed: [],
    offered: [],
    wanted: [],
    commands: [],
  };
  const end = 32 + buffer.readUInt32LE(20);
  let at = 32;
  for (let left = buffer.readUInt32LE(16); left > 0; left--) {
    const [number, size] = [buffer.readUInt32LE(at) & ~MUST_KNOW, buffer.readUInt32LE(at + 4)];
    if (size < 8 || at + size > end || end > buffer.length)
      throw new Error("its load commands do not fit into it");
    const name = COMMANDS[number] ?? `number 0x${number.toString(16)}`;
    found.commands.push(`LC_${name} ${describe(buffer, name, at)}`.trim());
    const word = (offset) => buffer.readUInt32LE(at + offset);
    if (name === "BUILD_VERSION" && word(8) === MACOS) found.macos = versionOf(word(12));
    else if (LIBRARIES.includes(name)) found.needed.push(textAt(buffer, at + word(8)));
    else if (name === "ID_DYLIB") found.name = textAt(buffer, at + word(8));
    else if (name === "CODE_SIGNATURE") found.isSigned = true;
    else if (name === "SYMTAB") found.wanted = readWanted(buffer, at);
    else if (name === "DYLD_INFO") found.offered = readExports(buffer, word(40), word(44));
    else if (name === "DYLD_EXPORTS_TRIE") found.offered = readExports(buffer, word(8), word(12));
    at += size;
  }
  return found;
}
