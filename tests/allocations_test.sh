#!/usr/bin/env bash
# Every allocation of cgsv's commands in turn fails; see failing_program.c for what must hold.
# Of studies and of what makes the paper's tables, which are long, each K-th only (10).
# usage: allocations_test.sh PATH/TO/failing_program PATH/TO/cgsv [K]
tools=$(realpath "$(dirname "$0")")
failing=$(realpath "$1")
every=${3:-10}
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
in_turn --every "$every" study study --agents 3 --agents-dimension 20 --dimensions none --trials 1 --no-plot \
    --device cpu --threads 1 --quiet --out study --force
in_turn --every "$every" paper paper --quick --data-sets mnist --data mnist --model mlp --rounds 1 --agents 2 \
    --samples-per-agent 10 --validation-samples 2 --parts fairness,beta --schemes cgsv,fedavg --seeds 1 --betas 1,1e7 \
    --partitions uniform --device cpu --threads 1 --retry --quiet --out paper
finish
