#!/usr/bin/env bash
# The whole conformance suite of the CUDA kernels over the emulator on each of its schedules, and the emulator's own tests,
# built with the address and the undefined behaviour sanitizer; `npm test` runs a share of it on one schedule and without
# them. Arguments go to ctest, such as `-R cuda-emulated-rope` or `-j 8` (default: as many at a time as there are cores).
set -euo pipefail

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

folder=build/sanitized
stage "tools" check_tools
stage "npm packages" install_packages
stage "build with sanitizers" build_native --out "$folder" --CDIBERT_SANITIZE=ON --CDIBERT_CPU_LEVELS=generic

# What a stack of threads that are told to yield leaves behind is given back by the process.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
status=0
for schedule in priorities last-first random; do
  begun=$SECONDS
  echo "== schedule $schedule"
  IBERT_EMULATOR_SCHEDULE=$schedule ctest --test-dir "$folder" --output-on-failure -j "$(nproc)" \
    -R '^(cuda-|emulator|step-cuda|instructions-)' -E cuda-gate "$@" || status=1
  echo "== schedule $schedule: $((SECONDS - begun)) s"
done
echo "all in $((SECONDS - started)) s"
exit $status
