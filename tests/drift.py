#!/usr/bin/env python3
"""How far a federation in float32 drifts from the same one in float64.

usage: drift.py EXPORT EXPORT_DOUBLE [--at ROUND,...] [--most DIFFERENCE] KEY=VALUE...

Both builds of export_federation run the same settings from the same samples and start model, so that only the rounding
of training and of the server step differs. Prints the largest differences over agents and rounds so far as a table in
Markdown, after each of the rounds of --at. With --most, fails when a value, importance or keep ratio differs by more,
or more than a few entries of the agents' last models do: these are in one's reward and not in the other's.
"""
import argparse
import array
import json
import math
import pathlib
import subprocess
import sys
import tempfile

PSI, IMPORTANCE, KEEP_RATIO, TRAIN_LOSS = 1, 2, 3, 10  # fields of a record
APART, APART_MOST = 1e-6, 5  # entries of models that differ by more than float32 rounds, and how many may


def read_export(path):
    """Settings, records[round][agent] and evaluations[...][model] as tuples of numbers; all last models."""
    raw = pathlib.Path(path).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    found = []
    for name in ("records", "evaluations"):
        begin, end = (8 + size + at for at in header[name]["data_offsets"])
        numbers = array.array("d", raw[begin:end])
        rows, models, fields = header[name]["shape"]
        found.append([[tuple(numbers[(r * models + m) * fields:(r * models + m + 1) * fields]) for m in range(models)]
                      for r in range(rows)])
    begin, end = (8 + size + at for at in header["models_last"]["data_offsets"])
    models = array.array({"F32": "f", "F64": "d"}[header["models_last"]["dtype"]], raw[begin:end])
    return json.loads(header["__metadata__"]["settings"]), found[0], found[1], models


def pearson(x, y):
    dx, dy = ([v - sum(values) / len(values) for v in values] for values in (x, y))
    squares = sum(v * v for v in dx) * sum(v * v for v in dy)
    return sum(a * b for a, b in zip(dx, dy)) / math.sqrt(squares) if squares > 0 else math.nan


def evaluated_rounds(settings):
    T, every = settings["rounds"], settings["every"]
    return [t for t in range(1, T + 1) if t % every == 0 or t == T]


def largest(a, b, until, field):
    return max(abs(x[field] - y[field]) for r, s in zip(a[:until], b[:until]) for x, y in zip(r, s))


def rows_of(single, double, settings, at):
    N = settings["agents"]
    rounds = evaluated_rounds(settings)
    rows = []
    for t in at:
        records = [largest(single[0], double[0], t, field) for field in (PSI, IMPORTANCE, KEEP_RATIO, TRAIN_LOSS)]
        done = sum(r <= t for r in rounds)
        tests = [largest(single[1], double[1], done, field) if done else math.nan for field in (1, 0)]
        rho = [[pearson([m[1] for m in e[N:2 * N]], [m[1] for m in e[:N]]) for e in x[1][:done]]
               for x in (single, double)]
        drift = [abs(p - q) for p, q in zip(*rho) if math.isfinite(p + q)]
        rows.append((t, *records, *tests, max(drift, default=math.nan)))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("export_double")
    parser.add_argument("--at", default="10,50,100,200")
    parser.add_argument("--most", type=float, default=math.inf)
    parser.add_argument("settings", nargs="*")
    args = parser.parse_intermixed_args()
    at = [int(t) for t in args.at.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        single, double = (pathlib.Path(folder) / name for name in ("single", "double"))
        settings = [*args.settings, f"rounds={at[-1]}"]
        subprocess.run([args.export, single, *settings], check=True)
        subprocess.run([args.export_double, double, *settings, f"from={single}"], check=True)
        setup, *single = read_export(single)
        other, *double = read_export(double)
        assert setup == other
    rows = rows_of(single, double, setup, at)
    print(f"{setup['model']}, N = {setup['agents']}, reward {setup['reward']}: largest difference of float32 from "
          "float64")
    print("| rounds | ψ | importance | keep ratio | training loss | test accuracy | test loss | ρ |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for t, *numbers in rows:
        print(f"| {t} | " + " | ".join("–" if math.isnan(n) else f"{n:.1e}" for n in numbers) + " |")
    drifted = max(rows[-1][1:4])
    if not 0 < drifted <= args.most:
        print(f"FAIL: ψ, importance and keep ratio differ by up to {drifted:.1e}; expected above 0, "
              f"at most {args.most:g}")
        return 1
    agents = setup["agents"] * (len(single[2]) // (2 * setup["agents"] + 1))
    apart = sum(abs(a - b) > APART for a, b in zip(single[2][:agents], double[2][:agents]))
    if args.most < math.inf and apart > APART_MOST:
        print(f"FAIL: {apart} entries of the agents' models differ by more than {APART:g}; at most {APART_MOST} may")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
