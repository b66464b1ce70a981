#!/usr/bin/env bash
# Installs what is missing, builds, and runs CGSV on the built-in data set.
# Further arguments go to `cgsv run`.
set -euo pipefail
cd "$(dirname "$0")"
./install.sh
cmake -S . -B build -DCGSV_TESTS=OFF >build.log 2>&1 || { cat build.log >&2; exit 1; }
cmake --build build --parallel "$(nproc)" >>build.log 2>&1 || { cat build.log >&2; exit 1; }
rm build.log
exec build/cgsv run "$@"
