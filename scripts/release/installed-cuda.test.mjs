/** The CUDA backend's package where an application has it, with another backend's library in place of CUDA's. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ibert } from "../../lib/cli/testing/run-program.ts";
import { temporaryFolder } from "../../lib/formats/testing/temporary.ts";
import { addonPath } from "../../lib/runtime/native.ts";
import { runtimeBeside } from "../../lib/runtime/testing/build-beside.ts";
import { cudaPackage, stageCuda } from "./cuda.mjs";

const name = cudaPackage(process.arch);
const reference = join(dirname(addonPath()), "libibert-reference.so");
const built = { commit: "0123456789abcdef", toolkit: "13.0.88" };
const runs = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);

/** Puts the package into a node_modules folder, its build.json changed. */
function install(modules, change = {}, library = reference) {
  const folder = join(modules, name);
  stageCuda(folder, { library, ...built });
  const file = join(folder, "build.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
  return folder;
}

let app;
let modules;
let main;
beforeEach(() => {
  app = temporaryFolder();
  modules = join(app, "node_modules");
  main = process.argv[1];
  mkdirSync(modules);
  writeFileSync(join(app, "main.mjs"), "");
  process.argv[1] = join(app, "main.mjs");
});
afterEach(() => {
  process.argv[1] = main;
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const nothing = () => undefined;
async function infoOf(Device, backend) {
  const device = Device.open(backend);
  await device.close();
  return device.info;
}
const reasonOf = (Device) => {
  try {
    Device.open("cuda");
  } catch (error) {
    return error.message;
  }
  throw new Error("it opened");
};
const cudaOf = async () =>
  JSON.parse((await ibert(["doctor", "--quick", "--json"])).stdout).backends.find(
    (one) => one.name === "cuda",
  );

describe.runIf(runs)("the package of the CUDA backend", () => {
  it("is named in the error where it is not installed, with the places and the command", async () => {
    const { Device } = await runtimeBeside(nothing);
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(() => Device.open("cuda")).toThrow(
      expect.objectContaining({
        code: "backend-unavailable",
        message: expect.stringMatching(
          new RegExp(
            `not installed: looked for .*libibert-cuda.so, and for the package ${name} from ${app} and `,
          ),
        ),
        hint: expect.stringContaining(`npm install ${name}@${version}`),
      }),
    );
  });

  it("is found from the application, taken by auto and by name, and told of by the doctor", async () => {
    const folder = install(modules);
    const { Device } = await runtimeBeside(nothing);
    for (const asked of ["cuda", "auto"]) {
      expect(await infoOf(Device, asked)).toMatchObject({ backend: "reference", passedOver: [] });
    }
    const { stdout } = await ibert(["doctor", "--quick"]);
    expect(stdout).toMatch(/backend cuda +ok .*CUDA 13\.0\.88, driver 580 or later/);
    expect(await cudaOf()).toMatchObject({
      available: true,
      library: { file: join(folder, "libibert-cuda.so"), build: built },
    });
  });

  it("is found from a program's link, by which an application names it, and from where that program lies", async () => {
    const program = join(temporaryFolder(), "program");
    const beside = join(program, "node_modules");
    mkdirSync(beside, { recursive: true });
    writeFileSync(join(program, "ibert.js"), "");
    mkdirSync(join(modules, ".bin"));
    process.argv[1] = join(modules, ".bin", "ibert");
    symlinkSync(join(program, "ibert.js"), process.argv[1]);
    const stale = install(modules, { version: "0.0.1" });
    install(beside);
    const { Device } = await runtimeBeside(nothing);
    // The first that fits, whichever comes before.
    expect((await infoOf(Device, "cuda")).backend).toBe("reference");
    const other = install(beside, { backendAbi: 1 });
    const reason = reasonOf(Device);
    expect(reason).toMatch(/libibert-cuda.so: not there\n/);
    expect(reason).toMatch(new RegExp(`${stale}: it is of version 0.0.1, and [\\d.]+ is needed\n`));
    expect(reason).toMatch(new RegExp(`${other}: it has backend ABI 1, and \\d+ is needed`));
    expect(reason).toMatch(new RegExp(`Run \`npm install ${name}@[\\d.]+\``));
  });

  it.each([
    ["of other ops", { opTable: "00ff" }, /its op table is 00ff, and [0-9a-f]{16} is needed/],
    ["for a newer C library", { needs: { glibc: "9.1" } }, /it needs glibc 9\.1, and this system has \d/],
    ["that does not say what it is", { toolkit: 13 }, /its build\.json has no right "toolkit"/],
  ])("%s is refused, and passed over by auto", async (_, change, why) => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    install(modules, change);
    const { Device } = await runtimeBeside(nothing);
    expect(reasonOf(Device)).toMatch(why);
    expect((await infoOf(Device, "auto")).passedOver[0]).toMatchObject({
      backend: "cuda",
      installed: true,
      obstacle: "unfit",
    });
    expect(warning).toHaveBeenCalledTimes(1);
    expect(await cudaOf()).toMatchObject({ available: false, reason: expect.stringMatching(why) });
  });

  it("is refused without its library", async () => {
    rmSync(join(install(modules), "libibert-cuda.so"));
    const { Device } = await runtimeBeside(nothing);
    expect(reasonOf(Device)).toMatch(/its library is not there/);
  });

  it("gives way to a library that was built beside the addon", async () => {
    install(modules, { version: "0.0.1" });
    const { Device } = await runtimeBeside((path) => cpSync(reference, path));
    expect((await infoOf(Device, "cuda")).backend).toBe("reference");
  });

  const testing = join(dirname(addonPath()), "..", "testing");
  it.runIf(existsSync(join(testing, "libibert_driven.so")))(
    "has its driver asked in another process",
    async () => {
      install(modules, {}, join(testing, "libibert_driven.so"));
      vi.stubEnv("IBERT_TEST_DRIVER", join(testing, "libibert_fake_driver_12080.so"));
      vi.stubEnv("IBERT_TEST_DEVICE", "90");
      const { Device } = await runtimeBeside(nothing);
      expect(reasonOf(Device)).toMatch(
        /too old: it runs CUDA up to 12.8, and this library needs 13.0. Install driver 580/,
      );
      expect(await cudaOf()).toMatchObject({ obstacle: "driver-too-old", library: { build: built } });
      vi.stubEnv("IBERT_TEST_DRIVER", join(testing, "libibert_fake_driver_13000.so"));
      vi.stubEnv("IBERT_FAKE_DRIVER", "crash");
      const { Device: Crashing } = await runtimeBeside(nothing);
      expect(reasonOf(Crashing)).toMatch(/a process of its own that opened it was ended by SIGSEGV/);
    },
  );
});
