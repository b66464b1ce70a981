#!/usr/bin/env bash
# cgsv bench as its users meet it: codes, messages, the table, the lines of JSON. Times are not judged.
# usage: bench_test.sh PATH/TO/cgsv
# shellcheck source=cli_helpers.sh
source "$(dirname "$0")/cli_helpers.sh" "$1"

quick=(--repeat 1 --device cpu --threads 2)

# Help
expect 0 'usage: cgsv bench WHAT' bench --help
expect 0 'usage: cgsv bench WHAT' help bench
expect 0 '^  bench ' help
for what in server shapley select; do
    expect 0 "^  $what " bench --help
    expect 0 "usage: cgsv bench $what" bench "$what" --help
done
expect 0 '(default layer)' bench select --help
expect 0 'exact-agents' bench shapley --help

# Wrong use
refuse 2 "needs to know what to time: server, shapley or select" bench
refuse 2 "unknown benchmark 'sever'; did you mean 'server'?" bench sever
refuse 2 "unknown benchmark '--json'" bench --json
refuse 2 "agents: 0 is out of range; it must be at least 1 and at most 10000" bench server --agents 10,0
refuse 2 "agents: 32769 is out of range" bench shapley --agents 32769
refuse 2 "agents: '5x' is neither a whole number nor a range" bench server --agents 5x
refuse 2 "agents: 'none' leaves nothing to measure" bench select --agents none
refuse 2 "dimension: 2147483648 is out of range" bench select --dimension 2^31
refuse 2 "dimension: 7 stands twice" bench server --dimension 7,7
refuse 2 "repeat.*at least 1" bench server --repeat 0
refuse 2 "did you mean 'global'?" bench server --reward globl
refuse 2 "unknown option '--reward'" bench shapley --reward layer
refuse 2 "unknown option '--precise'" bench server --precise
refuse 2 "exact-agents.*at most 40" bench shapley --exact-agents 41
refuse 2 "unexpected argument 'x'" bench server x
refuse 2 "abacus" bench server --device abacus

# More memory than there is, at the last size: refused before the first is measured
for what in server shapley select; do
    refuse 1 "bench $what with N = 10000, D = 2000000000 needs [0-9.]* [MGT]iB of memory, cpu has [0-9.]* [GM]iB free" \
        bench "$what" "${quick[@]}" --agents 10000 --dimension 100,2000M
done

# Tables
expect 0 '^cpu: 2 threads, .*; 1 repeat$' \
    bench server "${quick[@]}" --agents 1,3 --dimension 1,999,5000
check "a row for every pair" test "$(grep -cE '^server +[13] +(1|999|5,000) ' out)" -eq 6
check "copies beside each row" grep -q '^what .* least  copy GB/s  ' out
check "columns line up" test "$(awk 'NR > 2 { print length }' out | sort -u | wc -l)" -eq 1
check "one line of headings" test "$(grep -c '^what ' out)" -eq 1
check "nothing on standard error" test ! -s err
"$cgsv" bench select "${quick[@]}" --agents 2 --dimension 100 >/dev/full 2>err
check "standard output that is full" test $? -eq 1

# JSON
cat >lines.py <<'P'
import json, math, sys
rows = [json.loads(line) for line in open("out")]
common = set("what device description threads agents dimension repeat copy_gb_per_second product_gflop_per_second "
             "seconds least_seconds lower_seconds upper_seconds most_seconds gb_per_second share_of_copy".split())
for r in rows:
    assert r["device"] == "cpu" and r["threads"] == 2 and r["repeat"] == 3, r
    ordered = [r[key + "seconds"] for key in ("least_", "lower_", "", "upper_", "most_")]
    assert 0 < ordered[0] and ordered == sorted(ordered) and ordered[-1] < 60, r
    assert r["product_gflop_per_second"] > 0.1, r
    assert 0.01 < r["copy_gb_per_second"] < 1e5, r


def same(x, y):
    return math.isclose(x, y, rel_tol=1e-9)


def check(what, keys, points):
    assert [(r["what"], r["agents"], r["dimension"]) for r in rows] == [(what, *p) for p in points]
    for r in rows:
        assert set(r) == common | set(keys.split()), sorted(r)


