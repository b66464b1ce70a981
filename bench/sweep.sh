#!/usr/bin/env bash
# A sweep of 18 cells (6 beta x 3 partitions) as a fleet and one by one: the same bits, and how much faster.
#
#   bench/sweep.sh [--device cpu] [further options of cgsv sweep, say --model mlp --rounds 10]
#
# Prints seconds, those of all cores on the CPU in brackets, and their ratios; fails when a number of the
# two tables differs. CGSV_BUILD_DIR: the build folder (default build/).
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")
cgsv=$(realpath "${CGSV_BUILD_DIR:-$root/build}/cgsv")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

sweep() { # FOLDER OPTIONS...
    local folder=$1 TIMEFORMAT='%R %U %S'
    shift
    { time "$cgsv" sweep --beta 0.5,1,1.2,1.5,2,1e7 --partition uniform,powerlaw,classimbalance --eval-every 0 --quiet \
        --out "$folder" "$@" >/dev/null; } 2>"$folder.time"
}

numbers() { # FOLDER: all columns but the seconds
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^seconds/) time[i] = 1 }
             { for (i in time) $i = ""; print }' "$1/sweep.csv"
}

sweep fleet "$@" --fleet 0
sweep single "$@" --fleet 1
[ "$(numbers fleet)" = "$(numbers single)" ] || { echo "the fleet's numbers differ from those one by one" >&2; exit 1; }
paste -d' ' fleet.time single.time | awk '{
    fleet = $2 + $3; single = $5 + $6
    printf "fleet       %8.2f s (%.2f s)\none by one  %8.2f s (%.2f s)\nfaster      %8.2f x (%.2f x)\n",
           $1, fleet, $4, single, $4 / $1, single / fleet }'
