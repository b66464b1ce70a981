#!/usr/bin/env bash
# Fuzzes the readers of files and command lines with libFuzzer, under AddressSanitizer and UBSan; needs clang and llvm.
#
#     tests/fuzz/run.sh [--seconds S] [--build DIR] [TARGET...]
#
# Without targets all are run, one after the other, S seconds each (60). Inputs that reached something new stay in
# DIR/found/TARGET (DIR: build-fuzz) and are begun with the next time; one that crashes or takes longer than five
# seconds or more memory than 800 MB is kept in DIR/crashes/. In the end a table: executions, edges of the program that
# were reached, lines of the readers' own files that were, crashes. Exit code 1 if there were any.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The files of each target whose lines are counted, in src/.
declare -A readers=(
    [checkpoint]="io/checkpoint_file" [cifar]="data/cifar" [comparison]="io/report_input io/report_compare"
    [csv]="io/csv_read" [federation]="federation/checkpoint io/checkpoint_file" [gz]="data/dataset"
    [idx]="data/idx" [npy]="io/npy" [numbers]="cli/value_inputs"
    [options]="cli/options cli/list cli/bench_options cli/paper_options cli/paper_plan cli/report_options
        cli/run_options cli/scheme_options cli/study_options cli/sweep_options cli/value_options"
    [paper]="cli/paper_cells cli/paper_study" [report]="io/report_run" [resume]="cli/resume"
    [rt_polarity]="data/rt_polarity data/corpus" [safetensors]="io/safetensors io/updates_layout"
    [sweep]="io/sweep_folder io/sweep_row io/output_folder" [trees]="data/trees data/text"
    [vectors]="data/word_vectors")

fail() {
    echo "run.sh: $*" >&2
    exit 2
}

seconds=60 dir=build-fuzz targets=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit ;;
    --seconds | --build)
        [ $# -ge 2 ] || fail "$1 needs a value"
        if [ "$1" = --seconds ]; then seconds=$2; else dir=$2; fi
        shift
        ;;
    -*) fail "unknown option '$1'; see --help" ;;
    *) targets+=("$1") ;;
    esac
    shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "--seconds: '$seconds' is not a whole number above 0"
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(printf '%s\n' "${!readers[@]}" | sort)
for target in "${targets[@]}"; do
    [ -n "${readers[$target]:-}" ] || fail "unknown target '$target'; known: ${!readers[*]}"
done
for tool in clang llvm-profdata llvm-cov; do
    command -v "$tool" >/dev/null || fail "no $tool; install clang and llvm"
done

cmake -S . -B "$dir" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCGSV_FUZZ=ON -DCGSV_CUDA=OFF >/dev/null
cmake --build "$dir" --target fuzz --parallel "$(nproc)" >/dev/null
mkdir -p "$dir/crashes"

# lines TARGET: covered and all lines of its readers, by all inputs that there are
lines() {
    local program=$dir/tests/fuzz/fuzz_$1 raw=$dir/$1.profraw
    LLVM_PROFILE_FILE=$raw "$program" -runs=0 "$dir/found/$1" "tests/fuzz/corpus/$1" >/dev/null 2>&1 || true
    llvm-profdata merge -sparse "$raw" -o "$dir/$1.profdata" 2>/dev/null || return 0
    # shellcheck disable=SC2086
    llvm-cov export -summary-only "$program" -instr-profile="$dir/$1.profdata" |
        python3 -c 'import json, sys
lines = [file["summary"]["lines"] for file in json.load(sys.stdin)["data"][0]["files"]
         if file["filename"].endswith(tuple("src/%s.c" % name for name in sys.argv[1:]))]
print("%d of %d" % (sum(l["covered"] for l in lines), sum(l["count"] for l in lines)))' ${readers[$1]}
    rm -f "$raw" "$dir/$1.profdata"
}

crashes() { find "$dir/crashes" -name "$1-*" | wc -l; }

row() { printf '%-12s %8s %12s %9s %7s %14s %7s\n' "$@"; }

all=0
table=$(row target seconds executions per-sec edges reader-lines crashes)
for target in "${targets[@]}"; do
    mkdir -p "$dir/found/$target"
    log=$dir/$target.log
    echo "$target: $seconds s" >&2
    LLVM_PROFILE_FILE=/dev/null "$dir/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=5 \
        -rss_limit_mb=800 -malloc_limit_mb=512 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$dir/crashes/$target-" "$dir/found/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || true
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    edges=$(grep -o ' cov: [0-9]*' "$log" | tail -1 | tr -dc 0-9)
    found=$(crashes "$target")
    [ -n "$executions" ] || found="$found, $log"
    [ "$found" = 0 ] || all=1
    table+=$'\n'$(row "$target" "$seconds" "${executions:--}" "${rate:--}" "${edges:--}" "$(lines "$target")" "$found")
done
printf '%s\n' "$table"
exit "$all"
