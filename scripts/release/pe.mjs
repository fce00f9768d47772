/** What a library for Windows (PE32+) asks of the system that loads it. */

const MACHINES = { 0x8664: "x86-64", 0xaa64: "arm64" };
const PE32_PLUS = 0x20b;

function textAt(buffer, offset) {
  const end = buffer.indexOf(0, offset);
  if (end < 0) throw new Error("a name in it does not end");
  return buffer.toString("latin1", offset, end);
}

/** Of the sections: where in the file an address of the loaded library lies. */
function placesOf(buffer, header) {
  const start = header + 24 + buffer.readUInt16LE(header + 20);
  const sections = Array.from({ length: buffer.readUInt16LE(header + 6) }, (_, i) => {
    const at = start + i * 40;
    const [address, size, offset] = [12, 16, 20].map((field) => buffer.readUInt32LE(at + field));
    return { address, size, offset };
  });
  return (address) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size);
    if (section === undefined) throw new Error("an address in it lies in no section");
    return address - section.address + section.offset;
  };
}

/** The names in a table whose entries hold one at `field`, up to an entry that is empty there. */
function readNames(buffer, place, table, entryBytes, field) {
  const names = [];
  if (table === 0) return names;
  for (let at = place(table); buffer.readUInt32LE(at + field) !== 0; at += entryBytes) {
    names.push(textAt(buffer, place(buffer.readUInt32LE(at + field))));
  }
  return names;
}

function readExports(buffer, place, table) {
  if (table === 0) return [];
  const at = place(table);
  const count = buffer.readUInt32LE(at + 24);
  if (count === 0) return [];
  const names = place(buffer.readUInt32LE(at + 32));
  return Array.from({ length: count }, (_, i) => textAt(buffer, place(buffer.readUInt32LE(names + i * 4))));
}

/**
 * `{ machine, windows, needed, offered, wanted }` of a 64-bit library: `windows` is the oldest version that it says it runs on,
 * `needed` the libraries that it names, also those that are loaded late. Nothing is wanted of nobody in particular.
 * @throws Error that says what is wrong with the bytes
 */
export function readPe(buffer) {
  const header =
    buffer.length < 64 || buffer.toString("latin1", 0, 2) !== "MZ" ? -1 : buffer.readUInt32LE(60);
  if (header < 0 || header + 264 > buffer.length || buffer.readUInt32LE(header) !== 0x4550)
    throw new Error("it is no PE file");
  const optional = header + 24;
  if (buffer.readUInt16LE(optional) !== PE32_PLUS) throw new Error("it is no PE file of 64 bits");
  const machine = buffer.readUInt16LE(header + 4);
  const place = placesOf(buffer, header);
  const table = (index) => buffer.readUInt32LE(optional + 112 + index * 8);
  return {
    machine: MACHINES[machine] ?? `number ${machine}`,
    windows: `${buffer.readUInt16LE(optional + 48)}.${buffer.readUInt16LE(optional + 50)}`,
    needed: [...readNames(buffer, place, table(1), 20, 12), ...readNames(buffer, place, table(13), 32, 4)],
    offered: readExports(buffer, place, table(0)),
    wanted: [],
  };
}
