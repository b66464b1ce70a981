#!/usr/bin/env bash
# Disks that are full at one moment or another, that may not be written, files that shrink while they are read:
# one clear error, nothing torn, and with the fault gone the results of an undisturbed command.
# usage: disk_test.sh PATH/TO/cgsv
here=$(realpath "$(dirname "$0")")
source "$here/cli_helpers.sh" "$1"
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 "$here/fault_files.py" .

# ---- a file that shrinks before, while or after it is read ----

value=(--device cpu --threads 1 --memory 64K --csv - --method cosine)
begin=${EPOCHREALTIME/./}
"$cgsv" value large.npy "${value[@]}" >whole_values 2>err || fail "an undisturbed value"
longest=$(((${EPOCHREALTIME/./} - begin) / 1000 % 1000 + 1))
shrunk=0
RANDOM=1
for _ in $(seq 12); do
    cp large.npy shrinks.npy
    "$cgsv" value shrinks.npy "${value[@]}" >out 2>err &
    reader=$!
    sleep "0.$(printf %03d $((RANDOM % longest)))"
    truncate -s 5000 shrinks.npy
    wait $reader
    code=$?
    if [ $code -eq 0 ]; then
        check "read before it shrank" cmp -s out whole_values
    else
        shrunk=$((shrunk + 1))
        check "a file that shrinks: code $code" test $code -eq 1 -a ! -s out
        check "with its name" grep -q "^cgsv: .*shrinks.npy" err
    fi
done
echo "a file shrank 12 times, $shrunk times to be noticed"

# ---- a small disk ----

missing=
mkdir small whole
if [ "$(id -u)" -ne 0 ]; then
    missing="only root may mount a small one"
elif ! mount -t tmpfs -o size=4k tmpfs small 2>err; then
    missing="cannot mount a small one: $(head -1 err)"
fi
if [ -n "$missing" ]; then
    skip "full disk, read-only folder: $missing"
    finish
    exit
fi
mounted=$work/small

# cgsv in a folder
at() {
    local folder=$1
    shift
    (cd "$folder" && "$cgsv" "$@") >out 2>err
}
# same whole|parts NAME WHAT
same() {
    if python3 "$here/fault_same.py" "$1" "whole/$2" "small/$2" 2>difference; then pass; else
        fail "$3, $1: $(tail -1 difference)"
    fi
}

# The command that goes on when the fault is gone: the same once more, or what NAME holds
again() { at small "$@"; }
again_resume() { at small run --resume resumed --quiet || { grep -q 'holds no config.json' err && at small "$@"; }; }

# on_disks NAME AGAIN COMMAND...: writes NAME on disks of more and more pages, until one suffices
faults=0
on_disks() {
    local name=$1 again=$2 pages=1 code
    shift 2
    at whole "$@" || fail "undisturbed: $*"
    while :; do
        rm -rf small/*
        mount -o remount,size=$((4 * pages))k small
        at small "$@"
        code=$?
        [ $code -ne 0 ] || break
        faults=$((faults + 1))
        check "$name, $pages pages: code $code" test $code -eq 1
        check "$name, $pages pages: where" grep -q "$name" out err
        check "$name, $pages pages: why" grep -q 'No space left on device' out err
        same parts "$name" "$name, $pages pages"
        mount -o remount,size=64m small
        $again "$@" || fail "$name, $pages pages: does not go on"
        same whole "$name" "$name, $pages pages"
        pages=$((pages + pages / 2 + 1))
    done
    same whole "$name" "$name, enough pages"
    mount -o remount,size=64m small
}

# on_read_only NAME COMMAND...
on_read_only() {
    local name=$1
    shift
    rm -rf small/*
    mount -o remount,ro small
    at small "$@"
    check "$name, read-only: code" test $? -eq 1
    check "$name, read-only: one line, where, why" grep -q "^cgsv: .*$name.*Read-only file system" err
    mount -o remount,rw small
    faults=$((faults + 1))
}

small=(--data-set mnist --data "$work/mnist" --model mlp --agents 2 --rounds 3 --local-epochs 1 --batch 4
       --device cpu --threads 1 --quiet)
run=(run "${small[@]}" --record-updates --eval-every 1 --force --out run)
resumed=(run "${small[@]}" --checkpoint-every 1 --no-save-models --out resumed --force)
sweep=(sweep "${small[@]}" --seed 1,2 --details --retry --out sweep)
paper=(paper --quick --data-sets mnist --data "$work/mnist" --model mlp --rounds 1 --agents 2 --samples-per-agent 10
       --validation-samples 2 --parts fairness,beta --schemes cgsv,fedavg --seeds 1 --betas 1,1e7 --partitions uniform
       --device cpu --threads 1 --retry --quiet --out paper)
value=(value "$work/updates.npy" --round --force --out value)
report=(report "$work/whole/run" --out page.html --force)
plots=(report "$work/whole/run" --out - --plots plots --force)
on_disks run again "${run[@]}"
on_disks resumed again_resume "${resumed[@]}"
on_disks sweep again "${sweep[@]}"
on_disks paper again "${paper[@]}"
on_disks value again "${value[@]}"
on_disks page.html again "${report[@]}"
on_disks plots again "${plots[@]}"
on_read_only run "${run[@]}"
on_read_only sweep "${sweep[@]}"
on_read_only paper "${paper[@]}"
on_read_only value "${value[@]}"
on_read_only page.html "${report[@]}"
echo "$faults commands met a disk that was full or read-only"
finish
