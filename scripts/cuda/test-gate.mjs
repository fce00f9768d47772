// What scripts/check-cuda.mjs must find: in texts of the assembler, and, where nvcc is, in kernels that were planted
// (native/tests/cuda_gate/).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { findNvcc } from "./nvcc.mjs";
import { launchBounds, occupancy, readLog } from "./resources.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

const log = (registers, shared, extra = "") => `
ptxas info    : Compiling entry function 'kernel' for 'sm_90'
${extra}
ptxas info    : Function properties for kernel
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used ${registers} registers, used 1 barriers, ${shared} bytes smem, 400 bytes cmem[0]
`;
const bounds = launchBounds(".visible .entry kernel(\n.param .u64 a\n)\n.maxntid 512, 1, 1\n{ }");
assert.equal(bounds.get("kernel"), 512);
assert.equal(launchBounds(".entry other()\n.maxntid 96\n{ }").get("other"), 96);
const judged = (text) => readLog(text, bounds).problems;
assert.deepEqual(judged(log(128, 48 << 10)), []);
assert.match(judged(log(136, 0)).join(), /136 registers for 512 threads do not fit/);
assert.match(judged(log(32, (48 << 10) + 16)).join(), /49168 bytes of static shared memory/);
const warned =
  "ptxas info    : (C7511) Potential Performance Loss: wgmma.mma_async instructions are serialized";
assert.match(judged(log(32, 0, warned)).join(), /C7511/);
const busy = (registers, shared) => occupancy(readLog(log(registers, shared), bounds).kernels[0]);
assert.equal(busy(32, 0), 1);
assert.equal(busy(64, 0), 0.5);
assert.equal(busy(32, 100 << 10), 0.5);
console.log("ok: texts");

const nvcc = findNvcc();
if (nvcc === undefined) {
  console.log("no nvcc: the planted kernels were not compiled");
  process.exit(0);
}

/** The gate's exit status and words on one planted kernel. */
function gate(source) {
  const folder = mkdtempSync(join(tmpdir(), "ibert-gate-"));
  try {
    const name = basename(source);
    const kept = join(folder, "kept", name);
    mkdirSync(kept, { recursive: true });
    const built = spawnSync(
      nvcc,
      [
        "-O3",
        "-Xptxas=-v",
        "-gencode=arch=compute_80,code=sm_80",
        "-c",
        source,
        "-o",
        join(folder, "object"),
        "--keep",
        `--keep-dir=${kept}`,
      ],
      { encoding: "utf8" },
    );
    assert.equal(built.status, 0, built.stderr);
    const ptx = readdirSync(kept).find((file) => file.endsWith(".ptx"));
    assert.ok(ptx, "the PTX was kept");
    writeFileSync(join(folder, `${name}.log`), built.stdout + built.stderr);
    const run = spawnSync(process.execPath, [join(root, "scripts/check-cuda.mjs"), "--logs", folder], {
      encoding: "utf8",
    });
    return { status: run.status, text: run.stdout + run.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const planted = (name) => gate(join(root, "native/tests/cuda_gate", name));
const fine = planted("fine.cu");
assert.deepEqual([fine.status, fine.text], [0, "1 kernels, 0 problems\n"]);
const spill = planted("spill.cu");
assert.equal(spill.status, 1);
assert.match(spill.text, /planted_spill.*spills \d+ bytes/);
const stack = planted("stack.cu");
assert.equal(stack.status, 1);
assert.match(stack.text, /planted_stack.*a stack frame of \d+ bytes/);
console.log("ok: planted kernels");
