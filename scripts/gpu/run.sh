#!/usr/bin/env bash
# Everything that is asked of a machine with an NVIDIA GPU, in one command of at most eight minutes, without a network and
# without Node: correctness from the bottom up, then speed. It goes on when a step fails, and writes one JSON file.
# docs/gpu.md says what each step tells.
#
#   bash scripts/gpu/run.sh [options]
#
#   --dry-run          say what would be done, step by step; needs neither a GPU nor CUDA
#   --library FILE     this libibert-cuda.so, rather than one of build/Release, build/nvcc/Release or a new one
#   --tools FOLDER     where ibert-kernels, ibert-instructions and ibert-instructions-emulated are
#   --backend NAME     cuda (default), or cuda-emulated or cpu, small: they try the script itself
#   --small            small shapes for the backend cuda too
#   --only A,B         these steps only
#   --budget SECONDS   of all together (default 480)
#   --commit NAME      where git cannot tell
#   --out FILE         (default bench/results/gpu-DEVICE-COMMIT.json)
#
# Exit codes: 0 every step that ran ended well, 1 one did not, 2 wrong usage.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=scripts/gpu/json.sh
source scripts/gpu/json.sh

usage() {
  echo "run.sh: $1" >&2
  sed -n '/^#   bash/,/^# Exit/p' "scripts/gpu/run.sh" | sed 's/^# \{0,1\}//' >&2
  exit 2
}

dry='' library='' tools='' backend=cuda small='' only='' budget=480 commit='' out=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=1 ;;
    --small) small=1 ;;
    --library | --tools | --backend | --only | --budget | --commit | --out)
      [ $# -ge 2 ] || usage "$1 takes a value"
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    *) usage "there is no option $1" ;;
  esac
  shift
done
[[ $budget =~ ^[1-9][0-9]*$ ]] || usage "--budget takes seconds"
[ "$backend" = cuda ] || small=1
[ -z "$library" ] || [ -f "$library" ] || [ -n "$dry" ] || usage "there is no file $library"
[ -z "$library" ] || library=$(readlink -m "$library")

# ---- What is there ----

# first_with NAME FOLDER...: the first folder that has the file.
first_with() {
  local name=$1 folder
  shift
  for folder in "$@"; do
    if [ -n "$folder" ] && [ -e "$folder/$name" ]; then
      echo "$folder/$name"
      return
    fi
  done
}
folders=("$tools" build/gpu/Release build/Release build/nvcc/Release)
[ -z "$tools" ] || folders=("$tools")
look() {
  kernels=$(first_with ibert-kernels "${folders[@]}")
  model=$(first_with ibert-instructions-emulated "${folders[@]}")
  device_program=$(first_with ibert-instructions "${folders[@]}")
  [ "$backend" = cuda ] || device_program=$model
  # A path has a slash; ibert-kernels takes paths for backends.
  target=$backend
  if [ "$backend" = cuda ]; then target=${library:-$(first_with libibert-cuda.so "${folders[@]}")}; fi
}
look
needs_build=''
if [ "$backend" = cuda ] && [ -z "$tools" ]; then
  for file in "$kernels" "$model" "$device_program" "$target"; do
    # Missing, or older than its sources. A library that was named is taken as it is.
    if [ -z "$file" ] || { [ "$file" != "$library" ] && [ -n "$(find native kernels-cuda -newer "$file" -type f -print -quit)" ]; }; then
      needs_build=1
    fi
  done
fi

if [ -z "$commit" ] && commit=$(git rev-parse HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit+=-changed
fi
commit=${commit:-unknown}
# smi FIELD: nothing where there is no driver; what it says of that goes to its standard output.
smi() {
  local text
  text=$(nvidia-smi -i 0 --query-gpu="$1" --format=csv,noheader,nounits 2>/dev/null) && head -1 <<<"$text"
}
gpu=$(smi name)
gpu=${gpu:-none}
[ "$backend" = cuda ] && label=$gpu || label=$backend
slug=$(printf '%s' "$label" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
short=${commit:0:7}
case $commit in *-changed) short+=-changed ;; esac
out=${out:-bench/results/gpu-$slug-$short.json}

scratch=$(mktemp -d)
sampler=''
trap '[ -z "$sampler" ] || kill "$sampler" 2>/dev/null; rm -rf "$scratch"' EXIT
started=$SECONDS
failed=0
: >"$scratch/steps"

# ---- Steps ----

record() {
  [ -s "$scratch/steps" ] && printf ',' >>"$scratch/steps"
  printf '\n {"step": "%s", "outcome": "%s", ' "$1" "$2" >>"$scratch/steps"
}

skip() {
  wanted "$1" || return 0
  printf '== %-16s skipped: %s\n' "$1" "$2"
  [ -z "$dry" ] || return 0
  record "$1" skipped
  { printf '"why": ' && json_string "$2" && printf '}'; } >>"$scratch/steps"
}

# What the model says is part of trying the instructions.
wanted() { [ -z "$only" ] || [[ ",$only," == *",$1,"* || ("$1" = golden && ",$only," == *,instructions,*) ]]; }

# While a step runs: clocks (MHz), power (W) and temperature (°C), once a second. Its process is that of nvidia-smi.
sample() {
  exec nvidia-smi -i 0 --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu --format=csv,noheader,nounits -l 1 2>/dev/null
}
clocks_of() {
  awk -F', *' 'NF == 4 && $1 + 0 > 0 {
      for (i = 1; i <= 4; i++) { if (!n || $i + 0 < low[i]) low[i] = $i + 0; if (!n || $i + 0 > high[i]) high[i] = $i + 0 }
      n++
    }
    END {
      if (!n) { printf "null"; exit }
      split("smMHz memoryMHz watts celsius", name, " ")
      printf "{\"samples\": %d", n
      for (i = 1; i <= 4; i++) printf ", \"%s\": [%g, %g]", name[i], low[i], high[i]
      printf "}"
    }' "$1"
}

