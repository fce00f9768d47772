// What clang and a look at the sources can say of the Metal kernels where there is no Metal: address spaces, the order of
// arguments and the layout of parameters against what the host hands over, threadgroup memory, names. The compiler is the
// one of releases (scripts/release/requirements.txt), fetched when it is not there.
//   npm run check:metal [-- --kernels FOLDER]
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { checkMetal } from "./metal/check.mjs";
import { installZig } from "./release/zig.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: { kernels: { type: "string", default: join(root, "kernels-metal") } },
});
const zig = installZig(join(root, "build", "release", "zig"));
const { kernels, bf16, problems, unknown } = checkMetal(resolve(values.kernels), { zig });
for (const problem of problems) console.error(problem);
for (const one of unknown) console.log(`${one} (each launch is held to 32 KB when it is made)`);
console.log(`${kernels} kernels, ${bf16} of them for bf16 too, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
