#!/bin/sh
# Make requirements.lock anew: `lock.sh 2026.2.3` after a change of integrations.txt or of Home Assistant's version.
# Needs uv and a package index; see uv's own settings for one that is not the public one.
set -eu
release=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv pip install --quiet --no-deps --target "$work/ha" --python-version 3.13.5 --only-binary :all: "homeassistant==$release"
{
    echo "homeassistant==$release"
    echo "psycopg2-binary"
    python3 "$here/requirements.py" "$work/ha/homeassistant/components" < "$here/integrations.txt"
} > "$work/requirements.in"
uv pip compile --quiet "$work/requirements.in" --constraint "$work/ha/homeassistant/package_constraints.txt" \
    --python-version 3.13.5 --python-platform x86_64-manylinux_2_40 \
    --generate-hashes --no-header --no-annotate --no-emit-index-url --output-file "$here/requirements.lock"
