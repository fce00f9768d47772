#!/usr/bin/env bash
# Installs the benchmark's peers into the benchmark's own places, never through `npm test` or ibert's dependencies:
# PyTorch, transformers and PEFT into bench/.venv (pins: scripts/goldens/requirements.txt, the oracles' own), and
# llama.cpp as node-llama-cpp's prebuilt CPU library into bench/peers/node_modules.
# mistral-common, of the same pins, goes into bench/.venv-mistral.
#   bash bench/peers/setup.sh [torch|llama|mistral]  all, if none is named
#   IBERT_BENCH_PYTHON=/path/to/python               use this interpreter's packages and install none
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
requirements="$here/../../scripts/goldens/requirements.txt"
what="${1:-all}"

setup_torch() {
  local python="${IBERT_BENCH_PYTHON:-}"
  if [ -z "$python" ]; then
    local venv="$here/../.venv"
    python="$venv/bin/python"
    [ -x "$python" ] || "${PYTHON:-python3}" -m venv "$venv"
    # torch alone first: its resolution must not be steered by what depends on it.
    "$python" -m pip install --quiet "$(grep '^torch==' "$requirements")"
    "$python" -m pip install --quiet -r "$requirements"
  fi
  "$python" -c 'import torch, transformers, peft; print("torch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__)'
}

setup_llama() {
  local platform
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64) platform=linux-arm64 ;;
    Darwin-x86_64) platform=mac-x64 ;;
    Darwin-arm64) platform=mac-arm64-metal ;;
    *) echo "node-llama-cpp has no prebuilt library for $(uname -s) $(uname -m)" >&2; return 1 ;;
  esac
  local version
  version="$(node -p 'require(process.argv[1]).dependencies["node-llama-cpp"]' "$here/package.json")"
  # Without the optional CUDA and Vulkan libraries (600 MB), and without the script that would build from source.
  (cd "$here" && npm install --no-save --no-package-lock --omit=optional --ignore-scripts --no-audit --no-fund \
    --loglevel=error "node-llama-cpp@$version" "@node-llama-cpp/$platform@$version")
  echo "node-llama-cpp $version ($platform)"
}

setup_mistral() {
  local venv="$here/../.venv-mistral"
  [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet "$(grep '^mistral-common==' "$requirements")"
  "$venv/bin/python" -c 'import mistral_common; print("mistral-common", mistral_common.__version__)'
}

case "$what" in
  torch) setup_torch ;;
  mistral) setup_mistral ;;
  llama) setup_llama ;;
  all) setup_torch; setup_llama; setup_mistral ;;
  *) echo "usage: setup.sh [torch|llama|mistral]" >&2; exit 2 ;;
esac
