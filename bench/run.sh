#!/usr/bin/env bash
# Measures the speed of CGSV beside its floors and its peers, and writes down what came out and where.
#
#   bench/run.sh [--device cpu|cuda:0] [--threads T] [--python PY] [--jax-python PY] [--out DIR] [--quick]
#
# One table: (a) the server step, (b) the selection, (c) Gram matrices and exact Shapley values, (d) local training,
# (e) whole rounds, (f) fleets; beside each its floor and what PyTorch and JAX need (bench/peers/), which are first
# checked to compute the same. Then exponents of growth, threads, and how near convolutions come to products.
# PY is a Python that has torch (default: $CGSV_TORCH_PYTHON, else python3), or jax (default: $CGSV_JAX_PYTHON, else
# PY); without them their columns stay empty. T defaults to all cores and counts for all. Writes
# DIR/DATE-cpu|gpu-NAME.md and .csv (DIR: bench/results). Takes about 12 minutes; --quick two: few sizes and repeats, to
# see that everything works, not to be quoted.
# $CGSV_BUILD_DIR names the build folder (default: build). The machine must be idle.
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")

die() { echo "bench/run.sh: $*" >&2; exit 1; }
usage() {
    echo "usage: bench/run.sh [--device cpu|cuda:0] [--threads T] [--python PY] [--jax-python PY] [--out DIR] [--quick]"
}

cores=$(env -u OMP_NUM_THREADS nproc)
device=cpu threads=$cores out=$root/bench/results quick=
python=${CGSV_TORCH_PYTHON:-python3} jax_python=${CGSV_JAX_PYTHON:-}
while [ $# -gt 0 ]; do
    case $1 in
    --device | --threads | --python | --jax-python | --out)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        name=${1#--}
        printf -v "${name//-/_}" %s "$2"
        shift ;;
    --quick) quick=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
[[ $device =~ ^(cpu|cuda:0)$ ]] || die "--device: '$device' is neither cpu nor cuda:0"
[[ $threads =~ ^[1-9][0-9]*$ ]] || die "--threads: '$threads' is not a whole number of at least 1"
jax_python=${jax_python:-$python}
out=$(realpath -m "$out")
cd "$root"
export OMP_NUM_THREADS=$threads

build=${CGSV_BUILD_DIR:-build}
[ -f "$build/CMakeCache.txt" ] || cmake -S . -B "$build" -DCGSV_TESTS=OFF >&2
targets=(bench_training cgsv_program)
[ "$device" = cpu ] || targets+=(bench_cub_sort)
cmake --build "$build" --target "${targets[@]}" >&2
cached() { sed -n "s/^$1:[^=]*=//p" "$build/CMakeCache.txt"; }

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
load=$(cut -d' ' -f1 /proc/loadavg)
python3 bench/measure.py "$lines" --build "$build" --device "$device" --threads "$threads" --torch "$python" \
    --jax "$jax_python" ${quick:+--quick}

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
description=$("$build/cgsv" devices | sed -n "s/^$device  *\(.*\), [0-9.]* [A-Za-z]* of .*/\1/p")
facts+=("Device=$device: $description" "Threads=$threads" "Load before=$load"
        "Compiler=$compiler, ${build_type:-Release}"
        "Commit=$commit")
[ -z "$quick" ] || facts+=("Quick=yes: these numbers only show that the benchmarks work")

short=$(sed -E 's/\((R|TM|tm|r)\)//g; s/ (CPU )?@.*//; s/[^A-Za-z0-9]+/-/g; s/^-|-$//g' <<<"$chip" |
        tr '[:upper:]' '[:lower:]')
mkdir -p "$out"
stem=$out/$(date -u +%Y-%m-%d)-$kind-$short${quick:+-quick}
python3 bench/table.py "$lines" "$stem" "${facts[@]}"
echo "written to $(realpath --relative-to=. "$stem").md and .csv" >&2
