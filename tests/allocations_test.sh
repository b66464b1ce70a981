#!/usr/bin/env bash
# Every allocation of cgsv's commands in turn fails; see failing_program.c for what must hold.
# usage: allocations_test.sh PATH/TO/failing_program PATH/TO/cgsv
tools=$(realpath "$(dirname "$0")")
failing=$(realpath "$1")
[ -w /dev/shm ] && export TMPDIR=/dev/shm # every file is forced to the disk
source "$tools/cli_helpers.sh" "$2"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

python3 "$tools/fault_files.py" .
small=(--data-set mnist --data mnist --model mlp --agents 2 --rounds 1 --local-epochs 1 --batch 4 --device cpu
       --threads 1 --quiet)

# in_turn OUTPUT ARGUMENTS...
in_turn() {
    if "$failing" "$@" >log 2>&1; then pass; else fail "$*"; fi
    cat log
}

"$cgsv" run "${small[@]}" --out trained >out 2>err
in_turn run run "${small[@]}" --record-updates --out run --force
in_turn sweep sweep "${small[@]}" --no-standalone --seed 1,2 --out sweep --retry
in_turn values value updates.npy --round --out values --force
"$cgsv" run "${small[@]}" --rounds 2 --checkpoint-every 1 --no-standalone --no-save-models --out resumed.before \
    >out 2>err
rm resumed.before/summary.json
in_turn resumed run --resume resumed --quiet
in_turn page.html report trained --out page.html --force
finish
