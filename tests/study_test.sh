#!/usr/bin/env bash
# cgsv study as its users meet it: codes, messages, files; and the published numbers.
# usage: study_test.sh PATH/TO/cgsv
source "$(dirname "$0")/cli_helpers.sh" "$1"

quick=(--agents 3,5 --agents-dimension 200 --dimensions 2^6..2^8 --dimensions-agents 4 --trials 3 --device cpu
       --threads 1)

# Help and wrong use
expect 0 'usage: cgsv study' study --help
expect 0 '(default 5\.\.10)' study --help
expect 0 '(default 2^10\.\.2^15)' study --help
expect 0 '(default 0.1)' study --vectors sparse --help
refuse 2 "did you mean '--trials'?" study --trails 3
refuse 2 "agents: 41 is out of range; it must be at least 2 and at most 40" study --agents 5..41
refuse 2 "agents: 1 is out of range" study --agents 1
refuse 2 "dimensions: 'x' is neither a whole number nor a range" study --dimensions 2,x
refuse 2 "backwards" study --agents 8..5
refuse 2 "leave nothing to do" study --agents none --dimensions none
refuse 2 "unknown method 'cosin'; did you mean 'cosine'?" study --methods permutation,cosin
refuse 2 "'cosine' stands twice" study --methods cosine,exact,cosine
refuse 2 "did you mean 'sparse'?" study --vectors sparce
refuse 2 "sparse vectors is 0; expected a share" study --quiet --vectors sparse --parameter 0
refuse 2 "correlated vectors is 2; expected a correlation" study --quiet --vectors correlated --parameter 2
refuse 2 "parameter means nothing to heavy-tailed vectors" study --vectors heavy-tailed --parameter 1
refuse 2 "trials.*at least 1" study --trials 0
refuse 2 "budget.*at most 2147483647" study --budget 9999999999
refuse 2 "epsilon 1e-09.*raise epsilon" study --quiet --epsilon 1e-9
refuse 2 "delta.*below 1" study --delta 1
refuse 2 "force needs --out" study --force
refuse 2 "plot needs --out" study --plot
refuse 2 "abacus" study --quiet --device abacus

# The table, without any file
expect 0 '^cosine  *5  *200 ' study "${quick[@]}"
check "a line for every method and point" \
    test "$(grep -cE '^(exact|cosine|permutation) +[345] +(64|128|200|256) ' out)" -eq 15
check "nothing written" test "$(ls)" = "$(printf 'err\nout')"
expect 0 '^euclidean ' study "${quick[@]}" --quiet --methods all
check "all methods" test "$(awk 'NR > 1 && NF { print $1 }' out | sort -u | wc -l)" -eq 8
check "quiet" test ! -s err

# Files
expect 0 'written to a: config.json, study.csv' study "${quick[@]}" --no-plot --out a
check "files" test "$(ls a | tr '\n' ' ')" = 'config.json study.csv '
cat >shape.py <<'P'
import csv, json, sys
folder, trials, vectors = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rows = list(csv.DictReader(open(folder + "/study.csv")))
assert list(rows[0]) == ("sweep method N D trials undefined l1_mean l1_deviation l2_mean l2_deviation cosine_mean "
                         "cosine_deviation pearson_mean pearson_deviation inverse_i_mean inverse_i_deviation "
                         "bound_mean bound_deviation seconds gram_seconds vectors").split(), list(rows[0])
study = json.load(open(folder + "/config.json"))["study"]
assert study["trials"] == trials and study["vectors"] == vectors
points = [("agents", n, study["agents_dimension"]) for n in study["agents"]]
points += [("dimension", study["dimensions_agents"], d) for d in study["dimensions"]]
assert [(r["sweep"], int(r["N"]), int(r["D"]), r["method"]) for r in rows] == [
    (*p, m) for p in points for m in ["exact"] + study["methods"]]
for r in rows:
    assert int(r["trials"]) == trials and r["vectors"] == vectors
    assert 0 < float(r["seconds"]) < 1 and 0 < float(r["gram_seconds"]) < 1, r
    if r["method"] == "exact":
        assert float(r["l1_mean"]) == float(r["l2_mean"]) == 0
    elif r["method"] == "cosine":
        assert 0 < float(r["l2_mean"]) < float(r["l1_mean"]) < 1 and 0 < float(r["cosine_mean"]) < 1, r
    same_point = [q for q in rows if all(q[k] == r[k] for k in ("sweep", "N", "D"))]
    assert len({(q["inverse_i_mean"], q["bound_mean"], q["gram_seconds"]) for q in same_point}) == 1
    assert float(r["inverse_i_mean"]) > 0 and float(r["bound_mean"]) > 0
P
check "shape of the files" python3 shape.py a 3 normal

