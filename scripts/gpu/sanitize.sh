#!/usr/bin/env bash
# One of compute-sanitizer's tools over each instruction alone and a training step of small layers; fails when it finds
# anything in any of them, and goes on.
#
#   scripts/gpu/sanitize.sh SANITIZER TOOL INSTRUCTIONS KERNELS BACKEND
set -uo pipefail
[ $# = 5 ] || { echo "usage: scripts/gpu/sanitize.sh SANITIZER TOOL INSTRUCTIONS KERNELS BACKEND" >&2; exit 2; }
check=("$1" --tool "$2" --error-exitcode 9)
instructions=$3 kernels=$4 backend=$5
status=0
over() {
  echo "-- $*"
  "${check[@]}" "$@" || status=$?
}
step=("$kernels" step --backend "$backend" --repeat 1 --layers 1)
[ -z "$instructions" ] || over "$instructions"
# Odd sizes, then the layout of real models: head dim 128, widths that are multiples of 128, more tokens than a tile.
over "${step[@]}" --tokens 45 --length 31 --hidden 64 --heads 4 --kv-heads 2 --head-dim 16 --intermediate 96 \
  --vocabulary 160 --rank 4 --all-targets
over "${step[@]}" --tokens 150 --length 100 --hidden 256 --heads 2 --kv-heads 1 --head-dim 128 --intermediate 384 \
  --vocabulary 512 --rank 32
exit $status
