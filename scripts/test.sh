#!/usr/bin/env bash
# Everything that is tested, from a clone: sets itself up, runs all, ends with "N passed, N failed".
set -euo pipefail

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

passed=0
failed=0

# check NAME COMMAND...: one test that a command's exit code decides.
check() {
  local name=$1 begun=$SECONDS
  shift
  printf '== %s\n' "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '== %s: FAILED\n' "$name"
  fi
  printf '== %s: %d s\n' "$name" $((SECONDS - begun))
}

# suite NAME RESULT SCRIPT COMMAND...: many tests; the script (Node) reads the result file and prints "passed failed".
# A suite that fails without a failed test of its own counts as one.
suite() {
  local name=$1 result=$2 counter=$3 begun=$SECONDS status=0 counts
  shift 3
  rm -f "$result"
  printf '== %s\n' "$name"
  "$@" || status=$?
  counts=$(node -e "$counter" "$result") || counts="0 1"
  local good=${counts% *} bad=${counts#* }
  [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
  printf '== %s: %d passed, %d failed, %d s\n' "$name" "$good" "$bad" $((SECONDS - begun))
}

results="$root/build/test-results"
mkdir -p "$results"

# JUnit's attributes: failures and skips. A skip is an instruction set that this machine lacks.
count_junit='
  const text = require("fs").readFileSync(process.argv[1], "utf8");
  const number = (name) => Number(new RegExp(`<testsuite[^>]*\\b${name}="(\\d+)"`, "s").exec(text)[1]);
  const [all, bad, skipped, disabled] = ["tests", "failures", "skipped", "disabled"].map(number);
  console.log(all - bad - skipped - disabled, bad);'
count_vitest='
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const broken = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  console.log(numPassedTests, numFailedTests + broken.length);'

set_up
check "op types" node scripts/generate-op-types.mjs --check
check "types" npm run --silent typecheck
check "lint" npx eslint .
check "format" npx prettier --check --log-level warn .
suite "C++" "$results/ctest.xml" "$count_junit" \
  ctest --test-dir build --output-on-failure --output-junit "$results/ctest.xml"
suite "TypeScript" "$results/vitest.json" "$count_vitest" \
  npx vitest run --reporter=default --reporter=json --outputFile.json="$results/vitest.json"

printf '\nall in %d s\n' $((SECONDS - started))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
