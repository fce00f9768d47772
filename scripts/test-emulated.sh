#!/usr/bin/env bash
# The whole conformance suite of the CUDA kernels over the emulator, on each of its schedules; `npm test` runs a share of
# it on one. Arguments go to `ibert-kernels test`, such as `--op rope`.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
for schedule in priorities last-first random; do
  echo "== schedule $schedule"
  IBERT_EMULATOR_SCHEDULE=$schedule build/Release/ibert-kernels test --backend cuda-emulated "$@" || status=1
done
exit $status
