#!/usr/bin/env bash
# Installs what the build and the tests need on Debian, and nothing when it is all there.
# Further packages may be named.
set -euo pipefail
packages=(build-essential cmake pkg-config libopenblas-dev librandom123-dev libcjson-dev zlib1g-dev libcriterion-dev
          python3 "$@")
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing: ${missing[*]}" >&2
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
