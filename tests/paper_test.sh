#!/usr/bin/env bash
# cgsv paper as its users meet it: codes, messages, files, numbers against those of its sweeps, going on.
# usage: paper_test.sh PATH/TO/cgsv
source "$(dirname "$0")/cli_helpers.sh" "$1"
here=$(dirname "$(realpath "$0")")

tiny=(--quick --model mlp --rounds 2 --samples-per-agent 40 --validation-samples 20 --schemes cgsv,fedavg --seeds 1..2
      --betas 0.5,1e7 --partitions uniform,powerlaw --device cpu --threads 1)

# Help and wrong use
expect 0 'usage: cgsv paper' paper --help
expect 0 'default 0.5,1,1.2,1.5,2,1e7' paper --help
check "no default that is none" test "$(grep -c -e null -e ',)' out)" -eq 0
refuse 2 "did you mean '--seeds'?" paper --sedes 1
refuse 2 "out DIR is missing" paper "${tiny[@]}"
refuse 2 "data-sets: unknown data set 'sythetic'; did you mean 'synthetic'?" paper --out x --data-sets sythetic
refuse 2 "'synthetic' stands twice" paper --out x --data-sets synthetic,synthetic
refuse 2 "parts: unknown part 'fariness'; did you mean 'fairness'?" paper --out x --parts fariness
refuse 2 "unknown scheme 'cgvs'; did you mean 'cgsv'?" paper --out x "${tiny[@]}" --schemes cgvs
refuse 2 "partition: .*did you mean 'uniform'?" paper --out x "${tiny[@]}" --partitions unifrom
refuse 2 "lr: '0.1,0.2' is a list" paper --out x "${tiny[@]}" --lr 0.1,0.2
refuse 2 "rounds: '1..3' is a list" paper --out x "${tiny[@]}" --rounds 1..3
refuse 2 "agents: '0' is out of range\|agents: 0 is out of range" paper --out x "${tiny[@]}" --agents 0
refuse 2 "seed: 'x' is not a whole number" paper --out x "${tiny[@]}" --seeds x
check "nothing written" test ! -e x

# What it will take
expect 0 '^synthetic-5-fairness  *8  *2 ' paper "${tiny[@]}" --parts fairness,runtime --dry-run
check "the estimate" grep -q '^about [0-9:]* in all on cpu' out
check "the change of settings" grep -q 'model mlp instead of mnist_cnn; rounds 2 instead of 20' out
check "a dry run writes nothing" test "$(ls)" = "$(printf 'err\nout')"

# All parts
expect 0 'written to a: paper.md' paper "${tiny[@]}" --out a
check "settings on standard output" grep -q '^- synthetic: mlp, rounds 2,' out
check "tables on standard output" grep -q '^Fairness: ρ × 100' out
check "a verdict" grep -q 'The mean of cgsv is above that of every baseline in [0-9] of 2 rows' out
check "files" test "$(cd a && echo *)" = "accuracy.csv beta.csv beta_accuracy_synthetic.svg \
beta_loss_synthetic.svg fairness.csv paper.json paper.md runtime.csv study sweeps"
check "numbers, from the sweeps' rows" python3 "$here/paper_check.py" a
check "the study's table" grep -q '^| 10 | 4096 | permutation |' a/paper.md
check "beta of 1e7" grep -q '| 0.5 | 1e+07 |' a/paper.md
for plot in a/*.svg; do
    check "$plot is XML" python3 -c "import sys, xml.dom.minidom as x; x.parse(sys.argv[1])" "$plot"
done
check "two bands and two lines" test "$(grep -o 'class="band' a/beta_accuracy_synthetic.svg | wc -l)" -ge 2
check "no federation beside another in runtimes" grep -q -e '--fleet 1 --no-standalone$' a/paper.md

# A part's command by itself gives the same rows
grep '^cgsv sweep .*--scheme ' a/paper.md | grep -v -e --fleet | sed 's/^cgsv //' >command
read -ra words <command
expect 0 'rho' "${words[@]}" --out again --quiet
numbers() { awk -F, '{ for (i = 1; i < NF - 3; i++) printf "%s,", $i; print "" }' "$1"; }
check "the same rows but for seconds" diff <(numbers a/sweeps/synthetic-5-fairness/sweep.csv) <(numbers again/sweep.csv)

# Going on: rows that are there stay, missing ones come back
cp -r a b
sed -i '3,5d' b/sweeps/synthetic-5-fairness/sweep.csv
rm -r b/sweeps/synthetic-5-beta b/study/study.csv b/paper.md
kept=$(sed -n 2p b/sweeps/synthetic-5-fairness/sweep.csv)
expect 0 'written to b' paper "${tiny[@]}" --out b --quiet
check "a row of before, seconds and all" grep -qxF "$kept" b/sweeps/synthetic-5-fairness/sweep.csv
check "the same tables" diff a/fairness.csv b/fairness.csv
check "and those of a sweep that was gone" diff a/beta.csv b/beta.csv
check "numbers after going on" python3 "$here/paper_check.py" b
check "quiet" test ! -s err
expect 1 "holds a sweep with rounds 2, not 3" paper "${tiny[@]}" --rounds 3 --out b --quiet
expect 0 'written to b' paper "${tiny[@]}" --rounds 1 --out b --quiet --force --parts accuracy
check "started anew" grep -q 'rounds 1 instead of 20' b/paper.md

# What is missing or fails
expect 1 'data set mnist is left out: .*train-images' paper "${tiny[@]}" --data-sets mnist,synthetic --data nowhere \
    --parts accuracy --out c --quiet
check "the others go on" grep -q '^| synthetic | 5 | powerlaw |' c/paper.md
check "and the page says so" grep -q '^- mnist was left out' c/paper.md
expect 1 '2 of 2 cells failed' paper "${tiny[@]}" --agents 13000 --schemes cgsv --partitions uniform --parts fairness \
    --out d --quiet
check "no number for a failure" grep -q '| failed |' d/paper.md
mkdir e && echo mine >e/paper.md
expect 1 "holds results already (paper.md)" paper "${tiny[@]}" --out e --quiet
check "nobody else's file is touched" test "$(cat e/paper.md)" = mine
expect 1 "it is a file" paper "${tiny[@]}" --out command --quiet
finish
