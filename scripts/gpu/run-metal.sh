#!/usr/bin/env bash
# Everything that is asked of a Mac with Apple silicon, in one command, without a network: builds with Xcode's compiler, compiles
# every kernel, runs the suite on the GPU (first the simple kernels, then all), measures it beside MPSMatrixMultiplication and,
# where python3 has it, MLX, and writes one JSON file to send back. docs/gpu.md says what each step tells.
#
#   bash scripts/gpu/run-metal.sh [options]      (--help lists them)
#
# Exit codes: 0 every step that ran ended well, 1 one did not, 2 wrong usage or something is missing.
set -u
cd "$(dirname "$0")/../.." || exit 2

missing() {
  echo "run-metal.sh: $1" >&2
  exit 2
}
command -v node >/dev/null || missing "node is not there; install Node 20.17 or later from nodejs.org, or: brew install node"
case " $* " in
  *" --help "* | *" --dry-run "* | *" --backend metal-emulated "* | *" --backend cpu "*) ;; # these need no Mac
  *)
    [ "$(uname -s)-$(uname -m)" = Darwin-arm64 ] || missing "this is no Mac with Apple silicon; --dry-run says what would be done"
    xcode-select -p >/dev/null 2>&1 || missing "Xcode's command line tools are not there: xcode-select --install"
    command -v cmake >/dev/null || missing "cmake is not there: brew install cmake"
    ;;
esac
exec node scripts/gpu/metal/run.mjs "$@"