# step NAME SECONDS KIND COMMAND...: KIND json: what it prints are figures; text: lines to keep.
step() {
  local name=$1 own=$2 kind=$3 status=0 begun=$SECONDS left outcome
  shift 3
  wanted "$name" || return 0
  if [ -n "$dry" ]; then
    printf '== %-16s at most %3d s: %s\n' "$name" "$own" "$*"
    return
  fi
  left=$((budget - (SECONDS - started)))
  if [ "$left" -lt 3 ]; then
    failed=1
    printf '== %-16s not run: the time is used up\n' "$name"
    record "$name" "no time left"
    { printf '"command": ' && json_string "$*" && printf '}'; } >>"$scratch/steps"
    return
  fi
  [ "$own" -lt "$left" ] || own=$left
  if [ "$gpu" != none ]; then
    sample >"$scratch/clocks" &
    sampler=$!
  else
    : >"$scratch/clocks"
  fi
  timeout --kill-after=2 "$own" "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status=$?
  if [ -n "$sampler" ]; then
    kill "$sampler" 2>/dev/null
    wait "$sampler" 2>/dev/null
    sampler=''
  fi
  case $status in
    0) outcome=ok ;;
    3) outcome="cannot run" ;;
    124 | 137) outcome="timed out" ;;
    *) outcome=failed ;;
  esac
  [ "$status" = 0 ] || failed=1
  printf '== %-16s %s, %d s\n' "$name" "$outcome" $((SECONDS - begun))
  record "$name" "$outcome"
  {
    printf '"exitCode": %d, "seconds": %d, "budget": %d, "command": ' "$status" $((SECONDS - begun)) "$own"
    json_string "$*"
    printf ',\n  "clocks": %s, "figures": ' "$(clocks_of "$scratch/clocks")"
    if [ "$kind" = json ] && is_whole "$scratch/stdout"; then
      cat "$scratch/stdout"
      : >"$scratch/stdout"
    else
      printf 'null'
    fi
    cat "$scratch/stderr" >>"$scratch/stdout"
    printf ', "output": '
    json_lines "$scratch/stdout" 120
    printf '}'
  } >>"$scratch/steps"
  [ "$status" = 0 ] || tail -n 12 "$scratch/stdout" | sed 's/^/     /'
}

# need FILE NAME...: whether the file is there; otherwise those steps are skipped. A dry run takes it as built.
need() {
  local file=$1 what=$2 name
  shift 2
  [ -z "$file" ] || return 0
  for name in "$@"; do skip "$name" "$what is not there"; done
  return 1
}

[ -n "$dry" ] && echo "a dry run: backend $backend, GPU $gpu, commit $commit, $budget s in all, into $out"

if [ -n "$needs_build" ]; then
  step build 150 text bash scripts/gpu/build.sh build/gpu
  if [ -n "$dry" ]; then
    built=build/gpu/Release
    kernels=$built/ibert-kernels model=$built/ibert-instructions-emulated device_program=$built/ibert-instructions
    target=${library:-$built/libibert-cuda.so}
  else
    look
  fi
else
  skip build "what it would build is there"
