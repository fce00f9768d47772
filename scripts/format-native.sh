#!/usr/bin/env bash
# Formats the C++ sources in place with the pinned clang-format of .venv-format; --check only says what differs.
set -euo pipefail
cd "$(dirname "$0")/.."

version=19.1.7
venv=.venv-format
if [ ! -x "$venv/bin/clang-format" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "clang-format==$version"
fi
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
find native bindings -name '*.h' -print0 -o -name '*.cpp' -print0 | xargs -0 "$venv/bin/clang-format" "${mode[@]}"
