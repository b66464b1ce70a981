#!/usr/bin/env bash
# The planned memory against the memory that a run takes.
# usage: memory_test.sh PATH/TO/cgsv
set -u
cgsv=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

exec python3 - "$cgsv" <<'P'
import json, multiprocessing, resource, subprocess, sys

cgsv = sys.argv[1]
common = ["run", "--quiet", "--data-set", "synthetic", "--rounds", "1", "--local-epochs", "1", "--device", "cpu",
          "--threads", "2", "--partition", "uniform"]
# The minimal run holds the program, its libraries and the host's copy of the data set: what it takes
# beyond its own plan is no part of any plan.
minimal = ["--model", "mlp", "--agents", "1", "--samples-per-agent", "64", "--no-standalone"]
cases = {
    "many slots": ["--model", "mnist_cnn", "--agents", "4", "--samples-per-agent", "256", "--batch", "512"],
    "many agents": ["--model", "mlp", "--agents", "300", "--samples-per-agent", "20", "--optimizer", "adam"],
}


def planned(options):
    text = subprocess.run([cgsv, *common, *options, "--dry-run", "--format", "json"], check=True,
                          capture_output=True, text=True).stdout
    return json.loads(text)["memory"]["total"]


def peak_of_child(options):
    """In a process of its own, since RUSAGE_CHILDREN tells the largest of all children so far."""
    subprocess.run([cgsv, *common, *options], check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def peak(options):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(peak_of_child, (options,))


def mib(size):
    return f"{size / 2**20:.1f} MiB"


passed = failed = 0


def check(ok, what):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print("FAILED:", what)


base = peak(minimal) - planned(minimal)
print("baseline:", mib(base))
check(base > 0, "the minimal run takes less than its plan")
for name, options in cases.items():
    plan, taken = planned(options), peak(options) - base
    off = taken / plan - 1
    print(f"{name}: planned {mib(plan)}, taken {mib(taken)}, off by {100 * off:+.2f} %")
    check(abs(off) <= 0.1, f"{name}: not within 10 % of the plan")
check(max(map(planned, cases.values())) > 500 * 2**20, "no plan is large enough to mean something")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
P
