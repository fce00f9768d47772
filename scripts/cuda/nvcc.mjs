// Where the CUDA compiler is.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of nvcc: of CUDA_HOME, else on PATH, else where the toolkit installs itself. */
export function findNvcc(environment = process.env) {
  const folders = [
    ...(environment.CUDA_HOME ? [join(environment.CUDA_HOME, "bin")] : []),
    ...(environment.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    "/usr/local/cuda/bin",
  ];
  return folders.map((folder) => join(folder, "nvcc")).find((path) => existsSync(path));
}
