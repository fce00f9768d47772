import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["lib/**/*.test.ts", "scripts/**/*.test.mjs"],
    // The machine's cores belong to the kernels; test files share them.
    pool: "forks",
    maxWorkers: 2,
    // Against hanging, not against being slow: machines differ, and share their cores.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
