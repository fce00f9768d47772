#!/usr/bin/env bash
# Builds what scripts/gpu/run.sh runs, with CMake and nvcc alone: FOLDER/Release/ holds ibert-kernels, the reference, the
# instructions over the emulator, and, where there is nvcc, libibert-cuda.so and ibert-instructions for the GPU of this
# machine (for some of those of scripts/build-cuda.mjs where it has none).
#
#   scripts/gpu/build.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?usage: scripts/gpu/build.sh FOLDER}
jobs=$(nproc)
mkdir -p "$folder/Release" "$folder/cuda"

# CMake's part, beside nvcc's. One instruction set of the processor is enough, and the emulated backend is not built.
(
  cmake -S . -B "$folder" -DIBERT_CPU_LEVELS=avx2 &&
    cmake --build "$folder" --parallel "$jobs" --target ibert-kernels ibert_reference ibert_instructions
) >"$folder/cmake.log" 2>&1 &
tools=$!

find_nvcc() {
  local candidate
  for candidate in "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then
      echo "$candidate"
      return
    fi
  done
}

object_of() { echo "$folder/cuda/${1//\//-}.o"; }

# One source; its words are shown when it fails.
compile() {
  local language=(-x cu --options-file "$folder/cuda/architectures") object
  object=$(object_of "$1")
  case $1 in
    native/tests/*) ;;
    native/*) language=(-x c++) ;;
  esac
  "$nvcc" --options-file scripts/cuda/flags.txt "${language[@]}" -c "$1" -o "$object" >"${object%.o}.log" 2>&1 || {
    cat "${object%.o}.log"
    return 1
  }
}

status=0
nvcc=$(find_nvcc)
if [ -n "$nvcc" ]; then
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 2>/dev/null | tr -d '. ' || true)
  case $capability in
    [0-9][0-9] | [0-9][0-9][0-9]) echo "-gencode=arch=compute_$capability,code=sm_$capability" ;;
    *) printf '%s\n' '-gencode=arch=compute_80,code=[sm_80,compute_80]' '-gencode=arch=compute_90,code=sm_90' ;;
  esac >"$folder/cuda/architectures"
  sources=(kernels-cuda/*.cu kernels-cuda/host/*.cu kernels-cuda/host/*.cpp native/tensor.cpp native/schema.cpp
    native/frame/indices.cpp native/frame/operands.cpp native/host/event.cpp)
  probes=(native/tests/instructions/*.cu native/tests/instructions/*.cpp)
  export -f compile object_of
  export nvcc folder
  # The largest first, so that none is left to end alone.
  # shellcheck disable=SC2011,SC2016 # names of this repository; the words are for the inner shell
  ls -S "${sources[@]}" "${probes[@]}" | xargs -P "$jobs" -I{} bash -c 'compile "$1"' compile {} || status=1
else
  echo "no nvcc: neither the CUDA backend nor its instructions are built"
fi

wait "$tools" || {
  tail -40 "$folder/cmake.log"
  status=1
}
[ "$status" = 0 ] || exit 1
if [ -n "$nvcc" ]; then
  mapfile -t library < <(for source in "${sources[@]}"; do object_of "$source"; done)
  mapfile -t program < <(for source in "${probes[@]}"; do object_of "$source"; done)
  "$nvcc" -shared -cudart=static -Xlinker=--exclude-libs,ALL,-z,defs "${library[@]}" \
    -o "$folder/Release/libibert-cuda.so" -lpthread -ldl -lrt
  "$nvcc" -cudart=static "${program[@]}" -o "$folder/Release/ibert-instructions" -lpthread -ldl -lrt
fi
