# Sourced by quickstart.sh and test.sh: stages with their times, and what both set up. Every part is done once and
# again only when what it depends on has changed.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
started=$SECONDS

fail() {
  printf '\nerror: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit 2
}

# stage NAME COMMAND...: runs it and prints its seconds.
stage() {
  local name=$1 begun=$SECONDS
  shift
  printf '== %s\n' "$name"
  "$@" || {
    [ $? != 130 ] || exit 130
    fail "$name failed" "What it printed above says why."
  }
  printf '== %s: %d s\n' "$name" $((SECONDS - begun))
}

check_tools() {
  command -v node >/dev/null || fail "Node.js is missing" "Install Node 20.17 or later: https://nodejs.org"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' ||
    fail "Node $(node --version) is too old" "Install Node 20.17 or later: https://nodejs.org"
  command -v npm >/dev/null || fail "npm is missing" "It comes with Node.js."
  command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
    fail "there is no C++ compiler" "Install one with C++20: g++ 11 or clang 14 (Debian: apt install g++)."
  command -v cmake >/dev/null || fail "CMake is missing" "Install CMake 3.22 or later (Debian: apt install cmake)."
  command -v python3 >/dev/null || fail "Python 3 is missing" "It fetches pinned packages (Debian: apt install python3)."
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "Python 3 has no pip" "It fetches pinned packages (Debian: apt install python3-pip)."
}

# npm writes what it installed to node_modules/.package-lock.json.
install_packages() {
  if [ node_modules/.package-lock.json -nt package-lock.json ]; then
    echo "node_modules is up to date"
  else
    npm ci --no-audit --no-fund && touch node_modules/.package-lock.json
  fi
}

# CMake knows what is stale. build_native [OPTION...]: see scripts/build-native.mjs.
build_native() { node scripts/build-native.mjs "$@"; }

# The compiled TypeScript is stale when any source is newer than the mark.
build_typescript() {
  local mark=dist/.built
  if [ -f "$mark" ] && [ -z "$(find lib tsconfig.json tsconfig.build.json package.json -newer "$mark" -type f -print -quit)" ]; then
    echo "dist is up to date"
    return
  fi
  npm run --silent build:ts && touch "$mark"
}

fetch_files() {
  # Within `stage` a failure does not end a function, so each step hangs on the one before.
  node scripts/fetch-wheels.mjs &&
    node dist/cli/ibert.js model inspect smollm2-135m --json >/dev/null &&
    echo "the model is in the cache"
}

# set_up [OPTION...]: the options of the native build.
set_up() {
  stage "tools" check_tools
  stage "npm packages" install_packages
  stage "native addon" build_native "$@"
  stage "TypeScript" build_typescript
  stage "wheels and model" fetch_files
}
