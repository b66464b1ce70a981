#!/usr/bin/env bash
# What files say never decides where cgsv writes: names of tensors, words, data sets, runs and cells that are paths
# leave everything outside the output folder as it was.
# usage: paths_test.sh PATH/TO/cgsv
tests=$(realpath "$(dirname "$0")")
source "$tests/cli_helpers.sh" "$1"
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tests
mkdir -p around/in && cd around/in || exit 1

# All that is not in the output folder, and what it holds; out and err are the helpers'.
outside() {
    (cd "$work" && find . -path ./around/in/results -prune -o -printf '%y %p\n' -type f ! -path './around/in/out' \
        ! -path './around/in/err' -exec sha256sum {} + | sort)
}
# within WHAT FILES: after WHAT the output folder holds these files, and nothing else has changed since `before` was set
within() {
    local files
    files=$(find results -type f -printf '%P\n' | sort | xargs)
    check "$1: $files in the output folder, not $2" test "$files" = "$2"
    check "$1: $(diff <(echo "$before") <(outside) | head -3)" test "$(outside)" = "$before"
    rm -rf results
}
# make CODE: a piece of Python makes files
make() { python3 -c "$1" || exit 1; }

# Paths that a file could mean by itself, from here or from the folder, and one that is there.
make 'import json, os, pathlib
paths = ["../../x", "../x.index", "..", ".", "/", os.getcwd() + "/absolute", "a/../../../b", "results/../c",
         "folder/name", "C:\\x", "%2e%2e/x", "$HOME", "`touch x`", "x" * 3000]
pathlib.Path("paths.json").write_text(json.dumps(paths))'
mkdir ../agent_000 && echo keep | tee ../x ../x.index ../agent_000/x >x
touch out err

# Tensors, which name the agents whose rewards are written
make 'import json
from value_files import safetensors, singles
paths = json.load(open("paths.json"))
safetensors("u.safetensors", {name: ("F32", [3], singles([1, i, 2])) for i, name in enumerate(paths)})'
before=$(outside)
updates=(value --device cpu --threads 1 --method cosine u.safetensors)
expect 0 x "${updates[@]}" --round --out results
within "rewards of agents whose names are paths" rewards.safetensors
expect 0 x "${updates[@]}" u.safetensors --round --out results --dense-rewards --json results/j --csv results/c
within "rewards as whole vectors" "c j rewards_1.safetensors rewards_2.safetensors"
expect 0 '' "${updates[@]}" --tensor ../../x --round --out results
within "an agent that is chosen by a path" rewards.safetensors

# Data sets, whose names are looked for in folders and stand in files
for name in ../../x ../mnist /etc mnist/../mr; do
    refuse 2 "unknown data set" run --data-set "$name" --out results --quiet
    refuse 2 "unknown data set" sweep --data-set "$name" --out results --quiet
    refuse 2 "unknown data set" paper --data-sets "$name" --out results --quiet
done
mkdir results
within "data sets that are paths" ""

# Words, which are written beside models
make 'import json
words = [word for word in json.load(open("paths.json")) if len(word) < 100]
for kind in ("neg", "pos"):
    open(f"rt-polarity.{kind}", "w").write("".join(f"{word} {kind}\n" for word in words))'
before=$(outside)
expect 0 accuracy run --device cpu --threads 1 --data-set mr --data . --agents 2 --rounds 1 --local-epochs 1 --quiet \
    --no-standalone --save-models --out results
check "the words are there, as words" grep -qxF ../../x results/models/words.txt
models="models/agent_000.safetensors models/agent_001.safetensors models/server.safetensors models/words.txt"
within "words that are paths" "config.json $models rounds.csv server.csv summary.json"

# A run that goes on, whose record names other folders
expect 0 accuracy run --device cpu --threads 1 --model mlp --agents 2 --samples-per-agent 20 --rounds 3 \
    --local-epochs 1 --no-standalone --quiet --no-save-models --checkpoint-every 1 --out results
