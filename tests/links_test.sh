#!/usr/bin/env bash
# Symbolic links in place of files of an output folder: what is written takes their place and leaves what is behind
# them alone, and rows are not added behind a link. Folders may be links, as users put them on other disks.
# usage: links_test.sh PATH/TO/cgsv
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # where saving need not wait for a disk
source "$(dirname "$0")/cli_helpers.sh" "$1"

sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }
# In place of each file of results, a link to it in behind/
move_behind() {
    rm -rf behind
    cp -r results behind
    find results -type f -exec sh -c 'for file; do ln -sf "$PWD/behind/${file#*/}" "$file"; done' - {} +
    before=$(sums behind)
}
# twice ARGUMENTS...: writes results, and again over links
twice() {
    rm -rf results
    expect 0 '' "$@"
    move_behind
    check "$1: there are links" test -n "$(find results -type l)"
    expect 0 '' "$@"
    check "$1: links that are left: $(find results -type l | xargs)" test -z "$(find results -type l)"
    check "$1: what was behind the links" test "$(sums behind)" = "$before"
}

small=(--device cpu --threads 1 --quiet --model mlp --agents 2 --samples-per-agent 20 --local-epochs 1)
run=(run "${small[@]}" --rounds 3 --record-updates --checkpoint-every 1 --out results)
sweep=(sweep "${small[@]}" --rounds 1 --beta 1,2 --no-standalone --details --out results)
"$cgsv" "${run[@]}" --out trained >out 2>err
twice "${run[@]}" --force
twice "${sweep[@]}" --force
twice paper --quick --model mlp --rounds 1 --agents 2 --samples-per-agent 10 --validation-samples 2 \
    --parts fairness,beta --schemes cgsv,fedavg --seeds 1 --betas 1,1e7 --partitions uniform --device cpu --threads 1 \
    --quiet --out results --force
twice study --agents 3 --agents-dimension 50 --dimensions none --trials 2 --device cpu --threads 1 --quiet \
    --out results --force
twice value trained/updates/round_0001.safetensors --device cpu --threads 1 --round --out results \
    --json results/v.json --csv results/v.csv --force
twice report trained --out results/page.html --plots results/plots --force

# Going on: a sweep's table is written anew; to those of a run rows would be added
rm -rf results
expect 0 '' "${sweep[@]}"
sed -i '$d' results/sweep.csv
move_behind
expect 0 '' "${sweep[@]}"
check "sweep.csv takes the place of its link" test ! -L results/sweep.csv -a "$(wc -l <results/sweep.csv)" -eq 3
check "a sweep that goes on: what was behind the links" test "$(sums behind)" = "$before"
for table in rounds server; do
    rm -rf results behind
    mkdir behind
    expect 0 '' "${run[@]}"
    rm results/summary.json results/checkpoints/round_000003.safetensors
    mv "results/$table.csv" behind
    ln -s "$PWD/behind/$table.csv" results
    before=$(sums behind)
    refuse 1 "'results/$table.csv' is a symbolic link, and rows would go to the file behind it" run --resume results \
        --quiet
    check "$table.csv behind its link" test "$(sums behind)" = "$before"
    mv "behind/$table.csv" results
    expect 0 '' run --resume results --quiet
    check "$table.csv: the rows of an unbroken run" cmp "results/$table.csv" "trained/$table.csv"
done

# Links in place of files in the making, whose names hold the process's number
rm -rf results
mkdir -p results/models
echo theirs >theirs
cat >planted.py <<'P'
import os, sys
for name in ("config.json", "summary.json", "models/server.safetensors"):
    os.symlink(os.path.abspath("theirs"), f"results/{name}.tmp-{os.getpid()}-0")
os.execv(sys.argv[1], sys.argv[1:])
P
python3 planted.py "$cgsv" "${run[@]}" >out 2>err
check "links in place of temporary files: code" test $? -eq 0
check "what they led to" test "$(cat theirs)" = theirs
check "the same model" cmp results/models/server.safetensors trained/models/server.safetensors

# Folders may be links
rm -rf results
mkdir -p disk results
ln -s "$PWD/disk" results/checkpoints
expect 0 '' "${run[@]}"
check "checkpoints on another disk" test "$(find disk -name 'round_*.safetensors' | wc -l)" -eq 2
rm results/summary.json disk/round_000003.safetensors
expect 0 '' run --resume results --quiet
check "which a run goes on from" cmp results/rounds.csv trained/rounds.csv
finish
