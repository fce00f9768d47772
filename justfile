# The common commands, in the order in which one needs them; `just` lists them.

_default:
    @just --list --unsorted

# A corpus of all tasks, every row of it compiled: just data full
data profile="quickstart" *options: build
    npx ibert data build --config {{ profile }} {{ options }}

# What a corpus holds, and whether that is true
check-data profile="quickstart": build
    npx ibert data inspect data/corpus/{{ profile }}
    npx ibert data check data/corpus/{{ profile }}

# Rows of the programs in Python repositories that you have: just mine ../reports
mine *paths: build
    npx ibert data mine {{ paths }}
    npx ibert data process

# A LoRA adapter, measured before and after: just train quickstart --set steps=50
train config="quickstart" *options: build
    npx ibert-train --config {{ config }} {{ options }}

# An adapter on held-out rows, beside the base model
evaluate adapter="adapters/quickstart" *options: build
    npx ibert evaluate --adapter {{ adapter }} {{ options }}

# All of that, from a clone
quickstart *options:
    npm run quickstart -- {{ options }}

# Everything that CI runs
test:
    npm test

# TypeScript tests alone: just test-ts lib/cli
test-ts *files:
    npx vitest run {{ files }}

# C++ tests alone
test-native: build-native
    ctest --test-dir build --output-on-failure

# The same work through ibert and its peers: just bench decode --rounds 7
bench *options:
    npm run bench -- {{ options }}

build: build-native build-ts

build-native:
    npm run build:native

build-ts:
    npm run build:ts

lint:
    npm run lint

# The API reference, from the docstrings, into docs/api
docs:
    npm run docs

format:
    npm run format

# clang-format over the C++ sources
format-native:
    npm run format:native

# Files that are made from the op table and the configuration's definition
generate: build
    node scripts/generate-op-types.mjs
    node scripts/generate-config-schema.mjs

# One kernel against its reference, e.g. just kernel swigluForward
kernel op:
    build/Release/ibert-kernels test --op {{ op }}

# Everything that is asked of a machine with an NVIDIA GPU (docs/gpu.md)
gpu *options:
    bash scripts/gpu/run.sh {{ options }}

# Everything that is asked of a Mac with Apple silicon (docs/gpu.md)
metal *options:
    bash scripts/gpu/run-metal.sh {{ options }}

# The Metal kernels, as far as clang can tell
check-metal *options:
    npm run check:metal -- {{ options }}

doctor: build-ts
    npx ibert doctor

# Binaries of every platform, or of some: just release-build --platforms linux-x64
release-build *options:
    npm run release:build -- {{ options }}

# The tarball, its files and its hash
release-pack *options:
    npm run release:pack -- {{ options }}

# The tarball under every package manager and Node (minutes)
release-test *options:
    npm run release:test -- {{ options }}
