#!/usr/bin/env bash
# The command as its users meet it: exit codes, messages, files.
# usage: cli_test.sh PATH/TO/cgsv
source "$(dirname "$0")/cli_helpers.sh" "$1"

tiny=(--model mlp --agents 3 --samples-per-agent 60 --rounds 2 --local-epochs 1 --eval-every 1 --device cpu)

# Help and version
expect 0 '^cgsv [0-9]*\.[0-9]*\.[0-9]*$' --version
expect 0 'usage: cgsv COMMAND' --help
expect 0 'usage: cgsv COMMAND' help
expect 2 'usage: cgsv COMMAND'
expect 0 'usage: cgsv run' run --help
expect 0 'usage: cgsv run' help run
expect 0 'learning rate (default 0.15)' run --help
expect 0 'learning rate (default 0.001)' run --data-set mnist --help
expect 0 'learning rate (default 0.015)' run --data-set=cifar10 -h
expect 0 'crops and flips) (default crop-flip)' run --data-set cifar10 --model cifar_resnet -h
expect 0 '^cpu  *[0-9]' devices
expect 0 'usage: cgsv devices' devices --help

# Wrong use: exit code 2, one line, a suggestion where one is near
refuse 2 "unknown command 'rum'; did you mean 'run'?" rum
refuse 2 "unknown command 'xylophone'" xylophone
refuse 2 "unknown command 'devicse'; did you mean 'devices'?" help devicse
refuse 2 "did you mean '--rounds'?" run --ronds 3
refuse 2 "unexpected argument 'mnist'" run mnist
refuse 2 "unknown option '--all'" devices --all
refuse 2 "unknown data set 'minst'; did you mean 'mnist'?" run --data-set minst
refuse 2 "did you mean 'powerlaw'?" run --partition powerlow
refuse 2 "did you mean 'mnist_cnn'?" run --model mnist_cn
refuse 2 "did you mean 'global'?" run --reward globl
refuse 2 "--scheme: unknown scheme 'rfll'; did you mean 'rffl'?" run --scheme rfll
refuse 2 "did you mean 'leave-one-out'?" run --contribution leave-one-ou
refuse 2 "upload.*at most 1" run --upload 1.5
refuse 2 "at most 20 agents" run --quiet --scheme cgsv-exact --agents 21
refuse 2 "validation-fraction" run --quiet --scheme cffl --validation-fraction 0
refuse 2 "did you mean 'adam'?" run --optimizer adm
refuse 2 "did you mean 'crop-flip'?" run --augment crop-flop
refuse 2 "did you mean 'bf16'?" run --updates bf61
refuse 2 "unknown precision 'tf23'; did you mean 'tf32'?" run --precision tf23
refuse 2 "unknown precision 'double'.*Known: float32, tf32, bf16" run --precision double
refuse 2 "weight-decay.*at least 0" run --weight-decay -1
refuse 2 "did you mean 'round'?" run --decay-per rounds
refuse 2 "did you mean 'json'?" run --format jsn
refuse 2 "abacus" run --device abacus
refuse 2 "needs a value" run --agents
refuse 2 "takes no value" run --quiet=1
refuse 2 "agents.*at least 1" run --agents 0
refuse 2 "agents.*out of range" run --agents 99999999999
refuse 2 "agents.*not a whole number" run --agents 5x
refuse 2 "alpha.*below 1" run --alpha 1
refuse 2 "alpha.*at least 0" run --alpha -0.1
refuse 2 "beta.*above 0" run --beta 0
refuse 2 "gamma.*above 0" run --gamma -1
refuse 2 "gamma.*finite" run --gamma nan
refuse 2 "lr.*finite" run --lr inf
refuse 2 "lr.*above 0" run --lr 0
refuse 2 "lr-decay.*at most 1" run --lr-decay 1.1
refuse 2 "adversary: unknown adversary 'sing-flip'; did you mean 'sign-flip'?" run --adversary sing-flip:1
refuse 2 "adversary: sign-flip: '0' is no number of agents; expected a whole number from 1" run --adversary sign-flip:0
refuse 2 "6 adversaries among 5 agents" run --adversary sign-flip:4,rescaled:2 --dry-run
refuse 2 "replicated needs an honest agent" run --adversary replicated:5 --dry-run
refuse 2 "adversary-factor.*above 0" run --adversary-factor 0
refuse 2 "seed.*whole number" run --seed -1
refuse 2 "out.*empty" run --out ""
refuse 2 "force needs --out" run --force
refuse 2 "save-models needs --out" run --save-models
refuse 2 "record-updates needs --out" run --record-updates
refuse 2 "record-updates.*at least 0" run --record-updates=-1
refuse 2 "unexpected argument '2'" run --record-updates 2
refuse 2 "agents" run "${tiny[@]}" --quiet --agents 20000 --samples-per-agent 0 --no-standalone
refuse 1 "mnist" run --quiet --data-set mnist --data "$work/nowhere"

