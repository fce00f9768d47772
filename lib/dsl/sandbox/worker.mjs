/**
 * The sandbox's process: Pyodide, the given wheels, and the DSL's own Python, behind a line protocol on stdin/stdout.
 *
 * The first line is `{pyodide, wheels: [{path, sha256}], modules: {name: source}, entry, maximumMemoryMiB}`, answered by
 * `{"ready": true}` or `{"error": {...}}`. Each further line `{id, method, params}` is passed to the entry module's
 * `handle(method, params)`, which gives one line of JSON; the answer is `{id, answer}`.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { closeModules, closeNode } from "./lockdown.mjs";

const WASM_PAGE_BYTES = 65536;
const FATAL_EXIT = 70;

class StartError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function send(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

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

let handle;

async function receive(line) {
  const message = JSON.parse(line);
  if (handle === undefined) {
    try {
      handle = await start(message);
      send({ ready: true });
    } catch (error) {
      send({
        error: { code: error.code ?? "sandbox-start", message: String(error.message ?? error).slice(-4000) },
      });
      process.exitCode = FATAL_EXIT;
      lines.close();
    }
    return;
  }
  let answer;
  try {
    answer = handle(message.method, JSON.stringify(message.params));
  } catch (error) {
    // After a fatal error (a stack overflow in WebAssembly, say) the interpreter cannot be used again.
    if (error?.name !== "PythonError") process.exit(FATAL_EXIT);
    answer = JSON.stringify({
      error: { code: "sandbox-internal", message: String(error.message).slice(-4000) },
    });
  }
  send({ id: message.id, answer });
}

const lines = createInterface({ input: process.stdin });
let last = Promise.resolve();
lines.on("line", (line) => {
  last = last.then(() => receive(line));
});
lines.on("close", () => {
  void last.then(() => process.exit());
});
