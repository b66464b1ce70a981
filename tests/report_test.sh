#!/usr/bin/env bash
# cgsv report as its users meet it: exit codes, messages, pages, plots.
# usage: report_test.sh PATH/TO/cgsv
tests=$(realpath "$(dirname "$0")")
source "$tests/cli_helpers.sh" "$1"
export PYTHONDONTWRITEBYTECODE=1
python3 "$tests/report_files.py" . || exit 1

# page FOLDER: a report of the folder is made, and is well-formed, without scripts, and fetches nothing
page() {
    expect 0 "^written to  *$1/report.html" report "$1"
    check "the page of $1" python3 "$tests/report_check.py" page "$1/report.html"
}
# says FOLDER PATTERN: a text of its page matches
says() {
    check "the page of $1 says '$2'" test -n \
        "$(python3 "$tests/report_check.py" text "$1/report.html" | grep -x -e "$2")"
}
plots() { grep -c '<figure ' "$1/report.html"; }

# Help and wrong use
expect 0 'usage: cgsv report' report --help
expect 0 'usage: cgsv report' help report
expect 0 'write a page with the plots' help
refuse 2 "no folder of a run" report
refuse 2 "several folders need --out" report five one
refuse 2 "did you mean '--plots'" report five --plot x

# Damaged folders: what, where
bad() { refuse 1 "$2" report "damaged/$1"; }
refuse 1 "there is no folder 'nowhere'" report nowhere
refuse 1 "is no folder" report five/config.json
bad nothing "'damaged/nothing' has no config.json"
bad no_config "has no config.json"
bad no_rounds "'damaged/no_rounds' has no rounds.csv"
bad no_rows "has no rows yet"
bad empty "rounds.csv' is empty"
bad word "rounds.csv', line 4: 'many' of column 'samples' is not a number"
bad escape "rounds.csv', line 3: '?\[31m1' of column 'round'"
bad short_row "rounds.csv', line 5: 3 fields, but the header has 19"
bad agent "rounds.csv', line 3: the agent is 7"
bad backwards "rounds.csv', line 7: the round is 1"
bad quote "rounds.csv', line 3: a quote is not closed"
bad nul "rounds.csv', line 3: a NUL byte"
bad twice "rounds.csv', line 1: two columns are named 'agent'"
bad nameless "rounds.csv', line 1: no column 'agent'"
bad server "server.csv', line 2: 'x' of column 'loss'"
bad config "config.json', line 4: not valid JSON"
bad list "config.json', line 1: not a JSON object"
bad other "has no object 'config'"
bad many "'agents' of 'config' is 1e+300"
bad summary "summary.json', line [0-9]*: not valid JSON"
refuse 1 "sweep.csv', line 3: 1 fields" report sweep_damaged
check "no page of what was refused" test -z "$(find damaged -name 'report.html*')"

# Pages
page five
says five "0.940"
says five "synthetic, mlp, 5 agents"
says five "cgsv run --model mlp --beta 1 --out five"
says five "Keep ratio (β = 1)"
check "all plots of a run" test "$(plots five)" -eq 11
page one
says one "undefined"
page fifty
says fifty ".*Too many for a line each.*"
check "no bars of fifty agents" test "$(plots fifty)" -eq 10
page long
says long ".*One of every 5 rounds is drawn."
check "a thousand rounds make no large page" test "$(wc -c <long/report.html)" -lt 600000
page unfinished
says unfinished ".*was not finished.*"
page few_columns
check "a plot of the one column" test "$(plots few_columns)" -eq 1
page more_columns
page gaps
check "all plots in spite of other columns and of gaps" test "$(plots more_columns) $(plots gaps)" = "11 11"
expect 0 written report five --out again.html
check "same folder, same bytes" cmp -s five/report.html again.html
expect 0 '^<!DOCTYPE html>' report five --out -
check "the page alone on standard output" cmp -s out five/report.html
check "nothing on standard error" test ! -s err

