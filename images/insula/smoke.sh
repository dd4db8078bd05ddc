#!/bin/sh
# Run inside the image, as its user: does every door open?
set -eu
test "$(id -u)" = 10001
insula version
insula job pull --help > /dev/null
insula operator --help > /dev/null
insula gateway --help > /dev/null
insula ledger --help > /dev/null
