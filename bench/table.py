"""Writes the measurements of bench/run.sh as a table: STEM.md and STEM.csv, and the first to standard output as well.

    table.py LINES STEM NAME=VALUE...

LINES has one JSON object a line, {"ours": ..., "peer": ... or null}, with what each program printed. The facts
NAME=VALUE (machine, compiler, commit) stand on top.
"""

import csv
import json
import sys

COLUMNS = ("what", "size", "on", "ours (s)", "PyTorch (s)", "PyTorch / ours", "floor (s)", "times the floor")


def row(what, size, device, ours, peer=None, floor=None):
    return (what, size, device, ours, peer, peer / ours if peer else None, floor, ours / floor if floor else None)


def rows(ours, peer):
    seconds = peer["seconds"] if peer else None
    if ours["what"] == "server":
        size = f"N = {ours['agents']}, D = {ours['dimension']:,}"
        yield row("server step", size, ours["description"], ours["seconds"], seconds, ours["floor_seconds"])
    else:
        size = f"{ours['model']}, N = {ours['agents']}"
        yield row("local training of a round", size, ours["device"], ours["seconds"], seconds)
        yield row("server step of that round", size, ours["device"], ours["server_seconds"])


def text(value):
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:#.4g}".rstrip(".")


def main():
    lines, stem, *facts = sys.argv[1:]
    with open(lines, encoding="utf-8") as file:
        measured = [entry for line in file for entry in rows(**json.loads(line))]
    table = [[text(value) for value in entry] for entry in measured]

    parts = ["# Speed of CGSV beside PyTorch", ""]
    parts += ["- {}: {}".format(*fact.split("=", 1)) for fact in facts]
    parts += ["", "Both columns of seconds come from the same run of `bench/run.sh`. The floor of a server step is",
              "the time to read the updates once and to read and write the models once, at the bandwidth of",
              "a copy measured in the same run. An empty cell was not measured.", ""]
    parts += ["| " + " | ".join(line) + " |" for line in (COLUMNS, ["---"] * 3 + ["---:"] * 5, *table)]
    markdown = "\n".join(parts) + "\n"
    with open(stem + ".md", "w", encoding="utf-8") as file:
        file.write(markdown)
    with open(stem + ".csv", "w", encoding="utf-8", newline="") as file:
        for fact in facts:
            file.write("# {}: {}\n".format(*fact.split("=", 1)))
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *measured])
    print(markdown, end="")


if __name__ == "__main__":
    main()
