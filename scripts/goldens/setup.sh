#!/usr/bin/env bash
# Makes .venv-goldens, the virtual environment in which the golden files are computed. `npm test` does not need it.
#   bash scripts/goldens/setup.sh && .venv-goldens/bin/python scripts/goldens/tiny_model.py
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$(cd "$here/../.." && pwd)/.venv-goldens"

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
# torch alone first: its resolution must not be steered by what depends on it.
"$venv/bin/pip" install --quiet "$(grep '^torch==' "$here/requirements.txt")"
"$venv/bin/pip" install --quiet -r "$here/requirements.txt"
"$venv/bin/python" -c 'import torch, transformers, peft; print("torch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__)'
