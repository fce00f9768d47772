# shellcheck shell=bash
# Sourced by run.sh: just enough JSON, as a machine with a GPU may have neither Node nor jq.

# json_string TEXT
json_string() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/ }
  printf '"%s"' "$(printf '%s' "$text" | LC_ALL=C tr '\t' ' ' | LC_ALL=C tr -d '\000-\037\177-\377')"
}

# json_lines FILE MOST: the last lines, as a list of strings.
json_lines() {
  local comma='' line
  printf '['
  while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n   ' "$comma"
    json_string "${line:0:400}"
    comma=,
  done < <(tail -n "$2" "$1")
  printf ']'
}

# json_number TEXT: a number, or null for what is none.
json_number() {
  if [[ $1 =~ ^-?(0|[1-9][0-9]*)(\.[0-9]+)?$ ]]; then printf '%s' "$1"; else printf 'null'; fi
}

# is_whole FILE: whether a program ended its JSON object.
is_whole() {
  [ -s "$1" ] && [ "$(head -c 1 "$1")" = '{' ] && [ "$(tail -c 64 "$1" | tr -d '[:space:]' | tail -c 1)" = '}' ]
}
