"""What a fault has left behind, against what an undisturbed command wrote.
usage: fault_same.py whole|parts EXPECTED FOUND
whole: the same files with the same numbers. parts: each file that is there is whole; tables have whole rows.
Times, free memory and command lines aside, and checkpoints: to go on from them shows whether they are sound."""
import json
import os
import re
import sys

mode, expected, found = sys.argv[1:]
ASIDE = {"seconds", "memory", "command_line", "available", "device"}


def files(path):
    if os.path.isfile(path):
        return {"": open(path, "rb").read()}
    return {os.path.relpath(os.path.join(folder, name), path): open(os.path.join(folder, name), "rb").read()
            for folder, _, names in os.walk(path) for name in names if "checkpoints" not in folder}


def still(value):
    if isinstance(value, dict):
        return {key: still(item) for key, item in value.items() if key not in ASIDE}
    return [still(item) for item in value] if isinstance(value, list) else value


def rows(raw):
    """Whole rows without times, free of those of cells that have failed."""
    assert not raw or raw.endswith(b"\n"), "a torn row"
    lines = [line.split(",") for line in raw.decode().splitlines()]
    timed = [i for i, name in enumerate(lines[0] if lines else []) if name.startswith("seconds") or "_s" == name[-2:]]
    return [[field for i, field in enumerate(line) if i not in timed] for line in lines if "failed" not in line]


def same(name, ours, theirs):
    if name.endswith(".json"):
        return still(json.loads(ours)) == still(json.loads(theirs))
    if name.endswith(".csv"):
        ours, theirs = rows(ours), rows(theirs)
        return ours == theirs if mode == "whole" else all(row in theirs for row in ours)
    if name.endswith((".md", ".html")) or not name:  # which tell times
        varying = rb"(?m)^.*(seconds|GiB|MiB|--out|Date|[0-9]:[0-9]).*$"
        strip = lambda text: re.sub(rb"[0-9.]+", b"#", re.sub(varying, b"", text))
        return strip(ours) == strip(theirs)
    return ours == theirs


ours, theirs = files(found), files(expected)
if not os.path.exists(found):
    ours = {}
for name, raw in ours.items():
    assert name in theirs, f"left behind: {name}"
    assert same(name, raw, theirs[name]), f"torn, or other numbers: {name}"
if mode == "whole":
    assert sorted(ours) == sorted(theirs), set(theirs) - set(ours)
