"""Adds up what gcov counted in a build: lines and branches of src/ and kernels/ that ran, the files
with the least of them, and the functions that never ran.

The kernels are compiled once per instruction set, and some files of src/ for several programs: a line,
or the same outcome of a branch, counts when it ran in any of them.
"""
import argparse
import collections
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

PARTS = ("src", "kernels")
NOT_BUILT = ("kernels/threads.h",)  # of the build for ThreadSanitizer


class Source:
    def __init__(self):
        self.lines = collections.Counter()
        self.branches = collections.Counter()  # by line and outcome
        self.functions = collections.Counter()  # by line and name


def counts_of(build):
    """What gcov says of every object, file by file."""
    notes = sorted(build.rglob("*.gcno"))
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(notes), 50):
            subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--hash-filenames",
                            *map(str, notes[first:first + 50])],
                           cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for path in pathlib.Path(folder).glob("*.gcov.json.gz"):
            with gzip.open(path, "rt", encoding="utf8") as stream:
                report = json.load(stream)
            for file in report["files"]:
                yield pathlib.Path(report["current_working_directory"], file["file"]), file


def add_up(build, root):
    sources = collections.defaultdict(Source)
    for path, file in counts_of(build):
        path = path.resolve()
        if root not in path.parents:
            continue
        name = str(path.relative_to(root))
        if not name.startswith(PARTS) or name in NOT_BUILT:
            continue
        source = sources[name]
        outcome = collections.Counter()
        for line in file["lines"]:
            number = line["line_number"]
            source.lines[number] += line["count"]
            for branch in line["branches"]:
                if branch["throw"]:
                    continue
                source.branches[number, outcome[number]] += branch["count"]
                outcome[number] += 1
        for function in file["functions"]:
            if "._omp_fn" not in function["name"]:  # the compiler's, of a parallel loop
                source.functions[function["start_line"], function["demangled_name"].split("(")[0]] += \
                    function["execution_count"]
    return sources


def share(counter):
    return 100 * sum(count > 0 for count in counter.values()) / max(1, len(counter))


def whole(sources, what, part=""):
    return collections.Counter({(name, key): count for name, source in sources.items() if name.startswith(part)
                                for key, count in getattr(source, what).items()})


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--least", type=float, default=0, help="percent of all lines")
    arguments.add_argument("--files", type=int, default=20, help="how many files to name")
    arguments.add_argument("--lines", action="append", default=[], help="name the lines of this file that never ran")
    args = arguments.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    sources = add_up(args.build.resolve(), root)
    if not sources:
        sys.exit(f"tests/coverage.py: nothing counted in {args.build}; build it with -DCGSV_COVERAGE=ON and run tests")
    print("| part | lines | ran | branches | taken |")
    print("| --- | --- | --- | --- | --- |")
    for part in (*PARTS, ""):
        lines, branches = whole(sources, "lines", part), whole(sources, "branches", part)
        print(f"| {part or 'all'} | {len(lines)} | {share(lines):.1f}% | {len(branches)} | {share(branches):.1f}% |")
    print("\nLeast covered:")
    for name, source in sorted(sources.items(), key=lambda item: share(item[1].lines))[:args.files]:
        missed = sum(count == 0 for count in source.lines.values())
        print(f"  {share(source.lines):5.1f}%  {missed:4d} of {len(source.lines):4d} lines missed  {name}")
    print("\nFunctions that never ran:")
    for name, source in sorted(sources.items()):
        for (line, function), count in sorted(source.functions.items()):
            if count == 0:
                print(f"  {name}:{line}: {function}")
    for name in args.lines:
        missed = (str(number) for number, count in sorted(sources[name].lines.items()) if count == 0)
        print(f"\nLines of {name} that never ran:", " ".join(missed))
    total = share(whole(sources, "lines"))
    if total < args.least:
        sys.exit(f"tests/coverage.py: {total:.1f}% of the lines ran, expected at least {args.least:g}%")


if __name__ == "__main__":
    main()
