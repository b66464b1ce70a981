#!/usr/bin/env bash
# Measures the speed of CGSV beside PyTorch, and writes down what came out and where.
#
#   bench/run.sh [--device cpu|cuda:0] [--threads T] [--python PY] [--out DIR] [--quick]
#
# Builds bench_training and cgsv, and runs the first and `cgsv bench server`, each with its
# PyTorch peer (bench/peers/) at once after it, so that both see the same machine in the same state. PY is a Python
# that has torch (default: $CGSV_TORCH_PYTHON, else python3); without torch the peers' column
# stays empty. T defaults to all cores and counts for both. Writes DIR/DATE-cpu|gpu-NAME.md
# and .csv (DIR: bench/results). --quick: fewer repeats and without D = 10,000,000, to see
# that everything works, not to be quoted.
# $CGSV_BUILD_DIR names the build folder (default: build). The machine must be idle.
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")

die() { echo "bench/run.sh: $*" >&2; exit 1; }
usage() { echo "usage: bench/run.sh [--device cpu|cuda:0] [--threads T] [--python PY] [--out DIR] [--quick]"; }

cores=$(env -u OMP_NUM_THREADS nproc)
device=cpu threads=$cores python=${CGSV_TORCH_PYTHON:-python3} out=$root/bench/results quick=
while [ $# -gt 0 ]; do
    case $1 in
    --device | --threads | --python | --out)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift ;;
    --quick) quick=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
[[ $device =~ ^(cpu|cuda:0)$ ]] || die "--device: '$device' is neither cpu nor cuda:0"
[[ $threads =~ ^[1-9][0-9]*$ ]] || die "--threads: '$threads' is not a whole number of at least 1"
out=$(realpath -m "$out")
cd "$root"
export OMP_NUM_THREADS=$threads

build=${CGSV_BUILD_DIR:-build}
[ -f "$build/CMakeCache.txt" ] || cmake -S . -B "$build" -DCGSV_TESTS=OFF >&2
cmake --build "$build" --target bench_training cgsv_program >&2
cached() { sed -n "s/^$1:[^=]*=//p" "$build/CMakeCache.txt"; }

peer_device=${device%%:*}
torch=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) || torch=
if [ -z "$torch" ]; then
    torch="none: '$python' cannot import it, so the PyTorch column is empty"
    python=
    echo "torch: $torch" >&2
elif [ "$peer_device" = cuda ] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    die "torch $torch of '$python' sees no GPU; name another with --python"
fi

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

measure() { # OUR PROGRAM AND ITS ARGUMENTS -- PEER AND ITS ARGUMENTS
    local ours=() line peer=null
    while [ "$1" != -- ]; do ours+=("$1"); shift; done
    shift
    echo "${ours[*]}" >&2
    line=$("$build/${ours[0]}" "${ours[@]:1}") || die "failed: ${ours[*]}"
    if [ -n "$python" ]; then
        echo "  $*" >&2
        peer=$("$python" "bench/peers/$1" "${@:2}") || die "failed: $*"
    fi
    printf '{"ours": %s, "peer": %s}\n' "$line" "$peer" >>"$lines"
}

training() { # NAME MODEL
    measure bench_training "$1" "$threads" "$rounds" "$device" -- \
        torch_training.py --model "$2" --threads "$threads" --repeat "$rounds" --device "$peer_device"
}

server() { # AGENTS DIMENSION
    local sizes=(--agents "$1" --dimension "$2" --threads "$threads" --repeat "$repeat")
    measure cgsv bench server "${sizes[@]}" --device "$device" --json -- \
        torch_server.py "${sizes[@]}" --device "$peer_device"
}

rounds=5 repeat=11
[ -z "$quick" ] || rounds=1 repeat=3
load=$(cut -d' ' -f1 /proc/loadavg)
training mnist mnist_cnn
training cifar10 cifar_cnn
server 10 62006
server 10 1000000
[ -n "$quick" ] || server 10 10000000
server 50 1000000

cpu=$(lscpu | sed -n 's/^Model name: *//p' | sed -n 1p)
memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
compiler=$("$(cached CMAKE_C_COMPILER)" --version | sed -n 1p)
build_type=$(cached CMAKE_BUILD_TYPE) nvcc=$(cached CMAKE_CUDA_COMPILER)
if [ -x "$nvcc" ]; then compiler+="; nvcc $("$nvcc" --version | sed -n 's/.*release \([^,]*\).*/\1/p')"; fi
commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || commit=unknown
if [ -n "$(git --no-optional-locks status --porcelain 2>/dev/null)" ]; then commit+=", with changes"; fi
kind=cpu chip=$cpu
facts=("Date=$(date -u '+%Y-%m-%d %H:%M') UTC" "CPU=$cpu" "Cores=$cores" "Memory=$memory")
if [ "$device" != cpu ]; then
    kind=gpu chip=$(nvidia-smi --query-gpu=name --format=csv,noheader | sed -n 1p)
    facts+=("GPU=$chip, driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader | sed -n 1p)")
fi
facts+=("Device=$device" "Threads=$threads" "Load before=$load" "Compiler=$compiler, ${build_type:-Release}"
        "Commit=$commit" "PyTorch=$torch" "Repeats=training $rounds, server step $repeat, after a warm-up; medians")
[ -z "$quick" ] || facts+=("Quick=yes: these numbers only show that the benchmarks work")

short=$(sed -E 's/\((R|TM|tm|r)\)//g; s/ (CPU )?@.*//; s/[^A-Za-z0-9]+/-/g; s/^-|-$//g' <<<"$chip" | tr '[:upper:]' '[:lower:]')
mkdir -p "$out"
stem=$out/$(date -u +%Y-%m-%d)-$kind-$short${quick:+-quick}
python3 bench/table.py "$lines" "$stem" "${facts[@]}"
echo "written to $(realpath --relative-to=. "$stem").md and .csv" >&2
