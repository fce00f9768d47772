#!/usr/bin/env bash
# From a clone to a measured adapter: npm run quickstart [-- --force]
set -euo pipefail

for option in "$@"; do
  case $option in
    --force) ;;
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

set_up --target runtime
exec node dist/cli/ibert.js quickstart "$@"
