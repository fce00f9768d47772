// Loads one addon, asks it for the CPU's backend, and prints what keeps it from loading as JSON. A process of its own
// (addon-file.ts): a binary that crashes takes only this process with it. Plain JavaScript, so that it runs as it is in
// lib/ and in dist/.
//   node probe-addon.mjs ADDON
import { createRequire } from "node:module";

let answer = {};
try {
  const addon = createRequire(import.meta.url)(process.argv[2]);
  try {
    addon.probeBackend?.("cpu");
  } catch {
    // That it cannot run here is said where it is opened.
  }
} catch (error) {
  answer = { problem: error.message };
}
console.log(`\n${JSON.stringify(answer)}`);