# Dry run
expect 0 'total .*[0-9,]* bytes' run --dry-run "${tiny[@]}"
check "the dry run shows the settings" grep -q '^  agents  *3$' out
expect 0 '"total"' run --dry-run --format json --seed 18446744073709551615 "${tiny[@]}" --out dry
check "dry run's JSON" python3 -c 'import json; d = json.load(open("out")); assert d["config"]["seed"] == 2**64 - 1'
check "a dry run writes nothing" test ! -e dry

# A scheme sets all stages; an option that is given wins, wherever it stands
expect 0 '^rffl ' schemes
expect 0 '"total"' run --dry-run --format json --quota tanh --alpha 0.7 --scheme cffl --reward layer "${tiny[@]}"
check "stages of a scheme in config.json" python3 -c '
import json
c = json.load(open("out"))["config"]
assert (c["scheme"], c["normalise"], c["weights"], c["contribution"]) == ("cffl", "clip-entries", "sum", "validation")
assert (c["importance"], c["own_update"], c["sinh_scale"]) == ("sinh", "minus-share", 5)
assert (c["quota"], c["reward"], c["alpha"]) == ("tanh", "layer", 0.7)'
expect 0 '^fairness rho  *undefined' run "${tiny[@]}" --scheme fedavg
check "fairness before the download" grep -q '^rho before download  *[+-]0' out
expect 0 'uniform (default 1)' run --scheme qffl --help

# A run and its files
expect 0 'server accuracy' run "${tiny[@]}" --out a
check "three agents in the table" test "$(grep -c '^ *[0-2] .*[+-]0\.[0-9]*$' out)" -eq 3
check "plain progress lines" test "$(grep -c '^round [12]/2  mean accuracy' err)" -eq 2
check "no escapes in a pipe" bash -c '! grep -q "$(printf "\033")" err'
check "files of a run" test "$(cd a && ls | tr '\n' ' ')" = 'config.json models rounds.csv server.csv summary.json '
check "models of a run" test "$(cd a/models && ls | wc -l)" -eq 7
check "rows of rounds.csv" test "$(wc -l <a/rounds.csv)" -eq 7
check "rows of server.csv" test "$(wc -l <a/server.csv)" -eq 3
cat >shape.py <<'P'
import csv, json, math, struct, sys
folder, evaluated = sys.argv[1], sys.argv[2].split(",")
config = json.load(open(folder + "/config.json"))
summary = json.load(open(folder + "/summary.json"))
rows = list(csv.DictReader(open(folder + "/rounds.csv")))
columns = ("round agent samples update_norm psi importance keep_ratio kept reward_cos reward_error distance "
           "distance_last_layer server_norm train_loss test_loss test_accuracy standalone_loss "
           "standalone_accuracy fault local_loss local_accuracy adversary").split()
agents = config["config"]["agents"]
assert list(rows[0]) == columns, list(rows[0])
assert [(int(r["round"]), int(r["agent"])) for r in rows] == [
    (t + 1, i) for t in range(config["config"]["rounds"]) for i in range(agents)]
for r in rows:
    assert all(math.isfinite(float(r[c])) for c in columns[:14] + ["fault"])
    assert (r["test_accuracy"] != "") == (r["round"] in evaluated), r
    assert (r["local_accuracy"] != "") == (r["round"] in evaluated and config["config"]["quota"] == "all"), r
for t in set(r["round"] for r in rows):
    assert abs(sum(float(r["importance"]) for r in rows if r["round"] == t) - 1) < 1e-6
assert [int(r["samples"]) for r in rows[:agents]] == config["samples"] == [a["samples"] for a in summary["agents"]]
for a, r in zip(summary["agents"], rows[-agents:]):
    assert abs(a["accuracy"] - float(r["test_accuracy"])) < 1e-6 and sum(a["class_counts"]) == a["samples"]
for key in ("rho_accuracy rho_loss rho_local rho_samples accuracy_mean accuracy_max gain_mean jain_index seconds "
            "server").split():
    assert key in summary, key