def rates(r, nbytes):
    assert same(r["gb_per_second"], 1e-9 * nbytes / r["seconds"])
    assert same(r["share_of_copy"], r["gb_per_second"] / r["copy_gb_per_second"])


def server():
    check("server", "reward updates norms_given floor_bytes floor_seconds times_floor moved_bytes",
          [(2, 3000), (2, 4000), (5, 3000), (5, 4000)])
    for r in rows:
        n, d = r["agents"], r["dimension"]
        reads = 1 if r["norms_given"] else 2
        assert r["floor_bytes"] == 4 * d * (n + 2 * (n + 1))
        assert r["moved_bytes"] == 4 * d * (reads * n + 5 + 2 * (n + 1))
        assert same(r["times_floor"], r["seconds"] / r["floor_seconds"])
        assert same(r["floor_seconds"], 1e-9 * r["floor_bytes"] / r["copy_gb_per_second"])
        rates(r, r["moved_bytes"])


def select():
    check("select", "reward passes reads bytes", [(1, 1), (1, 70000), (40, 1), (40, 70000)])
    for r in rows:
        assert r["reward"] == sys.argv[2]
        assert 1 <= r["passes"] <= r["reads"] <= 4, r
        assert same(r["bytes"], 4 * r["dimension"] * r["passes"])
        rates(r, r["bytes"])
    assert rows[3]["passes"] >= 2  # 40 ranks need more than the leading bits


def shapley():
    gram, methods = sys.argv[2], "cosine permutation antithetic stratified owen leave-one-out euclidean".split()
    points = []
    for n in 4, 7, 9:
        sampled = [m for m in methods if n > 5 or m not in ("permutation", "antithetic")]  # 4! orders: exact
        points += [(gram, n, 100)] + [(m, n, 100) for m in ["exact"] * (n <= 7) + sampled] + [(gram, n, 3000)]
    assert [(r["what"], r["agents"], r["dimension"]) for r in rows] == points, rows
    coalitions = {"exact": lambda n: 2**n, "permutation": lambda n: 150 * n, "antithetic": lambda n: 150 * n,
                  "stratified": lambda n: 150 * n, "owen": lambda n: 150 * n // (n + 1) * (n + 1),
                  "leave-one-out": lambda n: n + 1}
    for r in rows:
        n, d = r["agents"], r["dimension"]
        assert set(r) == common | {"bytes", "gflop_per_second", "coalitions", "coalitions_per_second"}
        if r["what"] == gram:
            assert r["bytes"] == 4 * n * d and r["coalitions"] is None
            assert same(r["gflop_per_second"], 1e-9 * d * n * (n + 1) / r["seconds"])
            rates(r, r["bytes"])
        else:
            count = coalitions.get(r["what"], lambda n: None)(n)
            assert r["coalitions"] == count and r["gb_per_second"] is None, r
            assert (r["coalitions_per_second"] is None) if count is None else same(
                r["coalitions_per_second"], count / r["seconds"])


globals()[sys.argv[1]]()
P
lines() { # REST OF lines.py's ARGUMENTS -- ARGUMENTS OF cgsv bench
    local what=("$1")
    shift
    while [ "$1" != -- ]; do what+=("$1"); shift; done
    shift
    expect 0 '^{"what":' bench "${what[0]}" --device cpu --threads 2 --repeat 3 --json "$@"
    check "JSON of bench ${what[*]}" python3 lines.py "${what[@]}"
    check "nothing but JSON" test ! -s err
}
lines server -- --agents 2,5 --dimension 3k..4k:1k --reward global
lines server -- --agents 2,5 --dimension 3k..4k:1k --norms-given
lines select layer -- --agents 1,40 --dimension 1,70000
lines select global -- --agents 1,40 --dimension 1,70000 --reward global
lines shapley gram -- --agents 4,7,9 --dimension 100,3000 --exact-agents 7
lines shapley "gram precise" -- --agents 4,7,9 --dimension 100,3000 --exact-agents 7 --precise

finish
