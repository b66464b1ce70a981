#!/usr/bin/env bash
# Checks everything that only a machine with an NVIDIA GPU can check.
#
#   bench/gpu_check.sh [--parts test,sanitize,measure] [DEBS]
#
# Meant for a lent machine that has nvcc but reaches no package server: the Debian packages
# in DEBS (default: .carry/; Criterion, OpenBLAS, Random123, cJSON and what they need) are
# unpacked into a folder of their own, outside the system. Then it builds into build-gpu.
#   test      the kernels' cases, the library's tests and whole runs on the GPU (label cuda),
#             three rounds, sweeps in fleets against one by one;
#   sanitize  the kernels' cases under compute-sanitizer (memcheck, then racecheck);
#   measure   parts of the library with `cgsv bench`, training with tensor cores and without,
#             stages of rounds with `cgsv run --profile`, and the speed beside PyTorch, JAX
#             and CUB with bench/run.sh.
# All parts by default; a later call builds only what has changed. A step that fails does not
# keep the later ones from running, as time on such a machine is short, and none but the build
# may take more than its limit; the last lines name the failed ones, and the exit code is then 1. The log
# gpu_check.log, the lines of gpu_bench.json and the measurements go to $OUT, or to
# bench/results/ where that is not set.
set -euo pipefail
parts=test,sanitize,measure
if [ "${1-}" = --parts ]; then
    parts=${2-}
    shift 2 || { echo "bench/gpu_check.sh: --parts needs a list of test, sanitize and measure" >&2; exit 2; }
fi
for part in ${parts//,/ }; do
    case $part in
    test | sanitize | measure) ;;
    *) echo "bench/gpu_check.sh: unknown part '$part'; known: test, sanitize, measure" >&2; exit 2 ;;
    esac
done
debs=$(realpath -m "${1:-$(dirname "$0")/../.carry}")
root=$(realpath "$(dirname "$0")/..")
out=$(realpath -m "${OUT:-$root/bench/results}")
cd "$root"

if ! command -v nvidia-smi >/dev/null; then
    echo "bench/gpu_check.sh: no nvidia-smi here: this check needs a machine with an NVIDIA GPU and its driver" >&2
    exit 1
fi
[ $# -eq 0 ] || [ -d "$debs" ] || { echo "bench/gpu_check.sh: no folder $debs" >&2; exit 1; }

build="build-gpu"
export CGSV_BUILD_DIR=$build
failed=()

step() { # NAME COMMAND...
    local name=$1 begin=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        echo "== $name: passed, $((SECONDS - begin)) s"
    else
        echo "== $name: FAILED, $((SECONDS - begin)) s"
        failed+=("$name")
    fi
}

folders_of() { # NAME PATTERN: every folder under $prefix that holds such a file, joined by colons
    find "$prefix" "$1" "$2" -printf '%h\n' | sort -u | paste -sd:
}

unpack() {
    local packages=("$debs"/*.deb) package
    [ -e "${packages[0]}" ] || { echo "no packages in $debs: building with what is installed"; return; }
    prefix=$root/$build/carried
    rm -rf "$prefix"
    mkdir -p "$prefix"
    for package in "${packages[@]}"; do dpkg -x "$package" "$prefix"; done
    # Packages believe they lie in /usr.
    find "$prefix" -name '*.pc' -type f -exec sed -i "s|=/usr|=$prefix/usr|" {} +
    PKG_CONFIG_PATH=$(folders_of -name '*.pc')${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    LD_LIBRARY_PATH=$(folders_of -name '*.so*')${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    CMAKE_PREFIX_PATH=$prefix/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
    PATH=$PATH:$prefix/usr/bin
    export PKG_CONFIG_PATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH PATH
    echo "unpacked ${#packages[@]} packages"
}

build_all() {
    cmake -S . -B "$build" -DCGSV_CUDA=ON -DCGSV_TESTS=ON && cmake --build "$build" --parallel "$(nproc)" || return
    grep -q '^CMAKE_CUDA_COMPILER:[^=]*=/' "$build/CMakeCache.txt" || { echo "nvcc: not found"; return 1; }
}

sanitize() { # TOOL
    timeout 240 compute-sanitizer --tool "$1" --error-exitcode 1 "$build/tests/op_cuda" small
}

# A table for the log, and the same numbers as JSON. The selection: 100 ranks of 10M entries among them.
bench() { # WHAT OPTIONS...
    local run=(timeout 60 "$build/cgsv" bench "$@" --device cuda:0)
    "${run[@]}" && "${run[@]}" --json >>"$out/gpu_bench.json"
}

# Stages of a few rounds, and the same bits as without a profile, which leaves graphs out.
profile() {
    local run=(timeout 60 "$build/cgsv" run --device cuda:0 --rounds 4 --quiet --force)
    "${run[@]}" --profile --out "$out/gpu_profile" && "${run[@]}" --out "$build/gpu_unwatched" || return
    cmp "$out/gpu_profile/rounds.csv" "$build/gpu_unwatched/rounds.csv"
}

# Local training of the network with most products, in each precision.
precisions() {
    local precision
    cmake --build "$build" --target bench_training && for precision in float32 tf32 bf16; do
        timeout 60 "$build/bench_training" --model cifar_resnet --agents 10 --batch 128 --samples 512 --device cuda:0 \
            --precision $precision | sed "s/^{/{\"precision\": \"$precision\", /" | tee -a "$out/gpu_bench.json" ||
            return
    done
}

test_all() {
    step "op_cuda" timeout 120 "$build/tests/op_cuda"
    step ctest ctest --test-dir "$build" -L cuda --output-on-failure --no-tests=error --timeout 120
    step "cgsv run" timeout 60 "$build/cgsv" run --device cuda:0 --rounds 3
    step "fleet, and one by one" timeout 120 bench/sweep.sh --device cuda:0
    # 1,050 rows, more than train at a time.
    step "fleet in portions, and one by one" timeout 120 bench/sweep.sh --device cuda:0 --agents 50 \
        --samples-per-agent 20 --local-epochs 1 --rounds 3
}

sanitize_all() {
    step memcheck sanitize memcheck
    step racecheck sanitize racecheck
}

measure_all() {
    rm -f "$out/gpu_bench.json"
    step "bench server" bench server --agents 10,100 --dimension 62006,1M,10M
    step "bench select" bench select --agents 10,100 --dimension 1M,10M --reward global
    step "bench shapley" bench shapley --agents 10,25,30,100 --dimension 1000,1M,10M --exact-agents 30
    step precisions precisions
    step profile profile
    step benchmarks timeout 480 bench/run.sh --device cuda:0 --out "$out"
}

check() {
    nvidia-smi
    unpack
    step build build_all
    if [ ${#failed[@]} -eq 0 ]; then
        for part in ${parts//,/ }; do "${part}_all"; done
    fi
    if [ ${#failed[@]} -gt 0 ]; then
        printf 'FAILED: %s\n' "${failed[@]}"
        return 1
    fi
    echo "all passed"
}

mkdir -p "$out"
check 2>&1 | tee "$out/gpu_check.log"
