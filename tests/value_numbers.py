"""The numbers of cgsv value against naive formulas, in the folder that value_files.py filled.
usage: value_numbers.py CGSV PART [FILE]"""
import csv
import itertools
import json
import math
import os
import resource
import subprocess
import sys

import value_files as files

CGSV = sys.argv[1]
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    if not ok:
        print("FAILED:", what)


def near(got, expected, bound, what):
    if len(got) != len(expected):
        return check(False, f"{what}: {len(got)} numbers, expected {len(expected)}")
    off = max(abs(a - b) for a, b in zip(got, expected))
    check(off <= bound, f"{what}: off by {off:.3g}, at most {bound:.3g} allowed\n    {got}\n    {expected}")


def value(*arguments, threads=1):
    run = subprocess.run([CGSV, "value", "--device", "cpu", "--threads", str(threads), "--json", "-", *arguments],
                         capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"FAILED: cgsv value {' '.join(arguments)}: {run.stderr}")
    return json.loads(run.stdout)


def column(result, key, which=0):
    return [agent[key] for agent in result["rounds"][which]["agents"]]


# ---- naive formulas, in float64 ----

def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def scaled(rows, weights, gamma):
    """gamma None: the updates as they are."""
    factors = [w if gamma is None else w * gamma / (math.sqrt(dot(r, r)) + 1e-7) if dot(r, r) else 0
               for w, r in zip(weights, rows)]
    return [[f * x for x in row] for f, row in zip(factors, rows)]


def total(vectors):
    return [math.fsum(entries) for entries in zip(*vectors)]


def cosine(a, b):
    norms = math.sqrt(dot(a, a)) * math.sqrt(dot(b, b))
    return dot(a, b) / norms if norms > 0 else 0.0


def utilities(vectors):
    everyone = total(vectors)
    nu = {(): 0.0}
    for size in range(1, len(vectors) + 1):
        for members in itertools.combinations(range(len(vectors)), size):
            nu[members] = cosine(total([vectors[i] for i in members]), everyone)
    return nu


def shapley(vectors):
    """Mean marginal contribution over all orders."""
    nu, agents = utilities(vectors), range(len(vectors))
    values = [0.0] * len(vectors)
    for order in itertools.permutations(agents):
        for place, i in enumerate(order):
            before = tuple(sorted(order[:place]))
            values[i] += nu[tuple(sorted(before + (i,)))] - nu[before]
    return [v / math.factorial(len(vectors)) for v in values]


def leave_one_out(vectors):
    nu, agents = utilities(vectors), tuple(range(len(vectors)))
    return [nu[agents] - nu[tuple(j for j in agents if j != i)] for i in agents]


def euclidean(rows, vectors, gamma):
    everyone = total(vectors)
    lengths = [1 if gamma is None else gamma / math.sqrt(dot(r, r)) for r in rows]
    return [1 / (1 + math.dist([s * x for x in r], everyone)) for s, r in zip(lengths, rows)]


# ---- parts ----

def golden():
    tensors, _ = files.read_safetensors(sys.argv[3])
    for case in range(9):
        name = f"c{case}."
        files.npy("golden.npy", tensors[name + "weight"], "<f8")
        result = value(sys.argv[3], "--tensor", name + "update", "--weights", "golden.npy", "--precise",
                       "--no-normalise")
        near(column(result, "value"), tensors[name + "shapley"], 1e-10, name + "shapley")
        near(column(result, "psi"), tensors[name + "psi"], 1e-10, name + "psi")