checks = summary["checks"]
assert checks["made"] >= 10 * len(rows) and checks["failed"] == 0 and checks["first_failure"] is None, checks
model = open(folder + "/models/agent_000.safetensors", "rb").read()
header = json.loads(model[8:8 + struct.unpack("<Q", model[:8])[0]])
header.pop("__metadata__", None)
assert sum(math.prod(t["shape"]) for t in header.values()) == config["parameters"]
P
check "shape of the files" python3 shape.py a 1,2
expect 0 "server accuracy" run "${tiny[@]}" --scheme fedavg --out alike
check "shape of the files where all agents end alike" python3 shape.py alike 1,2

expect 0 'written to' run "${tiny[@]}" --rounds 3 --eval-every 2 --no-save-models --out nested/b
check "evaluation every second round and after the last" python3 - <<'P'
import csv
assert {r["round"] for r in csv.DictReader(open("nested/b/rounds.csv")) if r["test_accuracy"]} == {"2", "3"}
P
check "no models" test ! -e nested/b/models
expect 0 'not measured' run "${tiny[@]}" --no-standalone
check "checks are counted in the table" grep -q '^checks  *[0-9][0-9,]* made, none failed$' out
expect 0 'undefined (no variance)' run "${tiny[@]}" --partition uniform
expect 0 '"rho_accuracy"' run "${tiny[@]}" --quiet --format json
check "JSON alone on standard output" python3 -c 'import json; json.load(open("out"))'
check "quiet" test ! -s err

# A profile: the same bits, a table, and all seconds in summary.json
expect 0 '^forward dense ' run "${tiny[@]}" --seed 1 --profile --out watched
check "a profile's table" grep -q '^copy [0-9.e+]* GB/s, products [0-9.e+]* GFLOP/s' out
expect 0 'written to' run "${tiny[@]}" --seed 1 --out unwatched
check "the same bits with a profile" cmp watched/rounds.csv unwatched/rounds.csv
check "a profile in summary.json" python3 - <<'P'
import json
summary = json.load(open("watched/summary.json"))
profile = summary["profile"]
stages = {s["stage"]: s for s in profile["stages"]}
total = sum(summary["seconds"].values())
assert abs(sum(s["seconds"] for s in stages.values()) - total) < 0.01 * total, (stages, total)
assert {"gather", "forward dense", "backward dense", "loss", "optimizer", "selection", "download"} <= set(stages)
for s in stages.values():
    floor = max(s["bytes"] / profile["copy_bytes_per_second"], s["flops"] / profile["product_flops_per_second"])
    assert abs(floor - s["floor_seconds"]) <= 1e-9 * floor, s
assert profile["convolution_share_of_products"] is None
assert "profile" not in json.load(open("unwatched/summary.json"))
P

