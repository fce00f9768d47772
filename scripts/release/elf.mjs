/** What an ELF library asks of the system that loads it. */

const MACHINES = { 62: "x86-64", 183: "arm64" };
const SECTION = { dynamic: 6, dynsym: 11, versionNeeds: 0x6ffffffe, symbolVersions: 0x6fffffff };
const DT_NEEDED = 1;
const WEAK = 2;

function textAt(buffer, offset) {
  const end = buffer.indexOf(0, offset);
  if (end < 0) throw new Error("a name in it does not end");
  return buffer.toString("latin1", offset, end);
}

const number = (buffer, offset) => Number(buffer.readBigUInt64LE(offset));

function readSections(buffer) {
  const [start, size, count] = [number(buffer, 40), buffer.readUInt16LE(58), buffer.readUInt16LE(60)];
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    return {
      type: buffer.readUInt32LE(at + 4),
      offset: number(buffer, at + 24),
      size: number(buffer, at + 32),
      link: buffer.readUInt32LE(at + 40),
      info: buffer.readUInt32LE(at + 44),
    };
  });
}

/** The libraries that it names. */
function readNeeded(buffer, sections) {
  const dynamic = sections.find(({ type }) => type === SECTION.dynamic);
  if (dynamic === undefined) return [];
  const names = sections[dynamic.link].offset;
  const needed = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (number(buffer, at) === DT_NEEDED) needed.push(textAt(buffer, names + number(buffer, at + 8)));
  }
  return needed;
}

/** The versions of symbols that it needs of each library. */
function readVersions(buffer, sections) {
  const section = sections.find(({ type }) => type === SECTION.versionNeeds);
  if (section === undefined) return [];
  const names = sections[section.link].offset;
  const versions = [];
  for (let i = 0, at = section.offset; i < section.info; i++, at += buffer.readUInt32LE(at + 12)) {
    const library = textAt(buffer, names + buffer.readUInt32LE(at + 4));
    let entry = at + buffer.readUInt32LE(at + 8);
    for (let left = buffer.readUInt16LE(at + 2); left > 0; left--, entry += buffer.readUInt32LE(entry + 12)) {
      versions.push({ library, version: textAt(buffer, names + buffer.readUInt32LE(entry + 8)) });
    }
  }
  return versions;
}

/** The names that it offers, and those that it needs of nobody in particular. */
function readSymbols(buffer, sections) {
  const table = sections.find(({ type }) => type === SECTION.dynsym);
  const versions = sections.find(({ type }) => type === SECTION.symbolVersions);
  const [offered, wanted] = [[], []];
  if (table === undefined) return { offered, wanted };
  const names = sections[table.link].offset;
  for (let i = 1; i < table.size / 24; i++) {
    const at = table.offset + i * 24;
    const name = textAt(buffer, names + buffer.readUInt32LE(at));
    if (buffer.readUInt16LE(at + 6) !== 0) offered.push(name);
    else if (buffer[at + 4] >> 4 !== WEAK) {
      const version = versions === undefined ? 0 : buffer.readUInt16LE(versions.offset + i * 2) & 0x7fff;
      if (version < 2) wanted.push(name);
    }
  }
  return { offered, wanted };
}

/**
 * `{ machine, needed, versions: [{ library, version }], offered, wanted }` of a 64-bit library.
 * @throws Error that says what is wrong with the bytes
 */
export function readElf(buffer) {
  if (buffer.length < 64 || buffer.toString("latin1", 0, 4) !== "\x7fELF")
    throw new Error("it is no ELF file");
  if (buffer[4] !== 2 || buffer[5] !== 1) throw new Error("it is no little-endian ELF file of 64 bits");
  const machine = buffer.readUInt16LE(18);
  const sections = readSections(buffer);
  return {
    machine: MACHINES[machine] ?? `number ${machine}`,
    needed: readNeeded(buffer, sections),
    versions: readVersions(buffer, sections),
    ...readSymbols(buffer, sections),
  };
}