# Same seed, same numbers; times aside
numbers() { cut -d, -f1-18 "$1/study.csv"; }
"$cgsv" study "${quick[@]}" --quiet --no-plot --threads 1 --out t1 >out 2>err
"$cgsv" study "${quick[@]}" --quiet --no-plot --threads 2 --out t2 >out 2>err
"$cgsv" study "${quick[@]}" --quiet --no-plot --seed 2 --out other >out 2>err
"$cgsv" study "${quick[@]}" --quiet --no-plot --agents none --dimensions 128 --out alone >out 2>err
check "one thread and two" test "$(numbers t1)" = "$(numbers t2)"
check "twice the same" test "$(numbers a)" = "$(numbers t1)"
check "the seed counts" test "$(numbers a)" != "$(numbers other)"
check "a point does not depend on the others" test "$(numbers alone | tail -n +2)" = "$(numbers a | grep ',4,128,')"

# Output folders
refuse 1 "holds results already" study "${quick[@]}" --quiet --out a
expect 0 'written to' study "${quick[@]}" --quiet --no-plot --trials 2 --out a --force
check "replaced" python3 shape.py a 2 normal
"$cgsv" run --model mlp --agents 4 --samples-per-agent 60 --rounds 3 --local-epochs 1 --no-standalone --quiet \
    --no-save-models --device cpu --record-updates --out run >out 2>err
refuse 1 "no config.json of a study" study "${quick[@]}" --quiet --out run --force
refuse 1 "it is a file" study "${quick[@]}" --quiet --out err

# The plot; without gnuplot all the rest
env PATH=/nowhere "$cgsv" study "${quick[@]}" --quiet --out unplotted >out 2>err
check "without gnuplot: done all the same" test $? -eq 0
check "without gnuplot: one line" \
    test "$(grep -c 'no plot: gnuplot is not installed' err)" -eq 1 -a "$(wc -l <err)" -eq 1
check "without gnuplot: files" test "$(ls unplotted | tr '\n' ' ')" = 'config.json study.csv study.gp '
if ! command -v gnuplot >/dev/null; then
    skip "the plot: gnuplot is not installed"
else
    expect 0 'study.svg, study.png' study "${quick[@]}" --methods all --out plotted
    check "no complaint of gnuplot" test "$(wc -l <err)" -eq 2
    check "SVG" grep -q '</svg>' plotted/study.svg
    check "PNG" test "$(head -c 4 plotted/study.png | tail -c 3)" = PNG
    expect 0 'study.svg, study.png' study --methods exact --agents 3..5 --dimensions none --quiet --out one
    cd plotted && rm study.svg && gnuplot study.gp && cd ..
    check "study.gp draws it again" test -s plotted/study.svg
fi

# Real updates: a recorded run, and files
expect 0 'written to' study --updates run --no-plot --device cpu --out real
check "rounds are trials, sweeps fit" python3 shape.py real 3 recorded
check "N up to the run's, D up to the model's" python3 - <<'P'
import json
study = json.load(open("real/config.json"))["study"]
parameters = json.load(open("run/config.json"))["parameters"]
assert study["agents"] == [2, 3, 4] and study["dimensions"][0] == 1024 and study["dimensions"][-1] == parameters
assert study["agents_dimension"] == parameters and study["dimensions_agents"] == 4 and len(study["updates"]) == 3
P
"$cgsv" study --updates run/updates/round_000[123].safetensors --quiet --no-plot --device cpu --out files >out 2>err
check "files as the folder" test "$(numbers real)" = "$(numbers files)"
expect 0 'written to' study --updates=run/updates --quiet --agents 3 --agents-dimension 500 --dimensions none \
    --no-plot --device cpu --out part
check "the first agents, the first entries, by hand" python3 - <<'P'
import array, csv, json, math, statistics, struct
def inner(a, b):
    return math.fsum(x * y for x, y in zip(a, b))
