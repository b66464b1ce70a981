#!/usr/bin/env bash
# Small runs of the program and of readers under valgrind: what AddressSanitizer does not see is
# memory that is read before anything was written to it. By hand, since it takes minutes.
#
#   tests/valgrind.sh [BUILD [PATTERN]]
#
# BUILD (default: build) is a finished build with tests; PATTERN chooses checks by their names (all).
# Valgrind has no AVX-512 and says so to the program, which then takes its kernels for AVX2. Any error
# is one, and so is a leak.
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")
build=$(realpath "${1:-$root/build}")
stop() { # MESSAGE
    echo "tests/valgrind.sh: $1" >&2
    exit 1
}
command -v valgrind >/dev/null || stop "no valgrind here; './install.sh valgrind' installs it"
for program in cgsv tests/fuzz/fuzz_npy; do
    [ -x "$build/$program" ] || stop "no $build/$program; build first"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pattern=${2:-} checks=0 failed=()

# Threads that OpenMP keeps are reachable to the end, and are no leak.
check() { # NAME COMMAND...
    local name=$1 begin=$SECONDS
    shift
    [[ $name == *"$pattern"* ]] || return 0
    checks=$((checks + 1))
    if valgrind --quiet --suppressions="$root/tests/valgrind.supp" --error-exitcode=99 --track-origins=yes \
            --leak-check=full --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect "$@" >out 2>err; then
        echo "$name: no errors, $((SECONDS - begin)) s"
    else
        echo "$name: FAILED"
        cat out err
        failed+=("$name")
    fi
}

small=(--agents 3 --samples-per-agent 20 --rounds 2 --batch 8 --device cpu --threads 1 --quiet)
check "run, mlp" "$build/cgsv" run --model mlp "${small[@]}" --record-updates --out run
check "run, saved" "$build/cgsv" run --model mlp "${small[@]}" --checkpoint-every 1 --no-save-models --out saved
rm -f saved/summary.json saved/checkpoints/round_000002.safetensors
check "run, resumed" "$build/cgsv" run --resume saved --quiet
check "run, two threads" "$build/cgsv" run --model mlp "${small[@]}" --threads 2
check "run, adam" "$build/cgsv" run --model mlp "${small[@]}" --optimizer adam
check "run, mnist_cnn" "$build/cgsv" run --model mnist_cnn "${small[@]}" --rounds 1
check "run, validated" "$build/cgsv" run --model mlp "${small[@]}" --scheme cffl --validation-samples 20
check "sweep" "$build/cgsv" sweep --model mlp "${small[@]}" --beta 0.5,1 --out sweep
check "value" "$build/cgsv" value run/updates
check "report" "$build/cgsv" report run
check "study" "$build/cgsv" study --agents 3 --agents-dimension 50 --dimensions none --trials 2 --device cpu --threads 1
check "paper" "$build/cgsv" paper --quick --model mlp --rounds 1 --agents 2 --samples-per-agent 10 \
    --validation-samples 2 --parts fairness --schemes cgsv,fedavg --seeds 1 --partitions uniform --device cpu \
    --threads 1 --quiet --out paper
check "schemes" "$build/cgsv" schemes
check "devices" "$build/cgsv" devices
for reader in npy safetensors idx cifar rt_polarity trees vectors csv options report \
    comparison sweep paper gz checkpoint federation resume numbers; do
    check "fuzz_$reader" "$build/tests/fuzz/fuzz_$reader" "$root/tests/fuzz/corpus/$reader" 20 1
done
echo "$checks checks, ${#failed[@]} failed, $SECONDS s"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'tests/valgrind.sh: FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
[ $checks -gt 0 ] || stop "no check has '$pattern' in its name"
