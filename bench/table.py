"""Writes what bench/measure.py measured as STEM.md and STEM.csv, and the first to standard output as well.

    table.py RESULT STEM NAME=VALUE...

The facts NAME=VALUE (machine, compiler, commit) stand on top.
"""

import csv
import json
import sys

PEERS = {"loop": "PyTorch, loop", "vectorised": "PyTorch, vectorised", "compiled": "PyTorch, compiled", "jax": "JAX",
         "cub": "CUB's sort"}
INTRODUCTION = """\
Every cell of a row comes from the same minute of the same run: ours, then each peer. Seconds are medians after a
warm-up, with half the distance of the quartiles as ±; caches of a core's or the GPU's own are flushed before each
repeat. "loop" handles an agent after the other as the published code does, "vectorised" all agents at once (products
of matrices, `torch.func.vmap`), "compiled" is the latter under `torch.compile`. The best peer over ours is the last
column. A server step reads the updates once more for their norms, but not within a round, where training leaves these.
Floors: (a) updates read once in the bytes they are stored in, models read and written once, at the rate of a copy; (b)
the aggregate read once; (c) the Gram matrix's bytes or operations, whichever take longer, and 6 operations in float64
a coalition; (d) to (f) the operations of training, where of four outputs before a pooling one has a gradient, at the
rate of a product of matrices in float32, and the server step's bytes. All rates were measured in the same run. Where
the data stay in caches, a floor by a copy's rate can be undercut. An empty cell was not measured; why,
is said below."""


def number(value):
    return f"{value:#.4g}".rstrip(".")


def seconds(cell):
    """As text: median and spread."""
    if not cell or "seconds" not in cell:
        return ""
    return f"{number(cell['seconds'])} ±{100 * (cell['upper'] - cell['lower']) / 2 / cell['seconds']:.0f}%"


