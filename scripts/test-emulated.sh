#!/usr/bin/env bash
# The whole conformance suite of the CUDA and Metal kernels over the emulator on each of its schedules, and the emulator's own
# tests, built with the address and the undefined behaviour sanitizer; in `npm test` the runs of a case take turns through the
# schedules, without sanitizers. `--backend cuda` or `--backend metal` takes the tests of one alone. Other arguments go to ctest, such
# as `-j 8` (default: as many at a time as there are cores).
set -euo pipefail

backend='(cuda|metal)' own='(cuda-|instructions-|metal-|step-(cuda|metal))'
if [[ ${1-} == --backend ]]; then
  case ${2-} in
    cuda) backend=cuda own='(cuda-|instructions-|step-cuda)' ;;
    metal) backend=metal own='(metal-|step-metal)' ;;
    *)
      echo "test-emulated: --backend is cuda or metal, not \"${2-}\"" >&2
      exit 2
      ;;
  esac
  shift 2
fi

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

folder=build/sanitized
stage "tools" check_tools
stage "npm packages" install_packages
stage "build with sanitizers" build_native --out "$folder" --CDIBERT_SANITIZE=ON --CDIBERT_CPU_LEVELS=generic

# What a stack of threads that are told to yield leaves behind is given back by the process.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
# run NAME ARGUMENTS...: tests of the build by ctest.
status=0
run() {
  local name=$1 begun=$SECONDS
  shift
  echo "== $name"
  ctest --test-dir "$folder" -C whole --output-on-failure -j "$(nproc)" "$@" || status=1
  echo "== $name: $((SECONDS - begun)) s"
}

# The suite goes through the schedules itself: its bits may differ between none of them. Rows of these two ops take long.
suite="^$backend-emulated-([a-zA-Z]+|rows-(loraLinearForward|pagedAttention))\$"
run "the suite, every case on each schedule" -R "$suite" "${@}"
for schedule in priorities last-first random; do
  export IBERT_EMULATOR_SCHEDULE=$schedule
  run "all else, schedule $schedule" -R "^(emulator|$own)" -E "cuda-gate|$suite" "$@"
done
echo "all in $((SECONDS - started)) s"
exit $status
