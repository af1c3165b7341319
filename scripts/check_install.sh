#!/usr/bin/env bash
# Installs the wheel and the sdist each into an empty environment and looks for the plugin there.
set -euo pipefail

folder=$(realpath "$1")
root=$(dirname "$(dirname "$(realpath "$0")")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for archive in "$folder"/*.whl "$folder"/*.tar.gz; do
  python3 -m venv --clear environment
  environment/bin/python -m pip install --quiet --upgrade pip
  environment/bin/python -m pip install --quiet --constraint "$root/constraints.txt" torch
  environment/bin/python -m pip install --quiet --constraint "$root/constraints.txt" "$archive"
  environment/bin/npe2 list | grep --quiet napari-virtual-ihc
  environment/bin/virtual-ihc models list
  echo "ok: $(basename "$archive")"
done
