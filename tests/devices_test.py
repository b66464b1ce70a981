#!/usr/bin/env python3
"""The same runs on the CPU and on another device give nearly the same numbers.

    devices_test.py PROGRAM DEVICE [PRELOADED]

PRELOADED: a library that the program on that device loads before all others. Numbers of rounds.csv and server.csv may
differ by what other orders of sums make of float32 training over a few steps; rewards, by entries near a threshold.
"""
import csv
import os
import re
import subprocess
import sys
import tempfile

RELATIVE, ABSOLUTE = 1e-4, 1e-6
SAMPLES = 2000  # of the test split, a few of which may change sides
SLACK = {"kept": (0, 2), "distance_last_layer": (1e-2, 0), "test_accuracy": (0, 5 / SAMPLES),
         "standalone_accuracy": (0, 5 / SAMPLES)}

SHORT = ["--rounds", "2", "--samples-per-agent", "20", "--local-epochs", "1", "--eval-every", "0"]
SMALL = ["--model", "mlp", "--agents", "4", *SHORT]
RUNS = {
    "momentum": [*SMALL, "--momentum", "0.9", "--weight-decay", "0.001", "--augment", "crop-flip"],
    "adam": [*SMALL, "--optimizer", "adam", "--lr", "0.001", "--realise", "global"],
    "updates as bf16": [*SMALL, "--updates", "bf16"],
    "products in tf32": [*SMALL, "--precision", "tf32"],
    "adversaries": [*SMALL, "--adversary", "label-flip:1,sign-flip:1,random-update:1"],
    "many agents": [*SMALL, "--agents", "40", "--no-standalone"],
    "convolutions": ["--model", "mnist_cnn", "--agents", "2", "--no-standalone", *SHORT],
}
SENTENCES = ["--data-set", "mr", "--agents", "3", "--batch", "8", "--no-standalone", "--validation-fraction", "0",
             *SHORT]


def write_sentences(folder):
    """A rt-polarity of 40 sentences a side, of words that tell which."""
    words = {"pos": ["good", "fine", "warm"], "neg": ["bad", "dull", "cold"]}
    for side, telling in words.items():
        with open(f"{folder}/rt-polarity.{side}", "w", encoding="latin-1") as file:
            for i in range(40):
                middle = " ".join(f"w{(i * 7 + j * 3) % 11}" for j in range(4 + i % 5))
                file.write(f"the film {middle} is {telling[i % 3]}\n")


def run(program, device, options, out, preloaded=None):
    environment = dict(os.environ, **({"LD_PRELOAD": preloaded} if preloaded else {}))
    done = subprocess.run([program, "run", *options, "--device", device, "--out", out, "--quiet", "--no-save-models"],
                          env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{device}, {' '.join(options)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def near(name, a, b):
    if a == b:
        return True
    if not a or not b:
        return False
    relative, absolute = SLACK.get(name, (RELATIVE, ABSOLUTE))
    return abs(float(a) - float(b)) <= relative * max(abs(float(a)), abs(float(b))) + absolute


def differences(folder, other):
    """(file, column, line, values) of what is not nearly the same."""
    found = []
    for name in ("rounds.csv", "server.csv"):
        with open(f"{folder}/{name}", encoding="utf-8") as a, open(f"{other}/{name}", encoding="utf-8") as b:
            rows, others = list(csv.DictReader(a)), list(csv.DictReader(b))
        if not rows or len(rows) != len(others):
            found.append((name, "lines", len(rows), len(others)))
        for i, (row, its) in enumerate(zip(rows, others)):
            found += [(name, column, i + 2, row[column], its[column]) for column in row
                      if not near(column, row[column], its[column])]
    return found


def main():
    program, device = sys.argv[1:3]
    preloaded = sys.argv[3] if len(sys.argv) > 3 else None
    listed = subprocess.run([program, "schemes"], capture_output=True, text=True, check=True).stdout
    schemes = re.findall(r"^(\S+)", listed, re.M)
    runs = dict(RUNS, **{f"scheme {name}": [*SMALL, "--scheme", name] for name in schemes})
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        write_sentences(folder)
        runs["sentences"] = [*SENTENCES, "--data", folder]
        for name, options in runs.items():
            at = f"{folder}/{name}".replace(" ", "_")
            run(program, "cpu", options, at + "_cpu")
            run(program, device, options, at + "_device", preloaded)
            found = differences(at + "_cpu", at + "_device")
            failed += bool(found)
            print(f"{name}: {len(found) or 'nothing'} differs" + "".join(f"\n    {d}" for d in found[:5]), flush=True)
    print(f"{len(runs) - failed} of {len(runs)} alike")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