rm results/summary.json results/checkpoints/round_000003.safetensors
make 'import json, pathlib
path = pathlib.Path("results/config.json")
record = json.loads(path.read_text())
record["command_line"] += ["--out=../../x", "--force", "--resume=../agent_000"]
record["out"] = record["folder"] = "../../x"
path.write_text(json.dumps(record))'
before=$(outside)
expect 0 accuracy run --resume results --quiet
checkpoints="checkpoints/round_000002.safetensors checkpoints/round_000003.safetensors"
within "a run that goes on" "$checkpoints config.json rounds.csv server.csv summary.json"

# Runs, whose settings are paths, as pages and plots
make 'import json, pathlib
from report_files import run
for number, path in enumerate(json.load(open("paths.json"))):
    cell = pathlib.Path(f"runs/cells/{number:03}")
    run(cell, 2, 2, summary_extra={"adversary": path, path: path}, model=path, scheme=path, beta=1 + number)
    config = json.loads((cell / "config.json").read_text())
    config["command_line"] = ["cgsv", "run", "--out", path]
    config["data"] = {"set": path, "directory": path}
    config["out"] = config["config"]["out"] = config["config"][path] = path
    (cell / "config.json").write_text(json.dumps(config))
(pathlib.Path("runs") / "sweep.csv").write_text("cell,out,status,error\n../../x,../../x,done,\n/x,/x,failed,../x\n")'
before=$(outside)
mkdir results
expect 0 written report runs/cells/000 --out results/page.html
within "a run of paths" page.html
mkdir results
expect 0 written report runs --out results/page.html --plots results/plots
check "plots have names of their own" test -z "$(find results/plots -mindepth 1 ! -name '[a-z0-9_]*.[sp][vn]g')"
rm -rf results/plots
within "a sweep of paths" page.html

# Sweeps that go on, or begin anew
sweep=(sweep --device cpu --threads 1 --model mlp --agents 2 --samples-per-agent 20 --rounds 1 --local-epochs 1
    --beta "1,2" --no-standalone --quiet)
again=("${sweep[@]}" --details --no-save-models --out results)
results_of() { # EDIT: the folder of a finished sweep, of which Python edits a file, and what is outside
    expect 0 rho "${again[@]}"
    make "import json, pathlib, re
table, record = pathlib.Path('results/sweep.csv'), pathlib.Path('results/sweep.json')
config = pathlib.Path('results/cells/000/config.json')
$1"
    echo theirs >results/cells/000/notes.txt
    before=$(outside)
}
cell="cells/000/config.json cells/000/notes.txt cells/000/rounds.csv cells/000/server.csv cells/000/summary.json"
other="cells/001/config.json cells/001/rounds.csv cells/001/server.csv cells/001/summary.json"
all="$cell $other sweep.csv sweep.json"
results_of 'table.write_text(table.read_text().replace("\n1,", "\n../../x,"))'
refuse 1 "a line that is no row of this sweep: '../../x" "${again[@]}"
within "a cell that is a path" "$all"
results_of 'table.write_text(re.sub("\n1,[^\n]*", "", table.read_text()))
record.write_text(record.read_text().replace("\"cells\": ", "\"out\": \"../../x\", \"path\": \"..\", \"cells\": "))'
expect 0 rho "${again[@]}"
within "a sweep that goes on in spite of paths" "$all"
results_of 'old = json.loads(record.read_text())
old["settings"]["beta"] = "../../x\x1b[31m"
record.write_text(json.dumps(old))'
refuse 1 "holds a sweep with beta ../../x?" "${again[@]}"
check "no control characters of theirs" test -z "$(tr -d '[:print:]\n' <err)"
within "a sweep of other settings" "$all"
results_of 'config.write_text(config.read_text().replace("\"--out\"", "\"--out\", \"../../x\""))'
expect 0 rho "${sweep[@]}" --force --out results
within "a sweep anew" "cells/000/notes.txt sweep.csv sweep.json"
results_of 'config.write_text("{\"cgsv_version\": 1, \"command_line\": [\"cgsv\", \"../../x\"]}")'
refuse 1 "cells/000' holds .* but no config.json of a run" "${sweep[@]}" --force --out results
within "a cell of others" "$all"
finish
