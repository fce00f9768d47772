// Asks one backend whether it can run here, and prints what keeps it from it as JSON. A process of its own (probe.ts): a
// driver that crashes takes only this process with it. Plain JavaScript, so that it runs as it is in lib/ and in dist/.
//   node probe-driver.mjs ADDON BACKEND
import { createRequire } from "node:module";

const [addonPath, backend] = process.argv.slice(2);
let answer = {};
try {
  createRequire(import.meta.url)(addonPath).probeBackend(backend);
} catch (error) {
  answer = { obstacle: error.code ?? "other", reason: error.message };
}
// A driver may have written something before.
console.log(`\n${JSON.stringify(answer)}`);
