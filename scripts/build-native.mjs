// Builds the addon, the reference backend and ibert-kernels with CMake through cmake-js, which brings the Node-API
// headers from the node-api-headers package: nothing is downloaded. Options are passed on to cmake-js, such as
// `--target runtime`, `--out FOLDER` for another build folder, or `--CDNAME=VALUE` for a CMake variable.
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const options = process.argv.slice(2);
const root = fileURLToPath(new URL("..", import.meta.url));
const result = spawnSync(
  process.execPath,
  [
    fileURLToPath(new URL("../node_modules/cmake-js/bin/cmake-js", import.meta.url)),
    "build",
    ...(options.includes("--out") ? [] : ["--out", "build"]),
    "--config",
    "Release",
    "--log-level",
    "error",
    "--parallel",
    String(availableParallelism()),
    ...options,
  ],
  { cwd: root, stdio: "inherit" },
);
if (result.error) throw result.error;
process.exit(result.status ?? 1);