fi
case $target in '' | */* | cuda-emulated | cpu) ;; *) usage "there is no backend $target to try" ;; esac
case $target in /* | '' | cuda-emulated | cpu) ;; *) target=$PWD/$target ;; esac

tiny=(--layers 2 --tokens 45 --length 31 --hidden 64 --heads 4 --kv-heads 2 --head-dim 16 --intermediate 96
  --vocabulary 160 --rank 4)
# Of the layout of real models: head dim 128, widths that are multiples of 128, more tokens than a tile.
middling=(--layers 2 --tokens 300 --length 170 --hidden 512 --heads 4 --kv-heads 2 --head-dim 128 --intermediate 768
  --vocabulary 1024 --rank 32)
if [ -n "$small" ]; then middling=("${tiny[@]}"); fi

# 1. Each instruction alone: its model, then the device against manual and model.
golden=$scratch/instructions.golden
need "$model" "ibert-instructions-emulated" golden && step golden 10 json "$model" --write "$golden" --json
if need "$device_program" "ibert-instructions" instructions; then
  if [ -n "$dry" ] || [ -s "$golden" ]; then
    step instructions 20 json "$device_program" --golden "$golden" --json
  else
    step instructions 20 json "$device_program" --json
  fi
fi

if [ -z "$kernels" ] || [ -z "$target" ]; then
  [ -n "$kernels" ] && missing="libibert-cuda.so" || missing="ibert-kernels"
  for name in agreement conformance rows memcheck racecheck synccheck layer layers perf; do
    skip "$name" "$missing is not there"
  done
else
  threads=(--threads "$(nproc)")
  # 2. A whole training step against the reference, then every op.
  step agreement 20 json "$kernels" step --backend "$target" "${middling[@]}" --against reference --repeat 1 --json "${threads[@]}"
  if [ "$backend" = cuda ]; then
    step conformance 70 text "$kernels" test --backend "$target" "${threads[@]}"
    step rows 40 text "$kernels" rows --backend "$target"
    # 3. The sanitizers, at small shapes.
    sanitizer=$(command -v compute-sanitizer || first_with compute-sanitizer /usr/local/cuda/bin "${CUDA_HOME:+$CUDA_HOME/bin}")
    for tool in memcheck racecheck synccheck; do
      if [ -n "$sanitizer" ] || [ -n "$dry" ]; then
        step "$tool" 25 text bash scripts/gpu/sanitize.sh "${sanitizer:-compute-sanitizer}" "$tool" "$device_program" "$kernels" "$target"
      else
        skip "$tool" "compute-sanitizer is not there"
      fi
    done
  else
    step conformance 60 text "$kernels" test --backend "$target" --op swigluForward
    step rows 40 text "$kernels" rows --backend "$target" --op swigluForward
    for tool in memcheck racecheck synccheck; do skip "$tool" "the backend $backend runs on no GPU"; done
  fi
  # 4. Speed: one of Devstral's layers, half of them with head and optimizer, and the table of ops.
  if [ -n "$small" ]; then
    step layer 60 json "$kernels" step --backend "$target" "${tiny[@]}" --layers 1 --vocabulary 0 --json
    step layers 60 json "$kernels" step --backend "$target" "${tiny[@]}" --repeat 1 --json
    step perf 60 json "$kernels" perf --backend "$target" --op swigluForward --case smollm2 --json
  else
    step layer 30 json "$kernels" step --backend "$target" --layers 1 --vocabulary 0 --tokens 8192 --length 8192 --json
    step layers 75 json "$kernels" step --backend "$target" --layers 20 --json
    step perf 60 json "$kernels" perf --backend "$target" --json
  fi
fi

# 5. What others' kernels take for the same.
python=$(command -v python3 || true)
if [ -n "$dry" ] || { [ -n "$python" ] && "$python" -c 'import torch' 2>/dev/null; }; then
  peers=(--device cuda --budget 30)
  if [ "$backend" != cuda ]; then peers=(--device cpu --budget 5); fi
  if [ -n "$small" ]; then peers+=(--small --seconds 0.02); fi
  step peers 45 json "${python:-python3}" scripts/gpu/peers.py "${peers[@]}"
else
  skip peers "there is no python3 with torch"
fi
[ -z "$dry" ] || exit 0

# ---- The file ----

mkdir -p "$(dirname "$out")"
{
  printf '{"kind": "gpu-run", "backend": '
  json_string "$backend"
  printf ', "commit": '
  json_string "$commit"
  printf ', "date": "%s", "seconds": %d, "budget": %d,\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" $((SECONDS - started)) "$budget"
  if [ "$gpu" = none ]; then
    printf ' "device": null,\n'
  else
    printf ' "device": {"name": ' && json_string "$gpu"
    printf ', "driver": ' && json_string "$(smi driver_version)"
    printf ', "computeCapability": ' && json_string "$(smi compute_cap)"
    for pair in memoryMiB:memory.total maxSmMHz:clocks.max.sm maxMemoryMHz:clocks.max.mem powerLimitWatts:power.limit; do
      printf ', "%s": ' "${pair%%:*}" && json_number "$(smi "${pair#*:}")"
    done
    printf '},\n'
  fi
  printf ' "host": ' && json_string "$(uname -srm), $(nproc) processors"
  printf ', "nvcc": ' && json_string "$( (nvcc --version || /usr/local/cuda/bin/nvcc --version) 2>/dev/null | tail -1)"
  printf ',\n "ok": %s, "steps": [' "$([ "$failed" = 0 ] && echo true || echo false)"
  cat "$scratch/steps"
  printf ']}\n'
} >"$out"
echo "$out"
exit "$failed"