def values():
    rows, weights = files.draw(1, 5, 300), [0.1, 0.2, 0.3, 0.0, 0.4]
    for gamma in (None, 0.5, 3.0):
        vectors = scaled(rows, weights, gamma)
        flags = ["a.npy", "--precise", "--weights", "weights.txt"]
        flags += ["--no-normalise"] if gamma is None else ["--gamma", str(gamma)]
        expected = {"exact": shapley(vectors), "leave-one-out": leave_one_out(vectors),
                    "cosine": [cosine(r, total(vectors)) for r in rows], "euclidean": euclidean(rows, vectors, gamma)}
        for method, numbers in expected.items():
            result = value(*flags, "--method", method)
            near(column(result, "value"), numbers, 1e-12, f"{method}, gamma {gamma}")
            near(column(result, "share"), [x / sum(numbers) for x in numbers], 1e-12, f"{method}'s shares")
            near(column(result, "psi"), expected["cosine"], 1e-12, "psi")
        near(column(result, "weight"), weights, 1e-15, "weights")
        near(column(result, "norm"), [math.sqrt(dot(r, r)) for r in rows], 1e-12, "norms")
        near([result["rounds"][0]["sum"]], [sum(numbers)], 1e-12, "sum")
    near(column(value("a.npy"), "value"), shapley(scaled(rows, [0.2] * 5, 0.5)), 1e-6, "float32 products")
    uniform = column(value("a.npy", "--weights", "uniform"), "value")
    check(uniform == column(value("a.npy"), "value"), "uniform weights are the default")


def without_seconds(result):
    return {key: x for key, x in result.items() if key not in ("seconds", "files", "weights", "device", "layers")}


def same(a, b, what):
    check(without_seconds(a) == without_seconds(b), what)


