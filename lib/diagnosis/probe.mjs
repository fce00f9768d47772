// Opens one backend and says what it is, as JSON. A process of its own (diagnose.ts): a backend that crashes when it is
// opened takes only this process with it. Plain JavaScript, so that it runs as it is in lib/ and in dist/.
//   node probe.mjs ADDON BACKEND
import { createRequire } from "node:module";

const [addonPath, backend] = process.argv.slice(2);
let answer;
try {
  const addon = createRequire(import.meta.url)(addonPath);
  const device = new addon.Device(backend, 0, 0);
  const kernels = Object.fromEntries(
    addon.describeOps().map(({ name }, op) => [name, device.kernelName(op)]),
  );
  answer = { info: device.info(), kernels };
} catch (error) {
  answer = { obstacle: error.code ?? "other", reason: error.message };
}
// A driver may have written something before.
console.log(`\n${JSON.stringify(answer)}`);
