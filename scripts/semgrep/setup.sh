#!/usr/bin/env bash
# Makes .venv-semgrep, the virtual environment of `ibert data mine`: pinned wheels, checked by their digests. Nothing is
# done where it is whole already.
#   bash scripts/semgrep/setup.sh
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$(cd "$here/../.." && pwd)/.venv-semgrep"
mark="$venv/requirements.txt"

if cmp -s "$here/requirements.txt" "$mark"; then
  echo "semgrep is in $venv"
  exit 0
fi
rm -rf "$venv"
# Its own pip is not needed: the one that is there installs into it.
"${PYTHON:-python3}" -m venv --without-pip "$venv"
"${PYTHON:-python3}" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check --no-input \
  --no-deps --no-compile --only-binary=:all: --require-hashes --requirement "$here/requirements.txt"
# Offline from here on: neither numbers of use nor questions for a newer version leave the machine.
"$venv/bin/semgrep" --version --disable-version-check
cp "$here/requirements.txt" "$mark"
