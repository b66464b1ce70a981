#!/usr/bin/env bash
# cgsv sweep as its users meet it: codes, messages, files; stops and failures; cells against single runs.
# usage: sweep_test.sh PATH/TO/cgsv
source "$(dirname "$0")/cli_helpers.sh" "$1"
export OMP_WAIT_POLICY=passive

small=(--model mlp --agents 3 --rounds 2 --local-epochs 1 --samples-per-agent 40 --device cpu --threads 1)
lists=(--beta 0.5,1,1e7 --partition uniform,powerlaw --seed 1..2)

# Help and wrong use
expect 0 'usage: cgsv sweep' sweep --help
expect 0 '\-\-beta B,\.\.\.' sweep --help
expect 0 'default 0.015' sweep --data-set cifar10 --help
refuse 2 "beta: '1.0' stands twice" sweep --beta 0.5,1,1.0
refuse 2 "beta: 'x' is not a number" sweep --beta 1,x
refuse 2 "empty item" sweep --beta 1,,2
refuse 2 "beta.*must be above 0" sweep --beta 1,-2
refuse 2 "unknown partition 'unifrom'; did you mean 'uniform'?" sweep --partition powerlaw,unifrom
refuse 2 "seed: .*backwards" sweep --seed 3..1
refuse 2 "agents.*at least 1" sweep --agents 0..3
refuse 2 "more than 100000 cells" sweep --seed 1..250 --agents 1..250 --beta 1,2
refuse 2 "did you mean '--details'?" sweep --detials
for option in retry force details other-device; do refuse 2 "$option needs --out" sweep --$option; done
refuse 2 "save-models needs --details" sweep --save-models --out x
refuse 2 "checkpoint-every.*at least 0" sweep --checkpoint-every -1 --out x

# Without any file
expect 0 '^ *11 *powerlaw *2 *10000000 ' sweep "${small[@]}" "${lists[@]}"
check "a line for every cell" test "$(grep -cE '^ +[0-9]+ +(uniform|powerlaw) +[12] ' out)" -eq 12
check "nothing written" test "$(ls)" = "$(printf 'err\nout')"
expect 0 'fleet 1: 12 cells from cell 0 on, 48 models' sweep "${small[@]}" "${lists[@]}" --dry-run --out none
check "a dry run writes nothing" test ! -e none
expect 0 '12 cells in 3 fleets' sweep "${small[@]}" "${lists[@]}" --dry-run --fleet 5

# Every cell against the run that its config.json names
expect 0 'written to a: sweep.json, sweep.csv, cells/' sweep "${small[@]}" --beta 0.5,1e7 --scheme cgsv,fedavg \
    --details --quiet --out a
check "quiet" test ! -s err
cat >cells.py <<'P'
import csv, json, math, os, subprocess, sys
cgsv = sys.argv[1]
rows = list(csv.DictReader(open("a/sweep.csv")))
assert [(r["cell"], r["beta"], r["scheme"], r["status"]) for r in rows] == [
    ("0", "0.5", "cgsv", "done"), ("1", "0.5", "fedavg", "done"),
    ("2", "10000000", "cgsv", "done"), ("3", "10000000", "fedavg", "done")], rows
sweep = json.load(open("a/sweep.json"))
assert sweep["axes"] == [{"name": "beta", "values": ["0.5", "10000000"]},
                         {"name": "scheme", "values": ["cgsv", "fedavg"]}]
assert sweep["settings"]["weights"] == "by scheme" and sweep["cells"] == 4
for row in rows:
    folder = "a/cells/%03d" % int(row["cell"])
    line = json.load(open(folder + "/config.json"))["command_line"]
    assert line[:2] == ["cgsv", "run"]
    subprocess.run([cgsv, *line[1:], "--quiet", "--device", "cpu", "--threads", "1", "--out", "single", "--force"],
                   check=True, stdout=subprocess.DEVNULL)
    ours, single = (json.load(open(f + "/summary.json")) for f in (folder, "single"))
    del ours["seconds"], single["seconds"]
    assert ours == single, folder
    for name in ("rounds.csv", "server.csv", "models/server.safetensors", "models/agent_002.safetensors",
                 "models/standalone_000.safetensors"):
        assert open(f"{folder}/{name}", "rb").read() == open(f"single/{name}", "rb").read(), (folder, name)
    accuracies = [a["accuracy"] for a in ours["agents"]]
    losses = [a["loss"] for a in ours["agents"]]
    def spread(x): return math.sqrt(sum((v - sum(x) / len(x)) ** 2 for v in x) / len(x))
    expected = {"server_accuracy": ours["server"]["accuracy"], "accuracy_mean": sum(accuracies) / 3,
                "accuracy_max": max(accuracies), "accuracy_min": min(accuracies), "accuracy_spread": spread(accuracies),
                "gain_mean": ours["gain_mean"], "gain_spread": ours["gain_spread"], "loss_spread": spread(losses),
                "standalone_mean": sum(a["standalone_accuracy"] for a in ours["agents"]) / 3}
    for name in ("rho_accuracy", "rho_loss", "rho_samples"):
        expected[name] = ours[name]
    for name, value in expected.items():
        if value is None:
            assert row[name] == "", (name, row[name])
        else:
            assert abs(float(row[name]) - value) < 1e-7, (name, row[name], value)
    assert float(row["seconds_training"]) > 0 and float(row["faults"]) == 0
