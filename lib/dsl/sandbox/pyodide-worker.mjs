/**
 * A sandbox's process that runs Python: Pyodide, the given wheels, and the DSL's own modules.
 *
 * Its configuration is `{pyodide, wheels: [{path, sha256}], modules: {name: source}, entry, maximumMemoryMiB}`; requests
 * go to the entry module's `handle(method, params)`.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { closeModules, closeNode } from "./lockdown.mjs";
import { serve, StartError } from "./protocol.mjs";

const WASM_PAGE_BYTES = 65536;

function readWheel({ path, sha256 }) {
  const bytes = fs.readFileSync(path);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) {
    throw new StartError("wheel-corrupt", `${path}: SHA-256 is ${found}, expected ${sha256}`);
  }
  return new Uint8Array(bytes);
}

async function start(config) {
  setFlagsFromString(`--wasm-max-mem-pages=${(config.maximumMemoryMiB * 2 ** 20) / WASM_PAGE_BYTES}`);
  const wheels = config.wheels.map(readWheel);
  await closeNode();
  const { loadPyodide } = await import(pathToFileURL(`${config.pyodide}/pyodide.mjs`).href);
  const silent = () => undefined;
  const pyodide = await loadPyodide({
    indexURL: `${config.pyodide}/`,
    stdout: silent,
    stderr: silent,
    env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" },
  });
  closeModules();
  const [major, minor] = pyodide.runPython("import sys; sys.version_info[:2]").toJs();
  for (const bytes of wheels) {
    pyodide.unpackArchive(bytes, "zip", { extractDir: `/lib/python${major}.${minor}/site-packages` });
  }
  pyodide.FS.mkdirTree("/dsl");
  for (const [name, source] of Object.entries(config.modules)) {
    pyodide.FS.writeFile(`/dsl/${name}.py`, source);
  }
  return pyodide.runPython(
    `import sys; sys.path.insert(0, "/dsl"); import ${config.entry}; ${config.entry}.handle`,
  );
}

serve(start);
