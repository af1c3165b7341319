#!/usr/bin/env bash
# Installs the libraries that a napari window needs on Debian and Ubuntu, where they are missing.
set -euo pipefail

packages=(
  xvfb libgl1 libegl1 libgl1-mesa-dri libdbus-1-3 libfontconfig1 libxkbcommon-x11-0
  libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libxcb-xinput0
)

command -v dpkg-query >/dev/null || exit 0
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "A napari window needs these packages; install them as root, then run make again:" >&2
  echo "  apt-get install ${missing[*]}" >&2
  exit 1
fi
apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes "${missing[@]}" >/dev/null
