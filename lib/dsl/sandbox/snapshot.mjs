/**
 * A snapshot: the memory of an interpreter that has loaded its packages, and the files that it sees, as one file that
 * another process goes on from.
 *
 * Layout: MAGIC, the SHA-256 of the header, the header's length (uint32, little-endian), the header (JSON), and the body,
 * whose SHA-256 the header holds: the parts of memory that are not zero, then the files' contents.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { StartError } from "./protocol.mjs";

const MAGIC = Buffer.from("ibert-snapshot-1");
const DIGEST_BYTES = 32;
const PREFIX_BYTES = MAGIC.length + DIGEST_BYTES + 4;
const PAGE_BYTES = 65536; // WebAssembly's
const MAXIMUM_HEADER_BYTES = 2 ** 24;
/** What lies in these folders is the program's own; the rest of the file system Pyodide makes itself. */
const FOLDERS = ["/lib", "/dsl"];

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** `[offset, length]` of the parts of memory that hold anything, in whole pages. */
function usedRuns(memory) {
  const zeros = Buffer.alloc(PAGE_BYTES);
  const runs = [];
  for (let offset = 0; offset < memory.length; offset += PAGE_BYTES) {
    if (memory.compare(zeros, 0, PAGE_BYTES, offset, offset + PAGE_BYTES) === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === offset) last[1] += PAGE_BYTES;
    else runs.push([offset, PAGE_BYTES]);
  }
  return runs;
}

/** Files and folders below FOLDERS, parents first, as `[path, mode, modified, length]`; a folder's length is -1. */
function listFiles(FS) {
  const entries = [];
  const contents = [];
  const walk = (folder) => {
    for (const name of FS.readdir(folder).sort()) {
      if (name === "." || name === "..") continue;
      const path = `${folder}/${name}`;
      const { mode, mtime, size } = FS.stat(path);
      const isFolder = FS.isDir(mode);
      // Pyodide writes its standard library, an archive, at every start.
      if (!isFolder && folder === "/lib") continue;
      entries.push([path, mode, mtime.getTime(), isFolder ? -1 : size]);
      if (isFolder) walk(path);
      else contents.push(FS.readFile(path));
    }
  };
  for (const folder of FOLDERS) {
    const { mode, mtime } = FS.stat(folder);
    entries.push([folder, mode, mtime.getTime(), -1]);
    walk(folder);
  }
  return { entries, contents };
}

/** The snapshot of an interpreter that was loaded with `_makeSnapshot`, as the bytes of its file. */
export function packSnapshot(pyodide, key) {
  const taken = pyodide.makeMemorySnapshot();
  const start = new DataView(taken.buffer, taken.byteOffset).getUint32(4, true);
  const memory = Buffer.from(taken.buffer, taken.byteOffset + start, taken.byteLength - start);
  const runs = usedRuns(memory);
  const { entries, contents } = listFiles(pyodide.FS);
  const body = [...runs.map(([offset, length]) => memory.subarray(offset, offset + length)), ...contents];
  const header = Buffer.from(
    JSON.stringify({
      key,
      memoryBytes: memory.length,
      runs,
      // Pyodide's own header: which JavaScript objects the memory refers to.
      state: Buffer.from(taken.buffer, taken.byteOffset, start).toString("base64"),
      entries,
      body: sha256(...body).toString("hex"),
    }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([MAGIC, sha256(header), length, header, ...body]);
}

function damaged(path, what) {
  return new StartError("sandbox-start", `${path}: ${what}`);
}

/** A snapshot's file, opened and its header checked. Throws StartError. */
export class Snapshot {
  constructor(path, key) {
    this.path = path;
    try {
      this.file = fs.openSync(path, "r");
    } catch (error) {
      throw damaged(path, error.message);
    }
    const prefix = this.read(Buffer.alloc(PREFIX_BYTES));
    if (!prefix.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(path, "it is no snapshot");
    const length = prefix.readUInt32LE(MAGIC.length + DIGEST_BYTES);
    if (length > MAXIMUM_HEADER_BYTES) throw damaged(path, "its header is too long");
    const header = this.read(Buffer.alloc(length));
    if (!sha256(header).equals(prefix.subarray(MAGIC.length, MAGIC.length + DIGEST_BYTES))) {
      throw damaged(path, "its header is damaged");
    }
    this.header = JSON.parse(header.toString("utf8"));
    if (this.header.key !== key) throw damaged(path, "it was made of something else");
  }

  /** Options of `loadPyodide` that go on from here; `create` is the function of Pyodide's own module. */
  options(create) {
    return {
      _loadSnapshot: Buffer.from(this.header.state, "base64"),
      createPyodideModule: async (module) => {
        const instantiate = module.instantiateWasm;
        module.instantiateWasm = (imports, done) =>
          instantiate(imports, (instance, compiled) => {
            const { memory } = instance.exports;
            memory.grow((this.header.memoryBytes - memory.buffer.byteLength) / PAGE_BYTES);
            done(instance, compiled);
          });
        // Emscripten calls this from where nobody awaits it.
        let failure;
        module.onRuntimeInitialized = () => {
          try {
            this.restore(module);
          } catch (error) {
            failure = error;
          }
        };
        const created = await create(module);
        if (failure !== undefined) throw failure;
        return created;
      },
    };
  }

  /** Puts memory and files into the module, and makes sure that they are the ones that were written. */
  restore({ HEAPU8, FS }) {
    const hash = createHash("sha256");
    HEAPU8.fill(0);
    for (const [offset, length] of this.header.runs) {
      hash.update(this.read(HEAPU8.subarray(offset, offset + length)));
    }
    const { entries } = this.header;
    const bytes = entries.reduce((sum, [, , , length]) => sum + Math.max(0, length), 0);
    const contents = this.read(new Uint8Array(bytes));
    fs.closeSync(this.file);
    if (hash.update(contents).digest("hex") !== this.header.body) {
      throw damaged(this.path, "its contents are damaged");
    }
    addFiles(FS, entries, contents);
  }

  read(target) {
    let done = 0;
    while (done < target.length) {
      const count = fs.readSync(this.file, target, done, target.length - done, null);
      if (count === 0) throw damaged(this.path, "it ends too early");
      done += count;
    }
    return target;
  }
}

/** Makes the nodes themselves: the calls of a program that writes files take twenty times as long. */
function addFiles(FS, entries, contents) {
  const { createNode } = FS.filesystems.MEMFS;
  const folders = new Map([["", FS.lookupPath("/").node]]);
  let offset = 0;
  for (const [path, mode, , length] of entries) {
    const slash = path.lastIndexOf("/");
    const parent = folders.get(path.slice(0, slash));
    const name = path.slice(slash + 1);
    const node = Object.hasOwn(parent.contents, name)
      ? parent.contents[name]
      : createNode(parent, name, mode, 0);
    if (length < 0) {
      folders.set(path, node);
    } else {
      node.contents = contents.subarray(offset, offset + length);
      node.usedBytes = length;
      offset += length;
    }
  }
  // Last, because a folder's time moves with each file: Python's import system looks at it.
  for (const [path, , modified] of entries) {
    const slash = path.lastIndexOf("/");
    const node = folders.get(path) ?? folders.get(path.slice(0, slash)).contents[path.slice(slash + 1)];
    node.atime = node.mtime = node.ctime = modified;
  }
}