# Texts of others stay texts
page hostile
command=$(python3 "$tests/report_check.py" text hostile/report.html | grep '^cgsv run --out ')
check "a command that the shell takes as it was" bash -c "set -- $command
    [ \$# -eq 6 ] && [ \"\$4\" = \"it's \\\$HOME; \\\`ls\\\`\" ] && [ -z \"\$6\" ]"
says hostile ".*<script>alert(1)</script>.*"
check "no tag of theirs" test "$(grep -c '<script\|<img' hostile/report.html)" -eq 0
page hostile_sweep
says hostile_sweep ".*<script>alert(1)</script>.*"
check "no tag of theirs in a comparison" test "$(grep -c '<script\|<img' hostile_sweep/report.html)" -eq 0
for folder in hostile hostile_sweep; do
    expect 0 written report "$folder" --out hostile.html --plots hostile_plots --force
done
check "their plots as SVG" python3 "$tests/report_check.py" plot hostile_plots/*.svg
check "with titles of theirs, as text" grep -q '&lt;/script&gt;' hostile_plots/*.svg

# Comparisons
page sweep
says sweep "Comparison of 6 runs"
says sweep "Fairness against β"
says sweep "#5 β = 20, seed = 1"
says sweep "</script"
page wide
says wide "Comparison of 30 runs"
says wide "fairest run"
page table_only
expect 0 written report five one long --out three.html
check "the page of three" python3 "$tests/report_check.py" page three.html
expect 0 written report five five --out same.html
check "runs that do not differ" grep -q "have the same settings" same.html

# Files: our own are written anew, others' are not
cp five/report.html before
expect 0 written report five
echo mine >five/report.html
refuse 1 "'five/report.html' is there already, and cgsv report has not written it" report five
check "nothing lost" grep -q '^mine$' five/report.html
expect 0 written report five --force
check "replaced by --force" cmp -s before five/report.html
refuse 1 "it is a folder" report five --out one
refuse 1 "cannot write 'nowhere/page.html'" report five --out nowhere/page.html
"$cgsv" report five --out - >/dev/full 2>err
check "standard output that is full" test $? -eq 1

# Plots
expect 0 "^plots  *plots: 11" report five --plots plots
check "plots as SVG" python3 "$tests/report_check.py" plot plots/*.svg
check "a plot as long as its page names it" test "$(find plots -name '*.svg' | wc -l)" -eq 11
check "no variables, which other programs do not know" test "$(cat plots/*.svg | grep -c 'var(')" -eq 0
if command -v rsvg-convert >/dev/null; then
    check "plots as PNG" test "$(for plot in plots/*.png; do head -c 4 "$plot" | tail -c 3; done)" = \
        "$(printf 'PNG%.0s' {1..11})"
else
    skip "plots as PNG: no rsvg-convert"
fi
expect 0 written report five --plots plots
echo mine >plots/loss.svg
refuse 1 "'plots/loss.svg' is there already" report five --plots plots
mkdir bare && ln -s "$cgsv" bare/cgsv
PATH=$work/bare "$cgsv" report five --plots drawn >out 2>err
check "without rsvg-convert there is SVG" test $? -eq 0 -a -s drawn/loss.svg -a ! -e drawn/loss.png
check "and one line that says why no PNG" grep -q \
    '^cgsv: warning: no .png in .drawn.: rsvg-convert is not installed' err
check "one line" test "$(wc -l <err)" -eq 1

# What cgsv run writes is what cgsv report reads
expect 0 accuracy run --device cpu --threads 1 --model mlp --agents 3 --samples-per-agent 20 --rounds 2 --quiet \
    --no-save-models --out real
page real
check "all plots of a real run" test "$(plots real)" -eq 11
says real "cgsv run --device cpu .*--out real"
check "no temporary files" test -z "$(find . -name '*tmp-*')"
finish
