/**
 * Closes, inside the worker process, the doors of Node that its flags leave open: sockets and name look-ups where the
 * system gave no empty network, signals to other processes, native bindings, and modules that the interpreter does
 * not need. It is one layer of several; see docs/architecture.md.
 */
import fs from "node:fs";
import module from "node:module";
import vm from "node:vm";

function refusal(name) {
  return function refused() {
    throw new Error(`${name} is closed in the sandbox`);
  };
}

/** Replaces every function that `target` holds by one that throws. */
function closeFunctions(target, label) {
  for (const name of Object.getOwnPropertyNames(target)) {
    const descriptor = Object.getOwnPropertyDescriptor(target, name);
    if (name === "constructor" || descriptor?.configurable !== true) continue;
    if (typeof descriptor.value === "function") {
      Object.defineProperty(target, name, { ...descriptor, value: refusal(`${label}.${name}`) });
    }
  }
}

/** To be called before the interpreter loads. */
export async function closeNode() {
  // Pyodide reads the open flags of the file system from here, and Node's permission model refuses the original.
  process.binding = () => ({ fs: fs.constants });
  for (const name of [
    "_linkedBinding",
    "dlopen",
    "kill",
    "_kill",
    "abort",
    "_debugProcess",
    "_debugEnd",
    "setuid",
  ]) {
    process[name] = refusal(`process.${name}`);
  }

  const net = await import("node:net");
  for (const name of ["connect", "listen"]) {
    for (const owner of [net.Socket, net.Server]) {
      if (owner.prototype[name] !== undefined) owner.prototype[name] = refusal(`net.${owner.name}.${name}`);
    }
  }
  closeFunctions((await import("node:dgram")).default.Socket.prototype, "dgram.Socket");
  const dns = (await import("node:dns")).default;
  closeFunctions(dns.Resolver.prototype, "dns.Resolver");
  closeFunctions(dns.promises.Resolver.prototype, "dns.promises.Resolver");
  closeFunctions(dns.promises, "dns.promises");
  closeFunctions(dns, "dns");
  for (const name of ["child_process", "cluster", "inspector", "worker_threads", "http2", "repl", "v8"]) {
    closeFunctions((await import(`node:${name}`)).default, name);
  }
  module.syncBuiltinESMExports();
  for (const name of ["fetch", "WebSocket", "EventSource", "XMLHttpRequest"]) delete globalThis[name];
}

/** To be called once the interpreter has loaded what it needs: from here on, only harmless modules can be required. */
export function closeModules() {
  // The interpreter's loader is the last to make code from strings.
  closeFunctions(vm, "vm");
  closeFunctions(vm.Script.prototype, "vm.Script");
  for (const name of ["_compile", "load"]) module.prototype[name] = refusal(`Module.${name}`);
  module.syncBuiltinESMExports();
  const open = new Set(["crypto", "path", "url", "fs"]);
  const load = module._load;
  module._load = function (request, ...rest) {
    if (!open.has(request.replace(/^node:/, "")))
      throw new Error(`module ${request} is closed in the sandbox`);
    return load.call(this, request, ...rest);
  };
  process.getBuiltinModule = refusal("process.getBuiltinModule");
}
