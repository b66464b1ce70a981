#!/usr/bin/env bash
# kill -9 at random moments of sweeps; what goes on afterwards ends in the results of an unbroken one.
# usage: kill_test.sh PATH/TO/cgsv [--kills N] [--seed S]
here=$(realpath "$(dirname "$0")")
source "$here/cli_helpers.sh" "$1"
shift
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
kills=20 seed=1
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
details() { (cd "$1" && find . -name '*.safetensors' -o -name 'rounds.csv' -o -name server.csv | sort | xargs md5sum); }

# milliseconds COMMAND...: how long it takes
milliseconds() {
    local begin=${EPOCHREALTIME/./}
    "$@" >out 2>err
    echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}

# kill_after MILLISECONDS COMMAND...: true when it was killed, false when it had ended before
kill_after() {
    local moment=$1 status
    shift
    "$@" >out 2>err &
    local process=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -9 $process 2>/dev/null
    wait $process 2>/dev/null
    status=$?
    [ $status -eq 137 ] && return 0
    [ $status -eq 0 ] || fail "ended with $status: $*"
    return 1
}

# kill_until_done COMMAND...: starts it again and again, each time killed within the time an unbroken
# one takes, until one comes to its end; counts kills in `killed`, starts in `started`
kill_until_done() {
    started=$((started + 1))
    while kill_after $((RANDOM % longest)) "$@"; do
        killed=$((killed + 1)) started=$((started + 1))
        [ $((killed)) -lt "$kills" ] || longest=$((longest * 2))
    done
}

killed=0 started=0 sweeps=0
sweep=("$cgsv" sweep "${small[@]}" --rounds 40 --seed 1..6 --details)
unbroken=$(milliseconds "${sweep[@]}" --out unbroken)
wanted=$(numbers unbroken) wanted_details=$(details unbroken)
check "an unbroken sweep has its cells" test "$(wc -l <<<"$wanted")" -eq 7
while [ $killed -lt "$kills" ]; do
    longest=$((unbroken > 20 ? unbroken : 20)) before=$killed
    sweeps=$((sweeps + 1))
    rm -rf killed
    kill_until_done "${sweep[@]}" --fleet $((1 + RANDOM % 3)) --out killed
    check "sweep $sweeps, killed $((killed - before)) times: numbers" test "$(numbers killed)" = "$wanted"
    check "sweep $sweeps, killed $((killed - before)) times: details" test "$(details killed)" = "$wanted_details"
done
echo "sweeps: $killed kills of $started processes, $sweeps sweeps ended as unbroken ones do ($unbroken ms)"
finish