def markdown_table(headings, rows):
    lines = [headings, ["---"] * 2 + ["---:"] * (len(headings) - 2), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def measured_peers(row):
    return {name: cell["seconds"] for name, cell in row["peers"].items() if "seconds" in cell}


def ratio(row):
    peers = measured_peers(row)
    return min(peers.values()) / row["ours"]["seconds"] if peers else None


def main_table(rows, columns):
    headings = ["what", "size", "ours (s)", "floor (s)", "times the floor"]
    headings += [f"{PEERS[column]} (s)" for column in columns] + ["best peer / ours"]
    lines = []
    for row in rows:
        line = [f"({row['section']}) {row['what']}", row["size"], seconds(row["ours"]), number(row["floor"]),
                number(row["ours"]["seconds"] / row["floor"])]
        line += [seconds(row["peers"].get(column)) for column in columns]
        best = ratio(row)
        lines.append([*line, number(best) if best else ""])
    return markdown_table(headings, lines)


def growth_table(growth, columns):
    names = ["ours", *columns]
    rows = [[entry["what"], entry["variable"], str(entry["expected"]),
             *(f"{entry['exponents'][name]:.2f}" if name in entry["exponents"] else "" for name in names)]
            for entry in growth]
    return markdown_table(["what", "in", "expected", "ours", *(PEERS[column] for column in columns)], rows)


def scaling_table(scaling, threads):
    rows = [[entry["what"], entry["size"], seconds(entry["one"]), seconds(entry["all"]),
             number(entry["one"]["seconds"] / entry["all"]["seconds"]),
             f"{entry['limit']}: {number(entry['limit_faster'])}"] for entry in scaling]
    headings = ["what", "size", "1 thread (s)", f"{threads} threads (s)", "faster", "its bound is faster by"]
    return markdown_table(headings, rows)


def convolutions(rows):
    lines = [[row["size"], "", f"{100 * row['convolution_share']:.0f}%"]
             for row in rows if row.get("convolution_share")]
    return markdown_table(["local training of", "", "of the rate of products"], lines)


def fleets(rows):
    lines = [[row["size"], "", seconds(row["ours"]), number(row["one_by_one"]["seconds"]),
              number(row["one_by_one"]["seconds"] / row["ours"]["seconds"])] for row in rows if "one_by_one" in row]
    return markdown_table(["round of", "", "fleet (s)", "one by one (s)", "faster"], lines)


def checks_table(checks):
    rows = [[check["what"], PEERS[check["column"]],
             check.get("absent") or ", ".join(f"{name} {error:.1e}" for name, error in check["errors"].items())]
            for check in checks]
    return markdown_table(["what", "peer", "largest relative difference from ours"], rows)


def absences(rows):
    """What kept cells empty, each reason once."""
    reasons = {}
    for row in rows:
        for name, cell in row["peers"].items():
            if "absent" in cell:
                reasons.setdefault(f"{PEERS[name]}: {cell['absent']}", []).append(f"{row['what']}, {row['size']}")
    return [f"- {reason} ({where[0]}{f', and {len(where) - 1} more' if len(where) > 1 else ''})"
            for reason, where in reasons.items()]


def markdown(result, facts):
    rows = result["rows"]
    columns = [column for column in PEERS if any(column in measured_peers(row) for row in rows)]
    threads = next((value for name, value in facts if name == "Threads"), "all")
    parts = ["# Speed of CGSV beside its peers", "", *(f"- {name}: {value}" for name, value in facts),
             f"- Took: {result['seconds']:.0f} s", "", INTRODUCTION, "", *main_table(rows, columns),
             "## Growth", "", "Exponents fitted to the seconds above (the server step's from N D = 2,000,000 on).", "",
             *growth_table(result["growth"], columns)]
    if result["scaling"]:
        parts += ["## Threads", "", "One thread and all in turn; medians. Training is bound by products, the server "
                  "step by copies of memory.", "", *scaling_table(result["scaling"], threads)]
    parts += ["## Convolutions", "", "Forward and all gradients together, of three rounds under a profile.", "",
              *convolutions(rows), "## Fleets", "", *fleets(rows),
              "## The peers compute the same", "", *checks_table(result["checks"])]
    missing = [f"- {note}" for note in result["notes"]] + absences(rows)
    missing += [f"- {PEERS[column]}: no column, as nothing of it was measured"
                for column in PEERS if column not in columns]
    if missing:
        parts += ["## Not measured", "", *missing, ""]
    return "\n".join(parts)


def csv_rows(result):
    """One line per row of any table and implementation."""
    yield ("section", "what", "size", "by", "seconds", "lower_quartile", "upper_quartile", "repeats", "floor_seconds",
           "over_ours")
    for row in result["rows"]:
        for name, cell in {"ours": row["ours"], **row["peers"]}.items():
            if "seconds" in cell:
                yield (row["section"], row["what"], row["size"], name, cell["seconds"], cell["lower"], cell["upper"],
                       cell.get("repeat"), row["floor"], cell["seconds"] / row["ours"]["seconds"])
    for entry in result["scaling"]:
        for name in ("one", "all"):
            yield ("threads", entry["what"], entry["size"], f"ours, {name}", entry[name]["seconds"],
                   entry[name]["lower"], entry[name]["upper"], entry[name].get("repeat"), None,
                   entry[name]["seconds"] / entry["all"]["seconds"])


def main():
    source, stem, *facts = sys.argv[1:]
    facts = [fact.split("=", 1) for fact in facts]
    with open(source, encoding="utf-8") as file:
        result = json.load(file)
    facts += [[{"torch": "PyTorch", "jax": "JAX"}[name], version] for name, version in result["versions"].items()]
    text = markdown(result, facts)
    with open(stem + ".md", "w", encoding="utf-8") as file:
        file.write(text)
    with open(stem + ".csv", "w", encoding="utf-8", newline="") as file:
        for name, value in facts:
            file.write(f"# {name}: {value}\n")
        csv.writer(file, lineterminator="\n").writerows(csv_rows(result))
    print(text, end="")


if __name__ == "__main__":
    main()