P
check "cells are what single runs are" python3 cells.py "$cgsv"

# One by one, with one thread and two, the same numbers; times aside
numbers() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^seconds/) time[i] = 1 }
                     { for (i in time) $i = ""; print }' "$1/sweep.csv"; }
"$cgsv" sweep "${small[@]}" "${lists[@]}" --quiet --out together >out 2>err
"$cgsv" sweep "${small[@]}" "${lists[@]}" --quiet --fleet 1 --threads 2 --out one >out 2>err
check "12 rows" test "$(wc -l <together/sweep.csv)" -eq 13
check "fleet and one by one" test "$(numbers together)" = "$(numbers one)"

# Again: nothing to do; other settings: refused; anew
before=$(stat -c %Y.%i together/sweep.json)
expect 0 '^ *11 *powerlaw *2 *10000000 ' sweep "${small[@]}" "${lists[@]}" --quiet --out together
check "nothing was trained again" test "$before" = "$(stat -c %Y.%i together/sweep.json)"
refuse 1 "holds a sweep with beta 0.5,1,10000000, not 0.5,2; .*--force" sweep "${small[@]}" "${lists[@]}" --beta 0.5,2 \
    --quiet --out together
refuse 1 "holds a sweep with standalone on, not off" sweep "${small[@]}" "${lists[@]}" --no-standalone --quiet \
    --out together
expect 0 'written to a' sweep "${small[@]}" --beta 0.5,2 --quiet --out a --force
check "details of the earlier sweep are gone" test "$(ls a | tr '\n' ' ')" = "sweep.csv sweep.json "
refuse 1 "it is a file" sweep "${small[@]}" --quiet --out out
mkdir foreign && echo mine >foreign/sweep.csv
refuse 1 "holds results already (sweep.csv)" sweep "${small[@]}" --quiet --out foreign
refuse 1 "no sweep.json of a sweep" sweep "${small[@]}" --quiet --out foreign --force

# A last row that a kill has cut short is dropped, and its cell run again
cp -r together torn && truncate -s -40 torn/sweep.csv
expect 0 'written to torn' sweep "${small[@]}" "${lists[@]}" --quiet --out torn
check "a torn row" test "$(numbers torn)" = "$(numbers together)"
cp -r together damaged && echo 'x,y' >>damaged/sweep.csv
refuse 1 "no row of this sweep: 'x,y'" sweep "${small[@]}" "${lists[@]}" --quiet --out damaged

# Killed in the middle; meanwhile nobody else may write there
slow=("${small[@]}" "${lists[@]}" --rounds 300 --fleet 1 --quiet)
"$cgsv" sweep "${slow[@]}" --out killed >/dev/null 2>&1 &
killed=$!
for _ in $(seq 600); do
    [ -e killed/sweep.csv ] && [ "$(wc -l <killed/sweep.csv)" -ge 4 ] && break
    sleep 0.05
done
refuse 1 "another cgsv sweep is at work in 'killed'" sweep "${slow[@]}" --out killed
kill -9 $killed 2>/dev/null
wait $killed 2>/dev/null
check "killed in the middle" test "$(wc -l <killed/sweep.csv)" -ge 4 -a "$(wc -l <killed/sweep.csv)" -lt 13
"$cgsv" sweep "${slow[@]}" --fleet 0 --out killed >out 2>err
check "goes on after a kill" test $? -eq 0
"$cgsv" sweep "${slow[@]}" --fleet 0 --out unbroken >out 2>err
check "and gives what an unbroken sweep gives" test "$(numbers killed)" = "$(numbers unbroken)"

# Cells that cannot run are reported, the others go on
failing=("${small[@]}" --agents 3,20000 --beta 1,2,3 --quiet --out failing)
expect 1 '3 of 6 cells failed; the table says why' sweep "${failing[@]}"
check "with the reason" test "$(grep -c ',failed,.*,"agents is 20000; expected 1 to 10000"$' failing/sweep.csv)" -eq 3
check "others are done" test "$(grep -c ',done,' failing/sweep.csv)" -eq 3
times=$(cut -d, -f1,43- failing/sweep.csv)
expect 1 'failed: agents is 20000' sweep "${failing[@]}"
expect 1 'failed: agents is 20000' sweep "${failing[@]}" --retry
check "what is done is not run again" test "$times" = "$(cut -d, -f1,43- failing/sweep.csv)"
expect 1 'failed: mnist_cnn\|failed: model cifar_cnn takes' sweep "${small[@]}" --model mlp,cifar_cnn
expect 1 'failed: .* needs .* of memory and may take .*; raise --memory' sweep "${small[@]}" --memory 0.00001
expect 1 'cannot share' sweep "${small[@]}" --samples-per-agent 0 --validation-fraction 0,0.9999
finish