def files_part():
    base = value("a.npy", "--precise")
    reordered = value("named.safetensors", "--precise")
    names = ["agent_1", "agent_2", "agent_9", "agent_10", 'odd "name", 3']
    check(column(reordered, "name") == names, "natural order of names")
    order = [2, 0, 3, 1, 4]
    near(column(reordered, "value"), [column(base, "value")[i] for i in order], 1e-14, "one tensor per agent")
    same(value("matrix.safetensors", "--tensor", "updates", "--precise"), base, "a matrix among others")
    same(value("double.npy"), base, "float64 of the same numbers")
    near(column(value("half.npy"), "value"), column(base, "value"), 1e-3, "float16")
    for name in ("tiny", "huge"):
        result = value(name + ".npy", "--no-normalise")
        near(column(result, "value"), column(value("a.npy", "--no-normalise"), "value"), 1e-6, name)
        check(result["rounds"][0]["precise"], name + " is read again in float64")
    check(not value("zero_agent.npy")["rounds"][0]["precise"], "a zero update is not read again")
    near(column(value("beyond.npy", "--no-normalise"), "value"), column(value("double.npy", "--no-normalise"), "value"),
         1e-12, "numbers beyond float32")
    for name in ("weights.json", "weights.npy"):
        same(value("a.npy", "--weights", name), value("a.npy", "--weights", "weights.txt"), name)
    text = subprocess.run([CGSV, "value", "--device", "cpu", "a.npy", "named.safetensors", "--method", "owen", "--csv",
                           "rows.csv", "--json", "rows.json"], capture_output=True, text=True)
    check(text.returncode == 0, text.stderr)
    with open("rows.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    flat = [dict(agent, round=r["round"]) for r in json.load(open("rows.json"))["rounds"] for agent in r["agents"]]
    check(len(rows) == len(flat) == 10 and rows[4]["name"] == 'odd "name", 3', "rows of the CSV")
    for row, agent in zip(rows, flat):
        for key in ("round", "agent", "weight", "coefficient", "norm", "value", "standard_error", "share", "psi"):
            check(float(row[key]) == agent[key], f"CSV and JSON: {key}")
    one, two = value("a.npy"), value("b.npy")
    both = value("a.npy", "b.npy")
    check(both["rounds"][0]["agents"] == one["rounds"][0]["agents"], "round 1 of 2")
    check(both["rounds"][1]["agents"] == two["rounds"][0]["agents"], "round 2 of 2")
    sums = [x + y for x, y in zip(column(one, "value"), column(two, "value"))]
    near(both["cumulative"], sums, 1e-15, "cumulative values")
    near(both["mean"], [x / 2 for x in sums], 1e-15, "mean values")


def sampling():
    exact = column(value("a.npy"), "value")
    for method in ("permutation", "antithetic", "stratified", "owen"):
        flags = ["a.npy", "--method", method, "--budget", "100", "--seed", "7"]
        result = value(*flags)
        errors = column(result, "standard_error")
        check(all(e > 0 for e in errors), method + ": standard errors")
        check(all(abs(x - y) < 5 * e for x, y, e in zip(column(result, "value"), exact, errors)),
              method + ": within 5 standard errors")
        check(result["permutations"] == 100 and not result["every_order"], method + ": the budget")
        if method in ("permutation", "antithetic"):
            near([result["rounds"][0]["sum"]], [1], 1e-12, method + ": efficiency")
        same(value(*flags, threads=2), result, method + ": same seed, same bits, for two threads")
        check(column(value(*flags[:-1], "8"), "value") != column(result, "value"), method + ": another seed")
        twice = value("a.npy", "a.npy", *flags[1:])
        check(column(twice, "value", 0) == column(result, "value"), method + ": round 1 of 2")
        check(column(twice, "value", 1) != column(result, "value"), method + ": every round draws anew")
    every = value("a.npy", "--method", "permutation", "--budget", "120")
    check(every["every_order"] and column(every, "value") == exact, "every order is exact")
    bound = value("a.npy", "--method", "owen", "--epsilon", "0.05", "--delta", "0.2")
    check(bound["permutations"] == math.ceil(math.log(2 / 0.2) / (2 * 0.05 ** 2)), "Hoeffding's budget")


# ---- the mechanism, README, "How it works" ----

def mechanism_round(rows, weights, past, alpha, beta, gamma, layers, rule):
    """Aggregate, psi, importance, q, and each agent's reward."""
    vectors = scaled(rows, weights, gamma)
    aggregate = total(vectors)
    psi = [cosine(r, aggregate) for r in rows]
    importance = [max(alpha * p + (1 - alpha) * x, 1e-3) for p, x in zip(past, psi)]
    importance = [r / sum(importance) for r in importance]
    q = [math.tanh(beta * r) for r in importance]
    q = [x / max(q) for x in q]
    rewards = []
    for ratio in q:
        kept = set()
        begin = 0
        for size in layers:
            n = min(size, math.ceil(ratio * size - 1e-9)) if rule == "layer" else math.floor(ratio * size + 1e-9)
            kept |= set(sorted(range(begin, begin + size), key=lambda d: (-abs(aggregate[d]), d))[:n])
            begin += size
        rewards.append({d: aggregate[d] for d in sorted(kept)})
    return psi, importance, q, rewards


def mechanism():
    rounds, shares = [files.draw(1, 5, 300), files.draw(2, 5, 300)], [0.1, 0.2, 0.3, 0.0, 0.4]
    cases = [("layer", [300], []), ("layer", [100, 150, 50], ["--layers", "layers.txt"]), ("global", [300], [])]
    for rule, layers, flags in cases:
        folder = f"mechanism_{rule}_{len(layers)}"
        result = value("a.npy", "b.npy", "--round", "--weights", "weights.txt", "--alpha", "0.7", "--beta", "2",
                       "--gamma", "0.8", "--reward", rule, "--out", folder, *flags)
        weights, past = shares, [0.0] * 5
        for t, rows in enumerate(rounds):
            what = f"{rule}, {len(layers)} layers, round {t + 1}"
            psi, past, q, rewards = mechanism_round(rows, weights, past, 0.7, 2, 0.8, layers, rule)
            near(column(result, "weight", t), weights, 1e-6, what + ": weights")
            near(column(result, "value", t), shapley(scaled(rows, weights, 0.8)), 1e-5, what + ": values")
            near(column(result, "psi", t), psi, 1e-6, what + ": psi")
            near(column(result, "importance", t), past, 1e-6, what + ": importance")
            near(column(result, "keep_ratio", t), q, 1e-6, what + ": q")
            check(column(result, "kept", t) == [len(r) for r in rewards], what + ": entries kept")
            tensors, metadata = files.read_safetensors(f"{folder}/rewards_{t + 1}.safetensors", aligned=True)
            check(metadata == {"dimension": "300", "round": str(t + 1), "file": "ab"[t] + ".npy"}, what + ": metadata")
            for i, reward in enumerate(rewards):
                check(tensors[f"agent_{i}.index"] == list(reward), what + f": indices of agent {i}")
                near(tensors[f"agent_{i}.value"], list(reward.values()), 1e-6, what + f": entries of agent {i}")
            weights = past
    same(value("a.npy", "--round", "--layers", "layers.txt"), value("a.npy", "--round", "--layers", "layers.json"),
         "layers as text and as JSON")


def rewards():
    value("named.safetensors", "--round", "--out", "sparse")
    value("named.safetensors", "--round", "--out", "dense", "--dense-rewards")
    sparse, _ = files.read_safetensors("sparse/rewards.safetensors", aligned=True)
    dense, _ = files.read_safetensors("dense/rewards.safetensors", aligned=True)
    check(sorted(dense) == sorted(set(n.rsplit(".", 1)[0] for n in sparse)) and "agent_10" in dense, "named rewards")
    for name, vector in dense.items():
        pairs = dict(zip(sparse[name + ".index"], sparse[name + ".value"]))
        check(vector == [pairs.get(d, 0.0) for d in range(300)], f"dense and sparse rewards of {name}")
    base = column(value("nan.npy", "--skip-faulty", "--round"), "importance")
    check(base[0] > 0.9 and base[1] == base[2] and 0 < base[1] < 0.1, "importance beside faulty agents")


# ---- a file larger than --memory ----

def within(mebibytes, *arguments):
    """Exit code and message of a run whose own memory is limited by the system."""
    limit = mebibytes * 2**20
    run = subprocess.run([CGSV, "value", "--device", "cpu", "--threads", "1", *arguments], capture_output=True,
                         text=True, env=dict(os.environ, OPENBLAS_NUM_THREADS="1"),
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
    return run.returncode, run.stderr


def memory():
    """104 MB, every row the same drawings turned by another angle."""
    agents, columns, block = 8, 3_250_037, 100_003
    drawn = files.rounded(files.draw(6, 1, block))[0]
    raw = files.singles(drawn)
    with open("large.npy", "wb") as file:
        file.write(files.npy_header((agents, columns)))
        for i in range(agents):
            turn = i * 7919 * 4
            row = (raw[turn:] + raw[:turn]) * (columns // block + 1)
            file.write(row[:columns * 4])
    size = os.path.getsize("large.npy")
    check(size > 100e6, "the file is larger than what follows allows")
    for method in ("exact", "antithetic"):
        unlimited = value("large.npy", "--method", method)
        for limit in ("64M", "3M"):
            same(value("large.npy", "--method", method, "--memory", limit), unlimited, f"--memory {limit}, {method}")
    same(value("large.npy", "--method", method, threads=2), unlimited, "two threads")
    same(value("large.npy", "--precise"), value("large.npy", "--precise", "--memory", "5M"), "float64 products")
    same(value("large.npy", "--round"), value("large.npy", "--round", "--memory", "110M"), "with --round")
    base = next(size for size in range(8, 4096, 2) if within(size, "a.npy")[0] == 0)
    check(within(base + 6, "large.npy", "--memory", "6M")[0] == 0, "--memory 6M takes more than that")
    code, message = within(base + 6, "large.npy")
    check(code == 1 and "lower --memory" in message, f"and without it: {code}, {message}")
    os.remove("large.npy")


{"golden": golden, "values": values, "files": files_part, "sampling": sampling, "mechanism": mechanism,
 "rewards": rewards, "memory": memory}[sys.argv[2]]()
sys.exit(failed > 0)
