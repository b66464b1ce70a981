#!/usr/bin/env bash
# kill -9 at random moments of sweeps and runs; what goes on afterwards ends in the results of unbroken ones.
# usage: kill_test.sh PATH/TO/cgsv [--kills N] [--seed S]      N of sweeps, and N of runs
here=$(realpath "$(dirname "$0")")
source "$here/cli_helpers.sh" "$1"
shift
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
kills=10 seed=1
while [ $# -gt 0 ]; do
    case $1 in
    --kills) kills=$2 ;;
    --seed) seed=$2 ;;
    *) echo "usage: kill_test.sh PATH/TO/cgsv [--kills N] [--seed S]" >&2 && exit 2 ;;
    esac
    shift 2
done
RANDOM=$seed
python3 "$here/fault_files.py" .
small=(--data-set mnist --data mnist --model mlp --agents 2 --local-epochs 1 --batch 4 --device cpu --threads 1 --quiet)

# What must not depend on kills: sweep.csv but for times; models and records of rounds.
numbers() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^seconds/) time[i] = 1 }
                     { for (i in time) $i = ""; print }' "$1/sweep.csv"; }
details() { (cd "$1" && find . -path ./checkpoints -prune -o \
    '(' -name '*.safetensors' -o -name rounds.csv -o -name server.csv ')' -print | sort | xargs md5sum); }

# Commands are functions that put their words into `words`, so that it is cgsv itself that is killed.
# milliseconds COMMAND...: how long it takes
milliseconds() {
    local begin=${EPOCHREALTIME/./}
    "$@"
    "${words[@]}" >out 2>err || fail "${words[*]}"
    echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}

# kill_after MILLISECONDS COMMAND: true when it was killed, false when it had ended before
kill_after() {
    local moment=$1 status
    $2
    "${words[@]}" >out 2>err &
    local process=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -9 $process 2>/dev/null
    wait $process 2>/dev/null
    status=$?
    [ $status -eq 137 ] && return 0
    [ $status -eq 0 ] || fail "ended with $status: ${words[*]}"
    return 1
}

# kill_until_done FIRST AGAIN: starts FIRST, then AGAIN as often as it takes, each killed within the time that an
# unbroken one takes, until one comes to its end
kill_until_done() {
    started=$((started + 1))
    kill_after $((RANDOM % longest)) "$1" || return
    while killed=$((killed + 1)) started=$((started + 1)) && kill_after $((RANDOM % longest)) "$2"; do :; done
}

# until_killed WHAT FIRST AGAIN SAME: whole ones, until there were as many kills as are asked for
until_killed() {
    local what=$1 ended=0 before
    killed=0 started=0
    while [ $killed -lt "$kills" ]; do
        before=$killed ended=$((ended + 1))
        rm -rf killed
        kill_until_done "$2" "$3"
        check "$what $ended, killed $((killed - before)) times" "$4"
    done
    echo "$what: $killed kills of $started processes, $ended ended as unbroken ones do ($longest ms)"
}

# Sweeps: cells that are done stay, and rounds of others that a checkpoint holds
sweep() {
    words=("$cgsv" sweep "${small[@]}" --rounds 40 --seed 1..6 --details --fleet $((1 + RANDOM % 3))
           --checkpoint-every $((RANDOM % 3 * 4)) --out "$1")
}
sweep_again() { sweep killed; }
same_sweep() {
    [ "$(numbers killed)" = "$wanted" ] && [ "$(details killed)" = "$wanted_details" ] && [ ! -e killed/checkpoints ]
}
milliseconds sweep unbroken >took
longest=$(milliseconds sweep warm)
wanted=$(numbers unbroken) wanted_details=$(details unbroken)
check "an unbroken sweep has its cells" test "$(wc -l <<<"$wanted")" -eq 7
until_killed sweep sweep_again sweep_again same_sweep

# Runs: rounds that a checkpoint holds stay; killed before the record is written, a run has nothing to go on with
run() { words=("$cgsv" run "${small[@]}" --rounds 100 --checkpoint-every 1 --force --out "$1"); }
run_first() { run killed; }
run_again() { if [ -e killed/config.json ]; then words=("$cgsv" run --resume killed --quiet); else run killed; fi; }
same_run() { [ "$(details killed)" = "$wanted_details" ] && [ -e killed/summary.json ]; }
milliseconds run whole >took
longest=$(milliseconds run warm)
wanted_details=$(details whole)
until_killed run run_first run_again same_run
finish
