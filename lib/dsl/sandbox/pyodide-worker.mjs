/**
 * A sandbox's process that runs Python: Pyodide, the given wheels, and the DSL's own modules.
 *
 * Its configuration is `{pyodide, wheels: [{path, sha256}], modules: {name: source}, entry, maximumMemoryMiB, snapshot,
 * makesSnapshot}`; requests go to the entry module's `handle(method, params)`. With `snapshot: {path, key}` it goes on from
 * there, where the packages and modules are. With `makesSnapshot`, a key, it serves nobody: its one answer is the snapshot's file.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { deflateRawSync } from "node:zlib";
import { closeModules, closeNode } from "./lockdown.mjs";
import { serve, StartError } from "./protocol.mjs";
import { packSnapshot, Snapshot } from "./snapshot.mjs";

const WASM_PAGE_BYTES = 65536;

function readWheel({ path, sha256 }) {
  const bytes = fs.readFileSync(path);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) {
    throw new StartError("wheel-corrupt", `${path}: SHA-256 is ${found}, expected ${sha256}`);
  }
  return new Uint8Array(bytes);
}

/** Packages and modules, read and imported. */
function loadEntry(pyodide, wheels, { modules, entry }) {
  const [major, minor] = pyodide.runPython("import sys; sys.version_info[:2]").toJs();
  for (const bytes of wheels) {
    pyodide.unpackArchive(bytes, "zip", { extractDir: `/lib/python${major}.${minor}/site-packages` });
  }
  pyodide.FS.mkdirTree("/dsl");
  for (const [name, source] of Object.entries(modules)) {
    pyodide.FS.writeFile(`/dsl/${name}.py`, source);
  }
  pyodide.runPython(`import sys; sys.path.insert(0, "/dsl"); import ${entry}`);
}

/** Nothing that processes made from one snapshot draw at random may be the same. */
const RESEED = `import sys
if "random" in sys.modules:
    sys.modules["random"].seed()
`;

async function start(config) {
  setFlagsFromString(`--wasm-max-mem-pages=${(config.maximumMemoryMiB * 2 ** 20) / WASM_PAGE_BYTES}`);
  const { snapshot: from, makesSnapshot: key } = config;
  const snapshot = from && new Snapshot(from.path, from.key);
  const wheels = config.wheels.map(readWheel);
  await closeNode();
  const load = (name) => import(pathToFileURL(`${config.pyodide}/${name}`).href);
  const { loadPyodide } = await load("pyodide.mjs");
  const silent = () => undefined;
  const pyodide = await loadPyodide({
    indexURL: `${config.pyodide}/`,
    stdout: silent,
    stderr: silent,
    env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" },
    ...(snapshot && snapshot.options((await load("pyodide.asm.mjs")).default)),
    ...(key && { _makeSnapshot: true }),
  });
  closeModules();
  if (snapshot) pyodide.runPython(RESEED);
  else loadEntry(pyodide, wheels, config);
  if (key) {
    pyodide.runPython("import gc; gc.collect()");
    const answer = JSON.stringify({
      result: deflateRawSync(packSnapshot(pyodide, key), { level: 1 }).toString("base64"),
    });
    return () => answer;
  }
  return pyodide.runPython(`import ${config.entry}; ${config.entry}.handle`);
}

serve(start);