# Recorded updates: of every K-th round, whole, with their norms as rounds.csv has them
expect 0 'on disk .*[0-9] bytes' run --dry-run "${tiny[@]}" --rounds 5 --record-updates=2
expect 0 '"recorded_updates"' run --dry-run --format json "${tiny[@]}" --rounds 5 --record-updates=2
cp out recorded.json
expect 0 'updates/' run "${tiny[@]}" --rounds 5 --eval-every 3 --record-updates=2 --out recorded
cat >recorded.py <<'P'
import array, csv, json, math, os, struct
plan = json.load(open("recorded.json"))
config = json.load(open("recorded/config.json"))
assert plan["recorded_updates"] == config["recorded_updates"]
assert plan["recorded_updates"]["every"] == plan["recorded_updates"]["rounds"] == 2
assert sorted(os.listdir("recorded/updates")) == ["round_0002.safetensors", "round_0004.safetensors"]
rows = {(r["round"], r["agent"]): r for r in csv.DictReader(open("recorded/rounds.csv"))}
assert {t for (t, i), r in rows.items() if r["test_accuracy"]} == {"3", "5"}
total = 0
for t in "24":
    data = open(f"recorded/updates/round_000{t}.safetensors", "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata, shape = header["__metadata__"], header["updates"]["shape"]
    assert metadata["round"] == t and metadata["data_set"] == "synthetic" and metadata["model"] == "mlp", metadata
    assert header["updates"]["dtype"] == "F32" and shape == [3, config["parameters"]], shape
    total += len(data) - 8 - length
    numbers = array.array("f", data[8 + length:])
    for i in range(3):
        norm = math.sqrt(sum(x * x for x in numbers[i * shape[1]:(i + 1) * shape[1]]))
        assert math.isclose(norm, float(rows[t, str(i)]["update_norm"]), rel_tol=1e-5), (norm, t, i)
assert total == plan["recorded_updates"]["bytes"]
P
check "files of recorded updates" python3 recorded.py
touch recorded/updates/mine.txt
expect 0 'written to' run "${tiny[@]}" --out recorded --force
check "old updates are gone, what others wrote stays" test "$(ls recorded/updates)" = mine.txt

# Same seed, same bits
"$cgsv" run "${tiny[@]}" --quiet --threads 1 --out t1 >out 2>err
"$cgsv" run "${tiny[@]}" --quiet --threads 2 --out t2 >out 2>err
"$cgsv" run "${tiny[@]}" --quiet --beta 3 --out beta >out 2>err
"$cgsv" run "${tiny[@]}" --quiet --seed 2 --out seed >out 2>err
check "twice the same" cmp -s a/rounds.csv t2/rounds.csv
check "one thread and two" cmp -s t1/rounds.csv t2/rounds.csv
check "one thread's models and two's" diff -rq t1/models t2/models
first_norms() { awk -F, '$1 == 1 { print $2, $4 }' "$1/rounds.csv"; }
check "beta does not move the first updates" test "$(first_norms a)" = "$(first_norms beta)"
check "beta moves the rewards" bash -c '! cmp -s a/rounds.csv beta/rounds.csv'
check "the seed moves the updates" test "$(first_norms a)" != "$(first_norms seed)"

# Output folders
cp a/rounds.csv before.csv
touch a/models/mine.safetensors a/mine.txt
refuse 1 "holds results already" run "${tiny[@]}" --quiet --seed 5 --out a
refuse 1 "holds results already" run "${tiny[@]}" --dry-run --out a
check "refused, nothing lost" cmp -s a/rounds.csv before.csv
refuse 2 "agents" run "${tiny[@]}" --quiet --agents 20000 --samples-per-agent 0 --no-standalone --out a --force
check "a run that cannot start replaces nothing" cmp -s a/rounds.csv before.csv
expect 0 'written to' run "${tiny[@]}" --agents 2 --seed 5 --out a --force
check "replaced" python3 shape.py a 1,2
check "models of the third agent are gone" test "$(cd a/models && ls | wc -l)" -eq 6
check "what others wrote stays" test -e a/models/mine.safetensors -a -e a/mine.txt
mkdir foreign && echo '{"not": "ours"}' >foreign/config.json
refuse 1 "no config.json of a run" run "${tiny[@]}" --quiet --out foreign --force
check "a stranger's config.json stays" grep -q ours foreign/config.json
mkdir empty && touch empty/notes.txt
expect 0 'written to' run "${tiny[@]}" --out empty
touch file
refuse 1 "it is a file" run "${tiny[@]}" --quiet --out file
refuse 1 "Not a directory" run "${tiny[@]}" --quiet --out file/below
if [ -d /proc/self ]; then refuse 1 "/proc" run "${tiny[@]}" --quiet --out /proc/cgsv; fi
"$cgsv" run "${tiny[@]}" --quiet >/dev/full 2>err
check "standard output that is full" test $? -eq 1

# A full disk: rounds.csv keeps whole rows, the message says why
whole_rows() {
    awk -F, 'NF != 22 { bad = 1 } END { exit bad || NR < 2 }' "$1/rounds.csv" &&
        [ -z "$(tail -c 1 "$1/rounds.csv")" ]
}
long=(--model mlp --agents 10 --samples-per-agent 20 --rounds 60 --local-epochs 1 --eval-every 5 --no-standalone
    --device cpu)
(
    trap '' XFSZ
    ulimit -f 32
    exec "$cgsv" run "${long[@]}" --quiet --out limited
) >out 2>err
check "size limit: exit code" test $? -eq 1
check "size limit: message" grep -q "cannot write 'limited/rounds.csv': File too large" err
check "size limit: whole rows" whole_rows limited
mkdir small
if [ "$(id -u)" -ne 0 ]; then
    skip "full disk: only root may mount a small one"
elif ! mount -t tmpfs -o size=40k tmpfs small 2>err; then
    skip "full disk: cannot mount a small one: $(head -1 err)"
else
    mounted=$work/small
    refuse 1 "cannot write 'small/run/rounds.csv': No space left on device" run "${long[@]}" --quiet --out small/run
    check "full disk: whole rows" whole_rows small/run
    rm -r small/run
    expect 1 "No space left on device" run "${tiny[@]}" --quiet --out small/run
    check "full disk: results are printed all the same" grep -q 'server accuracy' out
    check "full disk: no broken model" test -z "$(ls small/run/models)"
    check "full disk: rounds stay" test "$(wc -l <small/run/rounds.csv)" -eq 7
fi

# A learning rate that is 0 in float32 makes every update zero: reported and valued 0
expect 0 'round 1: agent 0 had an update of zero' run "${tiny[@]}" --lr 1e-60 --out faulty
check "first round and count at the end" grep -q 'agent 2 .*in 2 of 2 rounds, first in round 1' err
check "no progress line is broken" test "$(grep -c '^cgsv: warning: ' err)" -eq 6
check "fault in rounds.csv" awk -F, 'NR > 1 && ($19 != 1 || $5 != 0) { bad = 1 } END { exit bad }' faulty/rounds.csv
check "and in summary.json" python3 -c '
import json
assert [a["faulty_rounds"]["zero"] for a in json.load(open("faulty/summary.json"))["agents"]] == [2, 2, 2]'

# Sentences: files made here, an own vocabulary, vectors to begin with
mkdir sentences
for i in $(seq 12); do echo "film $i is bad , the story too"; done >sentences/rt-polarity.neg
for i in $(seq 12); do echo "film $i is good , the story too"; done >sentences/rt-polarity.pos
text=(--data-set mr --data sentences --agents 2 --rounds 1 --local-epochs 1 --device cpu --quiet)
(echo "2 300"; for word in good bad unheard; do echo "$word$(printf ' 0.5%.0s' $(seq 300))"; done) >vectors.txt
expect 0 'server accuracy' run "${text[@]}" --word-vectors vectors.txt --out text
check "config.json names split, vocabulary and vectors" python3 -c '
import json
data = json.load(open("text/config.json"))["data"]
assert data["mr_split"] == "shuffled" and data["vocabulary"] == 2 + 20 and data["words_with_vectors"] == 2, data'
check "the vocabulary lies beside the models" test "$(wc -l <text/models/words.txt)" -eq 22
expect 0 'server accuracy' run "${text[@]}" --out text --force
check "no vectors, none named" test -z "$(grep word_vectors text/config.json)"
expect 0 'mr-split  *published' run "${text[@]}" --mr-split published --dry-run
refuse 2 "text_cnn takes sentences; the data set synthetic has pictures" run --model text_cnn --quiet
refuse 2 "mlp takes pictures; the data set mr has sentences. Take text_cnn" run "${text[@]}" --model mlp
refuse 2 "mr-split is for --data-set mr, not synthetic" run --mr-split published
refuse 2 "word vectors are for sentences" run --word-vectors vectors.txt --quiet
sed 's/ 0.5$//' vectors.txt >short.txt
refuse 1 "'short.txt', line 2: 299 values; expected a word and 300 numbers" run "${text[@]}" --word-vectors short.txt
sed 's/good/superb/; s/bad/awful/' vectors.txt >others.txt
refuse 1 "has a vector for none of the 20 words of mr" run "${text[@]}" --word-vectors others.txt
echo >>sentences/rt-polarity.neg
refuse 1 "rt-polarity.neg', line 13: empty" run "${text[@]}"
refuse 1 "no file 'trees/train.txt' in 'sentences'" run --data-set sst --data sentences --quiet

# Adversaries: named in every file and in the table; a free rider's zeros are no fault to be warned of
expect 0 'importance .*gain  adversary$' run "${tiny[@]}" --adversary zero-update:1,label-flip:1 --out attacked
check "adversaries in the table" test "$(grep -cE '^    (0 .*  zero-update|1 .*  label-flip|2 .*[0-9])$' out)" -eq 3
check "no warning of a free rider" bash -c '! grep -q warning err'
check "shape of its files" python3 shape.py attacked 1,2
check "adversaries in its files" python3 -c '
import csv, json
kinds = ["zero-update", "label-flip", ""]
assert [r["adversary"] for r in csv.DictReader(open("attacked/rounds.csv"))] == 2 * kinds
assert [a["adversary"] or "" for a in json.load(open("attacked/summary.json"))["agents"]] == kinds
config = json.load(open("attacked/config.json"))["config"]
assert config["adversaries"] == [{"kind": k, "count": 1} for k in kinds[:2]] and config["adversary_factor"] == 10'
expect 0 'adversary  *sign-flip:2' run --dry-run --adversary sign-flip:2
expect 0 'importance .*gain$' run "${tiny[@]}" --adversary sign-flip:1 --adversary none

finish
