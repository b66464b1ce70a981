#!/usr/bin/env bash
# Runs that are stopped and go on, as their users meet them: signals, kills at any moment, damaged and foreign
# checkpoints; whatever happens, the results are those of an unbroken run, byte for byte.
# usage: resume_test.sh PATH/TO/cgsv
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # where saving need not wait for a disk
source "$(dirname "$0")/cli_helpers.sh" "$1"
export OMP_WAIT_POLICY=passive
stop_run=$(cd "$OLDPWD" && realpath "$(dirname "$0")")/stop_run.py

# A data set that is read in no time: what is to be interrupted are rounds
cat >digits.py <<'P'
import os, random, struct
random.seed(1)
os.mkdir("data")
for split, count in (("train", 900), ("t10k", 80)):
    labels = [random.randrange(10) for _ in range(count)]
    pixels = (min(255, 20 * label + random.randrange(60)) if (place // 28 + label) % 5 else 0
              for label in labels for place in range(28 * 28))
    open(f"data/{split}-images-idx3-ubyte", "wb").write(struct.pack(">4i", 2051, count, 28, 28) + bytes(pixels))
    open(f"data/{split}-labels-idx1-ubyte", "wb").write(struct.pack(">2i", 2049, count) + bytes(labels))
P
python3 digits.py
small=(--data-set mnist --data data --model mlp --agents 3 --rounds 24 --local-epochs 2 --samples-per-agent 250
       --eval-every 4 --device cpu --threads 1)

# stopped CODE SIGNALS WHERE:WHAT ARGUMENTS...: as stop_run.py has it
stopped() {
    local code=$1 got
    shift
    got=$(python3 "$stop_run" "$1" "$2" "$cgsv" "${@:3}")
    if [ "$got" = "$code" ]; then pass; else fail "cgsv ${*:3}: code $got after $1, not $code"; fi
}
says() { check "someone says '$1'" grep -q -e "$1" out err; }
checkpoints() { ls "$1/checkpoints" | grep "safetensors$"; } # without what a kill has left
newest() { echo "$1/checkpoints/$(checkpoints "$1" | tail -1)"; }

cat >same.py <<'P'
import filecmp, json, os, sys
a, b = sys.argv[1:3]
names = lambda folder: sorted(os.path.relpath(os.path.join(path, name), folder)
                              for path, _, files in os.walk(folder) for name in files if "checkpoints" not in path)
assert names(a) == names(b), (names(a), names(b))
for name in names(a):
    if not name.endswith(".json"):
        assert filecmp.cmp(f"{a}/{name}", f"{b}/{name}", shallow=False), name
x, y = (json.load(open(f"{folder}/summary.json")) for folder in (a, b))
assert all(t > 0 for t in y["seconds"].values())
del x["seconds"], y["seconds"]
assert x == y
P

# goes_on FOLDER OTHER ARGUMENTS...: resumes it, and the results are those in OTHER
goes_on() {
    local folder=$1 other=$2
    expect 0 '' run --resume "$folder" --quiet "${@:3}"
    check "$folder: the results of $other" python3 same.py "$other" "$folder"
}

"$cgsv" run "${small[@]}" --quiet --out whole >out 2>err || fail "an unbroken run"

# A signal: the round is finished and saved
stopped 130 SIGINT a/rounds.csv:10 run "${small[@]}" --out a
says '^cgsv: stopped after round [0-9]* of 24; go on with: cgsv run --resume a$'
check "one checkpoint" test "$(checkpoints a | wc -l)" -eq 1
check "no summary yet" test ! -e a/summary.json
check "whole rows of all agents" test "$(($(wc -l <a/rounds.csv) % 3))" -eq 1
stopped 130 SIGTERM a/rounds.csv:36 run --resume a
says '^resume  after round'
check "two checkpoints" test "$(checkpoints a | wc -l)" -eq 2
goes_on a whole --threads 2
expect 0 'the run in a is complete' run --resume a
expect 0 '"rho_accuracy"' run --resume a --format json
stopped 130 SIGINT 'err:round  4' run "${small[@]}"
says 'without --out nothing was saved'

# A second one stops at once, and what was saved before is there
stopped -2 SIGINT,SIGINT b/rounds.csv:14 run "${small[@]}" --local-epochs 30 --checkpoint-every 2 --out b
check "checkpoints of before" test "$(checkpoints b | wc -l)" -eq 2
stopped 130 SIGTERM b/rounds.csv:20 run --resume b --quiet

# The latest two are kept
expect 0 'checkpoints/' run "${small[@]}" --quiet --checkpoint-every 7 --out c
check "the latest two" test "$(checkpoints c | tr '\n' ' ')" = "round_000014.safetensors round_000021.safetensors "
check "checkpoints change nothing" python3 same.py whole c

# kill -9 at any moment; a torn row, and a file in the making, are left
for rows in -1 0 17 33; do
    rm -rf d
    stopped -9 SIGKILL "d/rounds.csv:$rows" run "${small[@]}" --checkpoint-every 3 --out d
    printf '17,2,0.1' >>d/rounds.csv
    [ ! -d d/checkpoints ] || echo torn >d/checkpoints/round_000099.safetensors.tmp-1-0
    goes_on d whole
    check "nothing in the making is left" test -z "$(find d -name '*.tmp-*')"
done
stopped -9 SIGKILL e/config.json:0 run "${small[@]}" --out e
expect 0 "'e' has no checkpoint yet: starting over" run --resume e
check "e: the results of whole" python3 same.py whole e

# A damaged checkpoint, rows that are gone: the one before it serves
interrupted() {
    rm -rf f
    stopped -9 SIGKILL f/rounds.csv:31 run "${small[@]}" --checkpoint-every 3 --out f
    saved=$(newest f)
    rows=$(basename "$saved" .safetensors)
    rows=$((3 * 10#${rows#round_})) # of its rounds
}
interrupted
printf 'X' | dd of="$saved" bs=1 seek=70000 conv=notrunc status=none
expect 0 "warning: .*$(basename "$saved"). is damaged: its checksum.*going back" run --resume f
check "f: damaged" python3 same.py whole f
interrupted
truncate -s 5000 "$saved"
expect 0 'warning: .*going back' run --resume f
check "f: truncated" python3 same.py whole f
interrupted
head -n $((rows - 5)) f/rounds.csv >rows && cp rows f/rounds.csv
expect 0 "warning: .*rounds.csv. has $((rows - 6)) complete rows of $rows; going back" run --resume f
check "f: rows gone" python3 same.py whole f
interrupted
for file in f/checkpoints/*; do truncate -s 100 "$file"; done
refuse_last() {
    expect 1 "no checkpoint is left to go on from: remove 'f/checkpoints' to start over" run --resume f --quiet
}
refuse_last
refuse_last
rm -r f/checkpoints
goes_on f whole

# Another run's
interrupted
refuse 2 "the run in 'f' has beta 1, not 2, and can only go on with that" run --resume f --beta 2 --quiet
refuse 2 "the run in 'f' has scheme cgsv, not cffl" run --resume f --scheme cffl --quiet
refuse 2 "leave --out out" run --resume f --out g
refuse 2 "leave --force out" run --resume f --force
refuse 1 "'nothing' holds no config.json of a run" run --resume nothing
refuse 2 "other-device is for --resume DIR" run --other-device
refuse 2 "checkpoint-every needs --out" run --checkpoint-every 3
refuse 2 "checkpoint-every.*at least 0" run --checkpoint-every -1 --out g
expect 0 '^  beta  *1$' run --resume f --beta 1 --dry-run
cp f/config.json kept
sed 's/"cgsv_version":	"[^"]*"/"cgsv_version":	"0.0.9"/' kept >f/config.json
refuse 2 "holds a run of cgsv 0.0.9, and this is" run --resume f --quiet
sed 's/"beta":	1,/"beta":	3,/' kept >f/config.json
refuse 2 "is of a run with beta 3, and this one has 1" run --resume f --quiet
sed 's/"train_samples":	900/"train_samples":	99/' kept >f/config.json
refuse 2 "is of a run with train_samples 99, and this one has 900" run --resume f --quiet
echo '{' >f/config.json
refuse 1 "is not the record of a cgsv run" run --resume f --quiet
cp kept f/config.json
stopped 130 SIGINT g/rounds.csv:12 run "${small[@]}" --seed 2 --out g --quiet
cp "$saved" kept_checkpoint
cp "$(newest g)" "$saved"
cp f/rounds.csv rows
refuse 2 "is of a run with seed 2, and this one has 1" run --resume f --quiet
check "a refusal changes nothing" cmp rows f/rounds.csv
cp kept_checkpoint "$saved"
goes_on f whole

# One process at a time; a signal that is ignored stays ignored
cat >twice.sh <<'P'
"$1" run "${@:2}" --quiet --out h >/dev/null 2>&1 &
while [ ! -s h/rounds.csv ]; do sleep 0.01; done
"$1" run --resume h >out 2>err
echo $? >code
kill -INT $!
wait $!
P
check "a background job, whose SIGINT is ignored" bash twice.sh "$cgsv" "${small[@]}"
says "another cgsv run is at work in 'h'"
check "exit code of the second" test "$(cat code)" -eq 1
check "h: the results of whole" python3 same.py whole h

# Other schemes, optimizers and recorded updates
for options in "--scheme cffl --optimizer adam --lr 0.01" "--scheme fedavg --momentum 0.9 --adversary sign-flip:1"; do
    read -ra more <<<"$options --rounds 16 --record-updates=3"
    "$cgsv" run "${small[@]}" "${more[@]}" --quiet --force --out plain >out 2>err || fail "$options"
    rm -rf i
    stopped -9 SIGKILL i/rounds.csv:15 run "${small[@]}" "${more[@]}" --checkpoint-every 4 --out i
    goes_on i plain
done

# Sweeps: the cells that are done stay, and the fleet in training goes on where it was
cat >same_sweep.py <<'P'
import csv, json, os, sys
a, b = sys.argv[1:3]
def files(folder):
    return sorted(os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder)
                  for name in names if name != "sweep.json")
def content(path):
    if path.endswith("sweep.csv"):
        return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in csv.DictReader(open(path))]
    if path.endswith(".json"):
        values = json.load(open(path))
        assert all(t > 0 for t in values.pop("seconds", {}).values()), path
        if "memory" in values:
            del values["memory"]["available"]
        return values
    return open(path, "rb").read()
assert files(a) == files(b), (files(a), files(b))
for name in files(a):
    assert content(f"{a}/{name}") == content(f"{b}/{name}"), name
P
sweep=(sweep --data-set mnist --data data --model mlp --agents 3 --rounds 16 --samples-per-agent 150 --eval-every 4
       --seed 1..2 --beta 0.5,2 --details --device cpu --threads 1)
sweep_goes_on() { # FOLDER ARGUMENTS...
    local folder=$1
    expect 0 "written to $folder" "${sweep[@]}" --out "$folder" "${@:2}"
    check "$folder: the files of an unbroken sweep" python3 same_sweep.py s "$folder"
}
"$cgsv" "${sweep[@]}" --quiet --out s >out 2>err || fail "an unbroken sweep"
for every in 0 5; do
    rm -rf t
    stopped 130 SIGTERM t/cells/003/rounds.csv:12 "${sweep[@]}" --checkpoint-every $every --out t
    says 'stopped after 0 of 4 cells and round [0-9]* of 4 more; the same command goes on with the others'
    stopped 130 SIGINT err:resume "${sweep[@]}" --checkpoint-every $every --fleet 1 --out t
    says '^fleet 1: 4 cells from cell 0 on, in training before'
    says '^resume  after round'
    sweep_goes_on t --fleet 3 --threads 2
done
stopped 130 SIGINT 'err:fleet 2' "${sweep[@]}" --fleet 2 --out u
says 'stopped after 2 of 4 cells and round'
cp -r u u.stopped
sweep_goes_on u
check "two cells were left" grep -q '^fleet 1: 2 cells from cell 2 on, in training before' err
rm -rf u && cp -r u.stopped u # killed while rows were written: one of the fleet's is there
sed -n 4p s/sweep.csv >>u/sweep.csv
rm -r u/cells/002 && cp -r s/cells/002 u/cells
touch -d @1 u/cells/002/rounds.csv
sweep_goes_on u
check "a cell with a row stays as it is" test "$(stat -c %Y u/cells/002/rounds.csv)" -eq 1

# kill -9, damage, other data
killed_sweep() {
    rm -rf v
    stopped -9 SIGKILL v/cells/003/rounds.csv:27 "${sweep[@]}" --checkpoint-every 3 --out v
}
killed_sweep
printf '17,2,0.1' >>v/cells/001/rounds.csv
echo torn >v/checkpoints/round_000099.safetensors.tmp-1-0
sweep_goes_on v
killed_sweep
saved=$(newest v)
printf 'X' | dd of="$saved" bs=1 seek=70000 conv=notrunc status=none
sweep_goes_on v
says "warning: .*$(basename "$saved"). is damaged: its checksum.*going back to the checkpoint before it"
killed_sweep
for file in v/checkpoints/round*; do truncate -s 100 "$file"; done
sweep_goes_on v
says 'no checkpoint is left to go on from: its 4 cells are trained anew'
killed_sweep
echo '{"cells": [0, 7]}' >v/checkpoints/cells.json
sweep_goes_on v
says "cells.json' is damaged: it names no cells of this sweep: they are trained anew"
killed_sweep
cp data/t10k-images-idx3-ubyte kept_pictures
printf 'X' | dd of=data/t10k-images-idx3-ubyte bs=1 seek=70 conv=notrunc status=none
expect 2 "4 cells that were in training.* is of a run with data_checksum .*remove 'v/checkpoints'" "${sweep[@]}" \
    --out v --quiet
cp kept_pictures data/t10k-images-idx3-ubyte
sweep_goes_on v
killed_sweep
expect 0 "written to v" "${sweep[@]}" --out v --force --quiet
check "anew, from the start" python3 same_sweep.py s v
stopped -2 SIGINT,SIGINT w/cells/000/rounds.csv:14 "${sweep[@]}" --local-epochs 30 --checkpoint-every 2 --out w
check "checkpoints of before" test "$(checkpoints w | wc -l)" -eq 2
refuse 2 "checkpoint-every needs --out" "${sweep[@]/--details/--quiet}" --checkpoint-every 3
stopped 130 SIGTERM 'err:fleet 1' "${sweep[@]/--details/--standalone}"
says 'without --out nothing was saved'
for what in 'fleet 1' resume; do
    stopped 130 SIGTERM "err:$what" paper --quick --data-sets synthetic --agents 3 --seeds 1 --out p
    says 'and round [0-9]* of [0-9]* more; the same command goes on'
done

finish
