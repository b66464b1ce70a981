"""Holds the tables of a cgsv paper folder against the rows of its sweeps, by sums of its own.

usage: paper_check.py FOLDER"""
import csv
import math
import re
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
# quantity -> (file, part of the sweep's name, value of a row)
QUANTITIES = {
    "rho": ("fairness.csv", "fairness", lambda r: r["rho_accuracy"]),
    "rho_local": ("fairness.csv", "fairness", lambda r: r["rho_local"]),
    "accuracy_mean": ("accuracy.csv", "fairness", lambda r: r["accuracy_mean"]),
    "accuracy_max": ("accuracy.csv", "fairness", lambda r: r["accuracy_max"]),
    "server_seconds": ("runtime.csv", "runtime", lambda r: float(r["seconds_server"]) / int(r["rounds"])),
    "server_ratio": ("runtime.csv", "runtime", lambda r: float(r["seconds_server"]) / float(r["seconds_training"])),
    "accuracy_min": ("beta.csv", "beta", lambda r: r["accuracy_min"]),
    "loss_spread": ("beta.csv", "beta", lambda r: r["loss_spread"]),
}


def rows_of(part):
    rows = []
    for path in sorted((FOLDER / "sweeps").glob(f"*-{part}/sweep.csv")):
        data_set = path.parent.name.split("-")[0]
        rows += [dict(r, data_set=data_set) for r in csv.DictReader(path.open())]
    return rows


def column_of(row, part):
    return f'{float(row["beta"]):g}' if part == "beta" else row["scheme"]


def expected(quantity):
    _, part, value = QUANTITIES[quantity]
    groups = {}
    for row in rows_of(part):
        key = (row["data_set"], row["agents"], row["partition"], column_of(row, part))
        group = groups.setdefault(key, {"values": [], "undefined": 0, "failed": 0})
        if row["status"] != "done":
            group["failed"] += 1
        elif value(row) == "":
            group["undefined"] += 1
        else:
            group["values"].append(float(value(row)))
    return groups


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


def check_entry(entry, group):
    values = group["values"]
    assert [int(entry[k]) for k in ("defined", "undefined", "failed")] == [
        len(values), group["undefined"], group["failed"]], (entry, group)
    if not values:
        assert entry["mean"] == "" and entry["deviation"] == "", entry
        return
    mean = math.fsum(values) / len(values)
    assert near(float(entry["mean"]), mean), (entry, mean)
    if len(values) == 1:
        assert entry["deviation"] == "", entry
    else:
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
        assert near(float(entry["deviation"]), deviation), (entry, deviation)


def check_csv(quantity):
    file, part, _ = QUANTITIES[quantity]
    groups = expected(quantity)
    entries = [e for e in csv.DictReader((FOLDER / file).open()) if e["quantity"] == quantity]
    last = "beta" if part == "beta" else "scheme"
    keys = [(e["data_set"], e["agents"], e["partition"], e[last]) for e in entries]
    assert sorted(keys) == sorted(groups) and keys, (quantity, keys, list(groups))
    for key, entry in zip(keys, entries):
        check_entry(entry, groups[key])
    return len(entries)


def table_under(title):
    lines = (FOLDER / "paper.md").read_text().split(title, 1)[1].split("\n\n")[1].splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if "---" not in line]
    return cells[0], cells[1:]


def check_fairness_page():
    """rho x 100 in the page, its marks, and which entry of a row is bold."""
    after, before = expected("rho"), expected("rho_local")
    header, rows = table_under("## Fairness")
    assert "standalone" not in header, header
    for row in rows:
        means = []
        for scheme, text in zip(header[3:], row[3:]):
            key = (row[0], row[1], row[2], scheme)
            local = not after[key]["values"] and bool(before[key]["values"])
            values = before[key]["values"] if local else after[key]["values"]
            assert ("†" in text) == local, (key, text)
            if not values:
                assert text == "-", (key, text)
                continue
            mean = 100 * sum(values) / len(values)
            means.append((mean, text.startswith("**")))
            assert abs(float(re.search(r"-?[0-9.]+", text)[0]) - mean) < 0.051, (key, text, mean)
        best = max(m for m, _ in means)
        assert all(bold == (m == best) for m, bold in means), row
    return len(rows)


count = sum(check_csv(q) for q in QUANTITIES)
print(f"{count} entries, {check_fairness_page()} rows of the page")
