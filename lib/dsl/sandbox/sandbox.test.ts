import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pyodideProgram, type PyodideSpec } from "./pyodide.js";
import { SandboxPool } from "./sandbox-pool.js";
import { SandboxFailure } from "./sandbox-process.js";

// The second layer by itself: hostile Python runs straight in the process that the allow-list would keep it out of.
const HOSTILE = `
import json

def handle(method, params):
    scope = {}
    try:
        exec(json.loads(params)["code"], scope)
        return json.dumps({"result": {"value": repr(scope.get("value"))}})
    except BaseException as error:
        return json.dumps({"result": {"error": str(error)}})
`;

const folder = mkdtempSync(join(tmpdir(), "ibert-sandbox-"));
const spec: PyodideSpec = { wheels: [], modules: { hostile: HOSTILE }, entry: "hostile" };
// Its processes go on from a snapshot, as the engines' do; that of `bare` loads all by itself.
const pool = new SandboxPool(() => pyodideProgram({ ...spec, snapshots: join(folder, "snapshots") }), 1);
// As on a system that can give the process no empty network and no limits.
const bare = new SandboxPool(
  () => pyodideProgram({ ...spec, isolation: { prefix: [], network: false, limits: false } }),
  1,
);
let server: Server;
let port = 0;
let connections = 0;

beforeAll(async () => {
  server = createServer(() => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});

afterAll(async () => {
  await Promise.all([pool.close(), bare.close()]);
  server.close();
  rmSync(folder, { recursive: true });
});

/** What the code left in `value`, the error it met, or how its process ended. */
async function attack(
  code: string,
  timeoutMs = 20_000,
  target = pool,
): Promise<{ value?: string; error?: string }> {
  try {
    return (await target.request("run", { code }, timeoutMs)) as { value?: string; error?: string };
  } catch (error) {
    if (error instanceof SandboxFailure) return { error: `${error.kind}: ${error.message}` };
    throw error;
  }
}

const marker = (name: string) => join(folder, name);

describe("code that got past the allow-list", () => {
  it("runs at all, so that what follows means something", async () => {
    expect(await attack("value = 6 * 7")).toEqual({ value: "42" });
    expect((await attack("import js\nvalue = js.process.version")).value).toContain(process.version);
  });

  it.each([
    ["os.system", /^crash/, `import os\nos.system("touch ${marker("system")}")`],
    [
      "subprocess",
      /does not support processes/,
      `import subprocess\nsubprocess.run(["touch", "${marker("subprocess")}"])`,
    ],
    [
      "a file of its own",
      /No such file/,
      `open("${marker("open")}", "w").write("x")\nvalue = open("/etc/hostname").read()`,
    ],
    [
      "child_process through JavaScript",
      /closed in the sandbox/,
      `import js\njs.process.getBuiltinModule("child_process").execSync("touch ${marker("child")}")`,
    ],
    [
      "fs through JavaScript",
      /closed in the sandbox/,
      `import js\njs.process.getBuiltinModule("fs").writeFileSync("${marker("fs")}", "x")`,
    ],
    [
      "mountNodeFS, to write",
      /does not exist/,
      `import pyodide_js\npyodide_js.mountNodeFS("/out", "${folder}")\nopen("/out/mounted", "w").write("x")`,
    ],
    [
      "mountNodeFS, to read",
      /does not exist/,
      `import pyodide_js\npyodide_js.mountNodeFS("/etc2", "/etc")\nvalue = open("/etc2/passwd").read()`,
    ],
    [
      "emscripten_run_script",
      /^crash/,
      `import ctypes\nctypes.CDLL(None).emscripten_run_script(b"globalThis.reached = 1")\nimport js\nvalue = js.reached`,
    ],
    [
      "run_js",
      /Code generation from strings disallowed/,
      `from pyodide.code import run_js\nvalue = run_js("process.pid")`,
    ],
    [
      "a constructor's constructor",
      /Code generation from strings disallowed/,
      `import js\nvalue = js.Object.constructor.new("return process")()`,
    ],
    ["a native binding", /^spawn$/, `import js\nvalue = js.process.binding("spawn_sync").spawn`],
    [
      "a signal to the parent",
      /closed in the sandbox/,
      `import js\njs.process.kill(js.process.ppid, 0)\nvalue = "sent"`,
    ],
    [
      "a worker thread",
      /closed in the sandbox/,
      `import js\njs.process.getBuiltinModule("worker_threads").Worker.new("/dev/null")`,
    ],
    ["fetch", /^fetch$/, `import js\njs.fetch("http://127.0.0.1/")\nvalue = "sent"`],
    ["the environment", /^PATH$/, `import js\nvalue = js.process.env.PATH + js.process.env.HOME`],
  ])("cannot use %s", async (_name, reason, code) => {
    const outcome = await attack(code);
    expect(outcome.error).toMatch(reason);
    for (const name of ["system", "subprocess", "open", "child", "fs", "mounted"]) {
      expect(existsSync(marker(name)), name).toBe(false);
    }
  });

  it.each([
    ["with a network namespace of its own", pool],
    ["without one", bare],
  ])("reaches no server on this machine, %s", async (_name, target) => {
    const viaPython = `import socket\ns = socket.create_connection(("127.0.0.1", ${port}), 2)\nvalue = s.send(b"x")`;
    expect((await attack(viaPython, 20_000, target)).error).toBeDefined();
    // The interpreter's own handle on Node's modules, and what is left of them.
    const viaNode = `import js\nhandles = js.process._getActiveHandles()\nSocket = [h for h in handles if h.constructor.name == "Socket"][0].constructor\ns = Socket.new()\ns.connect(${port}, "127.0.0.1")\nvalue = "connecting"`;
    expect((await attack(viaNode, 20_000, target)).error).toMatch(/closed in the sandbox/);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(connections).toBe(0);
  });

  it("meets a limit of memory", async () => {
    const outcome = await attack("value = len(bytearray(3 * 2**30))");
    expect(outcome.value).toBeUndefined();
  });

  it("is killed when its time is up, and its process replaced", async () => {
    const outcome = await attack("while True: pass", 500);
    expect(outcome.error).toBe("timeout: no answer within 500 ms");
    expect(await attack("value = 1")).toEqual({ value: "1" });
  });

  it("is replaced after it ends itself", async () => {
    expect((await attack("import js\njs.process.exit(3)")).error).toMatch(/^crash/);
    expect(await attack("value = 2")).toEqual({ value: "2" });
  });

  it("takes no other request with it by what it leaves behind", async () => {
    const bomb =
      "import js\njs.setTimeout(js.Function.prototype.bind.call(js.process.exit, js.process, 3), 0)";
    await attack(bomb);
    expect(await attack("value = 3")).toEqual({ value: "3" });
    await attack("import atexit, js\nfor i in range(3): js.process.nextTick(js.process.exit, 3)");
    expect(await attack("value = 4")).toEqual({ value: "4" });
  });
});
