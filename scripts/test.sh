#!/usr/bin/env bash
# Everything that is tested, from a clone: sets itself up, runs all, ends with "N passed, N failed".
set -euo pipefail

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

passed=0
failed=0

# check NAME COMMAND...: one test that a command's exit code decides.
check() {
  local name=$1 begun=$SECONDS
  shift
  printf '== %s\n' "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '== %s: FAILED\n' "$name"
  fi
  printf '== %s: %d s\n' "$name" $((SECONDS - begun))
}

# suite NAME RESULT SCRIPT COMMAND...: many tests; the script (Node) reads the result file and prints "passed failed".
# A suite that fails without a failed test of its own counts as one.
suite() {
  local name=$1 result=$2 counter=$3 begun=$SECONDS status=0 counts
  shift 3
  rm -f "$result"
  printf '== %s\n' "$name"
  "$@" || status=$?
  counts=$(node -e "$counter" "$result") || counts="0 1"
  local good=${counts% *} bad=${counts#* }
  [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
  printf '== %s: %d passed, %d failed, %d s\n' "$name" "$good" "$bad" $((SECONDS - begun))
}

results="$root/build/test-results"
mkdir -p "$results"

# JUnit's attributes: failures and skips. A skip is an instruction set that this machine lacks.
count_junit='
  const text = require("fs").readFileSync(process.argv[1], "utf8");
  const number = (name) => Number(new RegExp(`<testsuite[^>]*\\b${name}="(\\d+)"`, "s").exec(text)[1]);
  const [all, bad, skipped, disabled] = ["tests", "failures", "skipped", "disabled"].map(number);
  console.log(all - bad - skipped - disabled, bad);'
count_vitest='
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const broken = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  console.log(numPassedTests, numFailedTests + broken.length);'

vitest_suite() {
  local name=$1 result="$results/$2.json"
  shift 2
  suite "$name" "$result" "$count_vitest" npx vitest run --reporter=default --reporter=json --outputFile.json="$result" "$@"
}

# runs ISA: whether this processor runs it.
runs() { build/Release/ibert-kernels list --isas | grep -qx "$1"; }

# The graph against transformers and PEFT, and the same bits from run to run and for any number of threads.
numerical="lib/models/decoder.test.ts lib/models/precision.test.ts"

# The instruction sets that this processor runs besides the one that the TypeScript tests took.
test_other_paths() {
  local isa chosen
  chosen=$(build/Release/ibert-kernels list --backend cpu --json |
    node -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).backends[0].architecture')
  for isa in $(build/Release/ibert-kernels list --isas); do
    [ "$isa" != "$chosen" ] || continue
    local files=$numerical
    # 50 training steps in scalar code would take minutes.
    [ "$isa" = generic ] || files="$files lib/training/curve.test.ts"
    # shellcheck disable=SC2086
    IBERT_CPU_ISA=$isa vitest_suite "TypeScript on $isa" "vitest-$isa" $files
  done
}

# AMX over emulated tiles, in a build of its own: the addon that people get has no use for it.
test_emulated_amx() {
  local folder=build/emulated
  if ! runs avx512-bf16; then
    echo "== AMX, emulated: not run, because this processor lacks AVX-512 BF16, on which the emulator computes"
    return
  fi
  check "AMX, emulated: build" build_native --out "$folder" --CDIBERT_AMX_EMULATOR=ON --CDIBERT_CPU_LEVELS=amx_emulated \
    --CDIBERT_CUDA_EMULATED=OFF
  suite "AMX, emulated: C++" "$results/emulated.xml" "$count_junit" \
    ctest --test-dir "$folder" -R 'amx[-_]emulated' --output-on-failure --output-junit "$results/emulated.xml"
  # shellcheck disable=SC2086
  IBERT_ADDON=$folder/Release/ibert.node IBERT_CPU_ISA=amx-emulated \
    vitest_suite "AMX, emulated: TypeScript" vitest-emulated $numerical
}

# NEON under qemu, where an Arm machine does not run it in the C++ tests. `.ci/run` installs the tools.
test_neon() {
  local folder=build/neon
  [ "$(uname -sm)" = "Linux x86_64" ] || return 0
  if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
    echo "== NEON: not run, because aarch64-linux-gnu-g++ or qemu-aarch64-static is absent" \
      "(Debian: apt install g++-aarch64-linux-gnu qemu-user-static)"
    return
  fi
  check "NEON: build" build_neon "$folder"
  suite "NEON: C++ under qemu" "$results/neon.xml" "$count_junit" \
    ctest --test-dir "$folder" -R '^(symbols_neon|cpu-neon|rows-neon|dtypes|schema|stream|thread_pool)$' \
    -j2 --timeout 900 --output-on-failure --output-junit "$results/neon.xml"
}

build_neon() {
  local log=$results/neon-build.log
  {
    cmake -S . -B "$1" --toolchain native/toolchains/aarch64-linux-gnu.cmake -DIBERT_CPU_LEVELS=neon &&
      cmake --build "$1" --parallel "$(nproc)"
  } >"$log" 2>&1 || {
    tail -40 "$log"
    return 1
  }
}

# The CUDA backend by nvcc, where there is one: that it builds, and what the assembler says of its kernels.
test_cuda() {
  if node scripts/build-cuda.mjs --find-only >/dev/null 2>&1; then
    check "CUDA: build" node scripts/build-cuda.mjs --out build/nvcc
    check "CUDA: registers, shared memory, spills" node scripts/check-cuda.mjs --out build/nvcc
  else
    echo "== CUDA: not built by nvcc, because it is absent (the CUDA toolkit 13.0); its kernels ran over the emulator"
  fi
}

set_up
stage "Semgrep" bash scripts/semgrep/setup.sh
check "op types" node scripts/generate-op-types.mjs --check
check "types" npm run --silent typecheck
check "lint" npx eslint .
check "API reference" npx typedoc --emit none
check "format" npx prettier --check --log-level warn .
check "C++ format" bash scripts/format-native.sh --check
suite "C++" "$results/ctest.xml" "$count_junit" \
  ctest --test-dir build -j2 --output-on-failure --output-junit "$results/ctest.xml"
vitest_suite "TypeScript" vitest
test_other_paths
test_emulated_amx
test_neon
test_cuda

printf '\nall in %d s\n' $((SECONDS - started))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
