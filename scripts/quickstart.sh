#!/usr/bin/env bash
# From a clone to a measured adapter: npm run quickstart [-- --force]
set -euo pipefail

force=false
for option in "$@"; do
  case $option in
    --force) force=true ;;
    -h | --help)
      echo "usage: npm run quickstart [-- --force]"
      echo "Builds ibert, makes a corpus, fine-tunes SmolLM2-135M on it and measures it before and after."
      echo "What is there and unchanged is used again; --force trains anew."
      exit 0
      ;;
    *)
      echo "error: unknown option $option (see npm run quickstart -- --help)" >&2
      exit 2
      ;;
  esac
done

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

config=quickstart

build_corpus() { node dist/cli/ibert.js data build --profile quickstart; }

train() {
  if $force; then
    node dist/cli/ibert-train.js --config "$config"
  else
    node dist/cli/ibert-train.js --config "$config" --reuse
  fi
}

# The compiler may refuse one answer; that is a verdict, not a failure of the quick start.
answer() {
  local prompt="orders.group_by('region')." table="orders(region string, amount float64)"
  printf '$ echo "%s" | npx ibert complete --table "%s"\n' "$prompt" "$table"
  printf '%s\n' "$prompt" | node dist/cli/ibert.js complete --whole --adapter adapters/quickstart --table "$table" || [ $? = 1 ]
}

set_up --target runtime
stage "corpus" build_corpus
stage "training" train
stage "an answer" answer
printf '\nDone in %d s. Open adapters/quickstart/report/report.html for the curves and the answers.\n' $((SECONDS - started))
