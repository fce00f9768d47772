/** What a Mach-O library asks of the system that loads it. */

const MAGIC = 0xfeedfacf;
const MACHINES = { 0x01000007: "x86-64", 0x0100000c: "arm64" };
const MACOS = 1;
// The last bit of some says that the loader must know them.
const COMMAND = { symbols: 0x2, loadDylib: 0xc, loadWeakDylib: 0x18, buildVersion: 0x32 };
const SYMBOL = { debugging: 0xe0, external: 0x01, type: 0x0e };
/** "Whoever in the process has it", in place of the number of a library: as Apple's linker writes it, and as zig's does. */
const DYNAMIC_LOOKUP = [0xfe, 0];

function textAt(buffer, offset) {
  const end = buffer.indexOf(0, offset);
  if (end < 0) throw new Error("a name in it does not end");
  return buffer.toString("latin1", offset, end);
}

/** xxxx.yy.zz in one word; a patch of zero is left out. */
function versionOf(word) {
  const [major, minor, patch] = [word >>> 16, (word >>> 8) & 0xff, word & 0xff];
  return patch === 0 ? `${major}.${minor}` : `${major}.${minor}.${patch}`;
}

function readSymbols(buffer, at) {
  const [table, count, names] = [8, 12, 16].map((offset) => buffer.readUInt32LE(at + offset));
  const [offered, wanted] = [[], []];
  for (let i = 0; i < count; i++) {
    const symbol = table + i * 16;
    const kind = buffer[symbol + 4];
    if ((kind & SYMBOL.debugging) !== 0 || (kind & SYMBOL.external) === 0) continue;
    const name = textAt(buffer, names + buffer.readUInt32LE(symbol)).replace(/^_/, "");
    if ((kind & SYMBOL.type) !== 0) offered.push(name);
    else if (DYNAMIC_LOOKUP.includes(buffer.readUInt16LE(symbol + 6) >> 8)) wanted.push(name);
  }
  return { offered, wanted };
}

/**
 * `{ machine, macos, needed, offered, wanted }` of a 64-bit library; `macos` is the oldest system that it says it runs on,
 * undefined where it says none.
 * @throws Error that says what is wrong with the bytes
 */
export function readMachO(buffer) {
  if (buffer.length < 32 || buffer.readUInt32LE(0) !== MAGIC)
    throw new Error("it is no Mach-O file of 64 bits");
  const machine = buffer.readUInt32LE(4);
  const found = {
    machine: MACHINES[machine] ?? `number ${machine}`,
    macos: undefined,
    needed: [],
    offered: [],
    wanted: [],
  };
  for (let i = 0, at = 32; i < buffer.readUInt32LE(16); i++, at += buffer.readUInt32LE(at + 4)) {
    const command = buffer.readUInt32LE(at) & 0x7fffffff;
    if (command === COMMAND.buildVersion && buffer.readUInt32LE(at + 8) === MACOS) {
      found.macos = versionOf(buffer.readUInt32LE(at + 12));
    } else if (command === COMMAND.loadDylib || command === COMMAND.loadWeakDylib) {
      found.needed.push(textAt(buffer, at + buffer.readUInt32LE(at + 8)));
    } else if (command === COMMAND.symbols) Object.assign(found, readSymbols(buffer, at));
  }
  return found;
}