smallest = []
for t in (1, 2, 3):
    data = open(f"run/updates/round_000{t}.safetensors", "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    dimension = json.loads(data[8:8 + length])["updates"]["shape"][1]
    numbers = array.array("f", data[8 + length:])
    rows = [numbers[i * dimension:i * dimension + 500] for i in range(3)]
    aggregate = [sum(column) / 3 for column in zip(*rows)]
    smallest.append(min(abs(inner(row, aggregate)) for row in rows))
row = next(csv.DictReader(open("part/study.csv")))
assert math.isclose(float(row["inverse_i_mean"]), statistics.mean(smallest), rel_tol=1e-4), (row, smallest)
P
refuse 1 "holds no round_\*.safetensors" study --quiet --updates a
refuse 1 "cannot read 'nowhere'" study --quiet --updates nowhere
refuse 2 "needs a value" study --updates
refuse 2 "trials is for random vectors" study --updates run --trials 3
refuse 2 "vectors is for random vectors" study --updates run --vectors normal
refuse 2 "agents: 5 is more than the 4 agents of the updates" study --quiet --updates run --agents 2..5
refuse 2 "dimensions: 1000000 is more than" study --quiet --updates run --dimensions 1M
python3 - <<'P'
import struct
def npy(path, rows):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for row in rows:
            file.write(struct.pack("<%df" % len(row), *row))
npy("one.npy", [[1, 2, 3]])
npy("good.npy", [[1, 2, 3], [2, 1, 0]])
npy("bad.npy", [[1, 2, 3], [2, float("nan"), 0]])
npy("many.npy", [[1, i] for i in range(41)])
P
expect 0 'recorded, 1 trials' study --updates good.npy --device cpu
refuse 1 "of one agent" study --quiet --updates one.npy
refuse 1 "'bad.npy': the update of agent 1 holds NaN or infinity" study --quiet --updates good.npy bad.npy \
    --agents none --dimensions 3
refuse 2 "41 agents, too many for exact values" study --quiet --updates many.npy

# Two opposed agents are worth nothing together
expect 0 'values sum up to 0' study --vectors opposed --agents 2 --dimensions none --trials 2 --device cpu
expect 0 'warning: exact values of up to 25 agents' study --agents 25 --dimensions none --agents-dimension 10 \
    --trials 1 --methods cosine --device cpu

# The published study (the paper's section on efficient approximation, and the results files of its code: 10 trials,
# and each row but the first the mean over all rows of both sweeps so far, a slip). 100 trials of ours, so that the
# spread that remains is that of the published ten: three standard errors of a mean of ten trials, by our deviation.
"$cgsv" study --quiet --no-plot --device cpu --trials 100 --out published >out 2>err
check "the study runs" test $? -eq 0
cat >published.py <<'P'
import csv, math
rows = [r for r in csv.DictReader(open("published/study.csv")) if r["method"] != "exact"]
def of(method, measure):
    return [(float(r[measure + "_mean"]), float(r[measure + "_deviation"])) for r in rows if r["method"] == method]
def within(what, ours, published, standard_error, times=3):
    print(f"{what}: {ours:.4g}, published {published:.4g}, {(ours - published) / standard_error:+.2f} standard errors")
    assert abs(ours - published) <= times * standard_error, what

# Rows by themselves. Order of rows: N = 5 ... 10, then D = 2^10 ... 2^15.
for method, row, published in (("cosine", 0, 0.0092), ("cosine", 5, 0.0101), ("cosine", 5, 0.0104),
                               ("cosine", 11, 0.0018), ("cosine", 11, 0.0020), ("permutation", 5, 0.0529),
                               ("permutation", 5, 0.0525), ("permutation", 11, 0.0411), ("permutation", 11, 0.0469)):
    mean, deviation = of(method, "l1")[row]
    within(f"{method} l1, row {row}", mean, published, deviation * math.sqrt(1 / 10 + 1 / 100))
mean, deviation = of("cosine", "l2")[0]
within("cosine l2, N = 5", mean, 0.0047, deviation * math.sqrt(1 / 10 + 1 / 100))
assert of("permutation", "l1")[0][0] < 1e-12, "150 permutations of 5 agents are all 120 orders"

# Means of the rows up to one, as published.
for measure, last, published in (("l1", 2, 0.0095), ("l1", 5, 0.0101), ("l1", 6, 0.0103), ("l1", 8, 0.0095),
                                 ("l1", 11, 0.0079), ("l2", 2, 0.0045), ("l2", 5, 0.0044), ("l2", 6, 0.0044),
                                 ("l2", 8, 0.0040), ("l2", 11, 0.0033)):
    upto = of("cosine", measure)[:last + 1]
    error = math.sqrt(sum(d * d for _, d in upto) * (1 / 10 + 1 / 100)) / len(upto)
    within(f"cosine {measure}, mean of {len(upto)} rows", sum(m for m, _ in upto) / len(upto), published, error)

# Of permutations: within half the published deviation over trials, 0.021. Closer cannot be asked: the published
# code draws without replacement, which at N = 6 (150 of 720 orders) has an error smaller by a tenth.
for last, published in ((2, 0.0245), (5, 0.0360), (6, 0.0370), (8, 0.0394), (11, 0.0411)):
    upto = of("permutation", "l1")[:last + 1]
    within(f"permutation l1, mean of {len(upto)} rows", sum(m for m, _ in upto) / len(upto), published, 0.021, 0.5)
P
check "published numbers" python3 published.py >published.txt
cat published.txt

finish
