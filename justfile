# The common commands; `just` lists them.

_default:
    @just --list

# From a clone to a trained, measured adapter
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

build: build-native build-ts

build-native:
    npm run build:native

build-ts:
    npm run build:ts

lint:
    npm run lint

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

doctor: build-ts
    npx ibert doctor
