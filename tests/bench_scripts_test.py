"""The scripts of bench/ that need no framework: exponents of growth, quartiles, the table and its CSV.

usage: bench_scripts_test.py PATH/TO/bench
"""

import csv
import json
import os
import subprocess
import sys
import tempfile

bench = sys.argv[1]
sys.path[:0] = [bench, os.path.join(bench, "peers")]
import growth  # noqa: E402  from the folder above
import timing  # noqa: E402


def near(x, y):
    return abs(x - y) < 1e-9


# A power law is recovered; points that do not decide it give nothing.
points = [(n, d, 3e-9 * n * d**1.25) for n in (5, 10, 50) for d in (1e5, 1e6, 1e7)]
found = growth.exponents(points)
assert near(found[0], 1) and near(found[1], 1.25), found
assert growth.exponents(points[:2]) is None
assert growth.exponents([(5, 1e5, 1.0), (5, 1e6, 2.0), (5, 1e7, 4.0)]) is None  # N never changes

summary = timing.summary([5.0, 1.0, 2.0, 4.0, 3.0])
assert summary == {"seconds": 3.0, "lower": 2.0, "upper": 4.0, "repeat": 5}, summary
assert len(list(timing.repeats(1e-9))) == 1 and len(list(timing.repeats(60))) == timing.MOST


def cell(seconds):
    return {"seconds": seconds, "lower": 0.9 * seconds, "upper": 1.1 * seconds, "repeat": 7}


rows = [{"section": "a", "what": "server step", "size": f"N = {n}, D = {d:,}", "agents": n, "dimension": d,
         "ours": cell(1e-9 * n * d), "floor": 5e-10 * n * d,
         "peers": {"loop": cell(8e-8 * n * d), "vectorised": cell(2e-8 * n * d), "jax": {"absent": "none: not here"}}}
        for n in (5, 10) for d in (10**6, 10**7)]
rows.append({"section": "f", "what": "round of a fleet", "size": "mlp", "ours": cell(1), "floor": 0.5, "peers": {},
             "one_by_one": cell(3), "model": "mlp", "batch": 32, "agents": 5})
result = {"rows": rows, "scaling": [{"what": "server step", "size": "N = 10", "one": cell(2), "all": cell(1),
                                  "limit": "copies", "limit_faster": 1.25}],
          "growth": growth.fit(rows, ("loop", "vectorised", "jax")), "notes": ["a note"], "seconds": 12.0,
          "checks": [{"what": "server step", "column": "loop", "errors": {"psi": 1e-7}}],
          "versions": {"torch": "2", "jax": "none: not here"}}
by_variable = {entry["variable"]: entry["exponents"] for entry in result["growth"] if entry["what"] == "server step"}
assert near(by_variable["N"]["ours"], 1) and near(by_variable["D"]["loop"], 1), result["growth"]
assert "jax" not in by_variable["N"]

with tempfile.TemporaryDirectory() as folder:
    source, stem = os.path.join(folder, "result.json"), os.path.join(folder, "table")
    with open(source, "w", encoding="utf-8") as file:
        json.dump(result, file)
    printed = subprocess.run([sys.executable, os.path.join(bench, "table.py"), source, stem, "Date=today", "Threads=2"],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
    with open(stem + ".md", encoding="utf-8") as file:
        assert file.read() == printed
    with open(stem + ".csv", encoding="utf-8", newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    table = list(csv.DictReader(lines))

assert len(table) == 4 * 3 + 1 + 2, len(table)
assert near(float(table[1]["over_ours"]), 80) and table[1]["by"] == "loop"
assert ("| (a) server step | N = 5, D = 1,000,000 | 0.005000 ±10% | 0.002500 | 2.000 | 0.4000 ±10% | 0.1000 ±10% | "
        "20.00 |") in printed
assert "| server step | N = 10 | 2.000 ±10% | 1.000 ±10% | 2.000 | copies: 1.250 |" in printed
assert printed.count("JAX: none: not here (server step, N = 5, D = 1,000,000, and 3 more)") == 1
assert "- Threads: 2\n" in printed and "a note" in printed and "CUB's sort: no column" in printed
widths = [line.count("|") for line in printed.split("## Growth")[0].splitlines() if line.startswith("|")]
assert len(set(widths)) == 1, widths
