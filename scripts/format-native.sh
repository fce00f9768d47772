#!/usr/bin/env bash
# Formats the C++ sources in place with a pinned clang-format, fetched on first use; --check only says what differs.
set -euo pipefail
cd "$(dirname "$0")/.."

version=19.1.7
folder=.venv-format/$version
program=$folder/clang_format/data/bin/clang-format
if [ ! -x "$program" ]; then
  python3 -m pip install --quiet --disable-pip-version-check --target "$folder" "clang-format==$version"
fi
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
find native bindings kernels-cuda kernels-metal \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.metal' -o -name metal_stdlib \) -print0 | xargs -0 "$program" "${mode[@]}"
