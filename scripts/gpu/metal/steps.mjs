/** What is asked of a Mac, from the bottom up. */

const SMALL = [
  ...[
    "--layers",
    "2",
    "--tokens",
    "45",
    "--length",
    "31",
    "--hidden",
    "64",
    "--heads",
    "4",
    "--kv-heads",
    "2",
  ],
  ...["--head-dim", "16", "--intermediate", "96", "--vocabulary", "160", "--rank", "4"],
];
/** Of the layout of real models: head dim 128, more tokens than a tile. */
const MIDDLING = [
  ...[
    "--layers",
    "2",
    "--tokens",
    "300",
    "--length",
    "170",
    "--hidden",
    "512",
    "--heads",
    "4",
    "--kv-heads",
    "2",
  ],
  ...["--head-dim", "128", "--intermediate", "768", "--vocabulary", "1024", "--rank", "32"],
];
/** A family before simdgroup_matrix came: linear layers and the loss run on their simple twins. */
const TWINS = { IBERT_METAL_FAMILY: "6" };
/** The last family without bf16: what an M3 multiplies in bf16, it multiplies in float32. */
const FLOAT32 = { IBERT_METAL_FAMILY: "8" };

/**
 * `{ name, command, env, seconds, figures, unless }` of each step: `figures` where it prints one JSON object, `unless` says why
 * it is left out.
 */
export function stepsOf({ backend, tools, isMac, hasMlx, jobs }) {
  const build = "build/gpu-metal";
  const real = backend === "metal";
  const folder = tools ?? (real ? `${build}/Release` : "build/Release");
  const kernels = `${folder}/ibert-kernels`;
  const onMac = real ? undefined : `the backend ${backend} runs on no GPU`;
  const suite = (command, ...words) => [kernels, command, "--backend", backend, ...words];
  const few = real ? [] : ["--op", "swigluForward"];
  const make =
    `cmake -S . -B ${build} -DCMAKE_BUILD_TYPE=Release && cmake --build ${build} --parallel ${jobs} ` +
    "--target ibert-kernels ibert_reference ibert_metal ibert_metal_mac_test";
  const peers = `${build}/mps-peers`;
  const compile =
    `c++ -std=c++20 -O2 -fobjc-arc scripts/gpu/metal/mps_peers.mm -o ${peers} -framework Foundation -framework Metal ` +
    `-framework MetalPerformanceShaders && ${peers}`;
  const step = (shape, ...words) => suite("step", ...shape, "--json", ...words);
  return [
    {
      name: "build",
      command: ["bash", "-c", make],
      seconds: 1800,
      unless: tools === undefined ? onMac : `the programs of ${tools} are taken`,
    },
    {
      name: "compile",
      command: [`${folder}/../ibert_metal_mac_test`],
      seconds: 300,
      unless: onMac ?? (tools === undefined ? undefined : "it comes with the build"),
    },
    { name: "twins", command: suite("test", ...few), env: TWINS, seconds: 1800 },
    { name: "conformance", command: suite("test", ...few), seconds: 1800 },
    { name: "rows", command: suite("rows", ...few), seconds: 900 },
    { name: "gradients", command: suite("grad", "--json"), seconds: 300, figures: true },
    {
      name: "agreement",
      command: step(real ? MIDDLING : SMALL, "--against", "reference", "--repeat", "1"),
      seconds: 600,
      figures: true,
    },
    {
      name: "float32",
      command: step(real ? MIDDLING : SMALL, "--against", "reference", "--repeat", "1"),
      env: FLOAT32,
      seconds: 600,
      figures: true,
    },
    {
      name: "layers",
      command: step(
        real ? ["--layers", "2", "--tokens", "1024", "--length", "1024", "--vocabulary", "0"] : SMALL,
      ),
      seconds: 900,
      figures: true,
    },
    {
      name: "perf",
      command: suite("perf", "--json", ...(real ? [] : ["--op", "swigluForward", "--case", "smollm2"])),
      seconds: 1200,
      figures: true,
    },
    {
      name: "mps",
      command: ["bash", "-c", compile],
      seconds: 600,
      figures: true,
      unless: onMac ?? (isMac ? undefined : "this is no Mac"),
    },
    {
      name: "mlx",
      command: ["python3", "scripts/gpu/metal/mlx_peers.py"],
      seconds: 600,
      figures: true,
      unless: onMac ?? (hasMlx ? undefined : "python3 has no mlx"),
    },
  ];
}
