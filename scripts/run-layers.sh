#!/usr/bin/env bash
# Runs layers of tests, each a target of the Makefile, and ends with one line for each.
#
#   run-layers.sh LAYER... [-- LAYER...]
#
# All layers before `--` are run, so that one run shows all that is wrong. The slow ones after it are run only when
# everything before them passed.
set -uo pipefail

logs=$(mktemp -d)
readonly logs
trap 'rm -rf "$logs"' EXIT
summary=()
failed=0
careful=0

for layer in "$@"; do
  if [ "$layer" = -- ]; then
    careful=1
    continue
  fi
  if [ "$careful" -eq 1 ] && [ "$failed" -ne 0 ]; then
    summary+=("$(printf '%-10s not run' "$layer")")
    continue
  fi
  echo "--- $layer"
  start=$SECONDS
  make --no-print-directory "$layer" 2>&1 | tee "$logs/$layer"
  code=${PIPESTATUS[0]}
  # pytest's own closing line tells counts; other tools have none.
  counts=$(sed 's/\x1b\[[0-9;]*m//g' "$logs/$layer" | grep -E '[0-9]+ (passed|failed|error|skipped)' | tail -n 1 | tr -d '=')
  verdict=ok
  if [ "$code" -ne 0 ]; then
    verdict=FAILED
    failed=1
  fi
  summary+=("$(printf '%-10s %-7s %4d s  %s' "$layer" "$verdict" $((SECONDS - start)) "$counts")")
done

echo "--- summary"
printf '%s\n' "${summary[@]}"
exit "$failed"
