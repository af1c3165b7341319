#!/usr/bin/env bash
# Runs a command on the present display, or on a virtual one where there is none.
set -euo pipefail

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" != Linux ]; then
  exec "$@"
fi
export VIRTUAL_IHC_VIRTUAL_SCREEN=1
exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" "$@"
