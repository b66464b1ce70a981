"""Measures all that bench/run.sh's table shows, ours and at once after it the peers, and writes it as JSON.

    measure.py RESULT --build DIR --device D --threads T --torch PYTHON --jax PYTHON [--quick]
"""

import argparse
import itertools
import json
import sys
import time

import checks
import growth
from programs import Absent, Ours, Peer, available_memory

# What a full run and a quick one take: seconds of a measurement, the longest single run that a peer may be expected
# to take (of a whole round: longest_round), seconds after which no peer is asked any more, entries N D of the largest
# server step, and the sizes.
FULL = {
    "budget": 0.5, "round_budget": 2.0, "longest": 2.5, "longest_round": 15, "seconds": 600, "entries": 2 * 10**9,
    "agents": (5, 10, 20, 50, 100, 500), "dimensions": (10**5, 10**6, 10**7, 10**8),
    "bf16": [(10, 10**6), (100, 10**6), (500, 10**6), (10, 10**7), (100, 10**7), (10, 10**8)],
    "norms_given": list(itertools.product((5, 10, 20, 50, 100, 500), (10**6,))) + [(5, 10**7), (10, 10**7),
                                                                                   (100, 10**7), (5, 10**8)],
    "select": list(itertools.product((10, 100), (10**5, 10**6, 10**7))) + [(10, 10**8)],
    "gram": [(10, 10**6), (50, 10**6), (100, 10**6)], "exact": (5, 10, 15, 20, 25),
    "training": [("mlp", n, b, 512) for n in (5, 10, 20) for b in (32, 128)] +
                [("mnist_cnn", n, b, 64) for n in (5, 10, 20) for b in (32, 64)] +
                [("cifar_cnn", n, b, 128) for n in (5, 10, 20) for b in (32, 128)] +
                [("cifar_resnet", 5, 32, 32), ("text_cnn", 5, 32, 64), ("text_cnn", 5, 64, 64)],
    "rounds": [("mnist_cnn", 5, 32, 0), ("mnist_cnn", 5, 32, 600), ("cifar_cnn", 10, 128, 0)], "epochs": 3,
    "fleet": [("mlp", 5, 32, 96, 18), ("mnist_cnn", 5, 32, 32, 6)],
    "compiled": {("server", 10, 10**6), ("training", "mnist_cnn", 10, 32)},
    "scaling": [("mnist_cnn", 10, 32, 128), ("cifar_cnn", 10, 128, 256)],
    "scaling_server": [(10, 10**6), (10, 10**7), (100, 10**6)], "turns": 5,
}
QUICK = {
    "budget": 0.05, "round_budget": 0.05, "longest": 0.5, "longest_round": 0.5, "seconds": 90, "entries": 10**8,
    "agents": (5, 20), "dimensions": (10**5, 10**6), "bf16": [(10, 10**6)], "norms_given": [(5, 10**6)],
    "select": [(10, 10**5), (10, 10**6)], "gram": [(10, 10**5)], "exact": (5, 10, 15),
    "training": [("mlp", 5, 32, 64), ("mnist_cnn", 3, 32, 32), ("cifar_cnn", 3, 32, 32)],
    "rounds": [("cifar_cnn", 3, 32, 32)], "epochs": 1, "fleet": [("mlp", 3, 32, 32, 4)], "compiled": set(),
    "scaling": [("cifar_cnn", 4, 32, 32)], "scaling_server": [(10, 10**6)], "turns": 1,
}
COLUMNS = ("loop", "vectorised", "compiled", "jax", "cub")


class Session:
    def __init__(self, args):
        self.plan = QUICK if args.quick else FULL
        self.args, self.begin = args, time.monotonic()
        self.ours = Ours(args.build, args.device, args.threads)
        self.peers = {name: Peer(name, python, name, args.device, args.threads)
                      for name, python in (("torch", args.torch), ("jax", args.jax))}
        self.rows, self.scaling, self.notes = [], [], []
        self.cost = {}  # seconds per unit of work in the latest run of a peer, to tell what the next would take

    def say(self, text):
        print(f"{time.monotonic() - self.begin:6.0f} s  {text}", file=sys.stderr)

    def peer(self, column, request, work, compiled=True, longest=None):
        """One cell; `work` is what the time should be proportional to."""
        key = (request["what"], request.get("model"), request.get("game"), column)
        expected = self.cost.get(key, 0) * work
        if column == "compiled" and not compiled:
            return None
        peer = self.peers["jax" if column == "jax" else "torch"]
        if peer.absent:
            return {"absent": peer.absent}
        if expected > (longest or self.plan["longest"]):
            return {"absent": "a single run would take longer than the table's time allows"}
        if time.monotonic() - self.begin > self.plan["seconds"]:
            return {"absent": "the time for the table was up"}
        kind = "vectorised" if column == "jax" else column
        try:
            answer = peer.ask({**request, "kind": kind})
        except Absent as reason:
            return {"absent": str(reason)}
        whole = answer.get("whole") or answer.get("training") or answer
        self.cost[key] = whole["seconds"] / work
        return answer

    def add(self, section, what, size, ours, peers, **more):
        cells = {column: cell for column, cell in peers.items() if cell}
        self.rows.append({"section": section, "what": what, "size": size, "ours": ours, "peers": cells, **more})


def times(line):
    return {"seconds": line["seconds"], "lower": line["lower_seconds"], "upper": line["upper_seconds"],
            "repeat": line["repeat"]}


def of_sizes(agents, dimension):
    return f"N = {agents}, D = {dimension:,}"


def ours_with(session, threads):
    """Our programs with so many threads; None: with all."""
    return session.ours if threads is None else Ours(session.args.build, session.args.device, threads)


def bench(session, what, agents, dimension, *more, threads=None):
    budget = str(session.plan["budget"])
    ours = ours_with(session, threads)
    return ours.call("cgsv", "bench", what, "--agents", str(agents), "--dimension", str(dimension), "--repeat", "31",
                     "--seconds", budget, "--json", *more)


def fits(agents, dimension):
    """Whether a peer's matrices, and as much again for what it makes of them, fit."""
    return 16 * agents * dimension < 0.7 * available_memory()


# ---- sections ----


STEPS = {"server step": (), "server step, updates in bfloat16": ("--updates", "bf16"),
         "server step, norms from training": ("--norms-given",)}


def server_step(session, what, agents, dimension, columns):
    plan = session.plan
    size = of_sizes(agents, dimension)
    if agents * dimension > plan["entries"]:
        session.notes.append(f"{what}, {size}: larger than the table's time allows")
        return
    session.say(f"{what}, {size}")
    try:
        line = bench(session, "server", agents, dimension, *STEPS[what])[0]
    except Absent as reason:
        session.notes.append(f"{what}, {size}: {reason}")
        return
    request = {"what": "server", "agents": agents, "dimension": dimension, "budget": plan["budget"]}
    peers = {}
    for column in columns if fits(agents, dimension) else ():
        peers[column] = session.peer(column, request, agents * dimension,
                                     ("server", agents, dimension) in plan["compiled"])
    session.add("a", what, size, times(line), peers, floor=line["floor_seconds"], agents=agents, dimension=dimension)


def server(session):
    for dimension, agents in itertools.product(session.plan["dimensions"], session.plan["agents"]):
        server_step(session, "server step", agents, dimension, ("loop", "vectorised", "compiled", "jax"))
    for agents, dimension in session.plan["bf16"]:
        server_step(session, "server step, updates in bfloat16", agents, dimension, ())
    for agents, dimension in session.plan["norms_given"]:
        server_step(session, "server step, norms from training", agents, dimension, ())


def selection(session):
    for agents, dimension in session.plan["select"]:
        session.say(f"selection, {of_sizes(agents, dimension)}")
        line = bench(session, "select", agents, dimension)[0]
        request = {"what": "select", "agents": agents, "dimension": dimension, "budget": session.plan["budget"]}
        peers = {"loop": session.peer("loop", request, agents * dimension),
                 "vectorised": session.peer("vectorised", request, dimension),
                 "jax": session.peer("jax", request, dimension)}
        if session.args.device != "cpu":
            peers["cub"] = session.ours.call("bench_cub_sort", "--dimension", str(dimension), "--seconds",
                                             str(session.plan["budget"]))[0]
        floor = 4 * dimension / (1e9 * line["copy_gb_per_second"])  # g is read once
        session.add("b", "selection", of_sizes(agents, dimension), times(line), peers, floor=floor, agents=agents,
                    dimension=dimension)


def valued(session, game, agents, dimension, floor):
    line = next(line for line in bench(session, "shapley", agents, dimension, "--exact-agents",
                                       str(agents if game == "exact" else 0)) if line["what"] == game)
    request = {"what": "valuation", "game": game, "agents": agents, "dimension": dimension,
               "budget": session.plan["budget"]}
    work = 2.0**agents if game == "exact" else agents**2 * dimension
    columns = ("vectorised", "jax") if game == "gram" else ("loop", "vectorised", "jax")
    peers = {column: session.peer(column, request, work) for column in columns}
    name = "Gram matrix" if game == "gram" else "exact Shapley values"
    session.add("c", name, of_sizes(agents, dimension), times(line), peers, floor=floor(line), agents=agents,
                dimension=dimension)


def valuation(session):
    for agents, dimension in session.plan["gram"]:
        session.say(f"Gram matrix, {of_sizes(agents, dimension)}")
        valued(session, "gram", agents, dimension,
               lambda line, N=agents, D=dimension: max(4 * N * D / (1e9 * line["copy_gb_per_second"]),
                                                       N * (N + 1) * D / (1e9 * line["product_gflop_per_second"])))
    for agents in session.plan["exact"]:
        session.say(f"exact Shapley values, N = {agents}")
        # Per coalition: two sums, a square root, a division, a multiply-add, in float64: 6, at half the rate.
        valued(session, "exact", agents, 1000,
               lambda line, N=agents: 12 * 2.0**N / (1e9 * line["product_gflop_per_second"]))


def train(session, model, agents, batch, samples, epochs=1, federations=1, threads=None, budget=None):
    """The line of bench_training, and the request of the same of a peer."""
    request = {"model": model, "agents": agents, "batch": batch, "samples": samples, "epochs": epochs,
               "federations": federations}
    arguments = [text for key, value in request.items() for text in (f"--{key}", str(value))]
    budget = budget or session.plan["budget"]
    line = ours_with(session, threads).call("bench_training", *arguments, "--seconds", str(budget))[0]
    return line, {"what": "training", "budget": budget, **request}


def of_training(model, agents, batch, samples, *_):
    each = f"{samples} samples each" if samples else "power law"
    return f"{model}, N = {agents}, batch {batch}, {each}"


def add_training(session, section, setting, parts, columns, epochs=1, federations=1, budget=None, longest=None):
    model, agents, batch, samples = setting
    line, request = train(session, model, agents, batch, samples, epochs, federations, budget=budget)
    compiled = ("training", model, agents, batch) in session.plan["compiled"]
    # Shards of the power law hold 600 and 2,000 on average.
    work = federations * agents * epochs * (samples or {"mnist_cnn": 600, "cifar_cnn": 2000}[model])
    peers = {column: session.peer(column, request, work, compiled, longest) for column in columns}
    products = 1e9 * line["product_gflop_per_second"]
    floors = {"training": line["training_flops"] / products, "server": line["server_floor"]}
    floors["whole"] = floors["training"] + floors["server"]
    for what, part in parts:
        cells = {column: cell and (cell if "absent" in cell else cell[part]) for column, cell in peers.items()}
        size = of_training(*setting) + (f", F = {federations}" if federations > 1 else "")
        session.add(section, what, size, line[part], cells, floor=floors[part], model=model, agents=agents, batch=batch,
                    convolution_share=line["convolution_share"] if part == "training" else None)
    return line


def training(session):
    for setting in session.plan["training"]:
        session.say(f"local training, {of_training(*setting)}")
        add_training(session, "d", setting, [("local training", "training")], ("loop", "vectorised", "compiled", "jax"))


def rounds(session):
    for setting in session.plan["rounds"]:
        session.say(f"whole round, {of_training(*setting)}")
        columns = ("loop", "vectorised") if setting[3] else ("loop",)
        add_training(session, "e", setting, [("whole round", "whole"), ("its training", "training"),
                                             ("its server step", "server")], columns, session.plan["epochs"],
                     budget=session.plan["round_budget"], longest=session.plan["longest_round"])


def fleet(session):
    for *setting, federations in session.plan["fleet"]:
        session.say(f"fleet of {federations}, {of_training(*setting)}")
        alone, _ = train(session, *setting)
        add_training(session, "f", tuple(setting), [("round of a fleet", "whole")], ("loop", "vectorised"),
                     federations=federations)
        session.rows[-1]["one_by_one"] = {key: federations * alone["whole"][key]
                                          for key in ("seconds", "lower", "upper")}


def in_turn(session, what, size, measure, limit):
    """One thread and all, in turn, since a machine's speed changes with what else it does; the medians by seconds.
    measure(threads) gives the times and the rate, of what `limit` says, that bounds them."""
    pair = {1: [], session.args.threads: []}
    for _ in range(session.plan["turns"]):
        for threads, runs in pair.items():
            runs.append(measure(threads))
    (one, slow), (most, fast) = (sorted(runs, key=lambda run: run[0]["seconds"])[len(runs) // 2]
                                 for runs in pair.values())
    session.scaling.append({"what": what, "size": size, "one": one, "all": most, "limit": limit,
                            "limit_faster": fast / slow})


def scaling(session):
    if session.args.device != "cpu" or session.args.threads < 2:
        session.notes.append("scaling: not measured; it needs --device cpu and at least 2 threads")
        return

    def trained(threads):
        line = train(session, *setting, threads=threads)[0]
        return line["training"], line["product_gflop_per_second"]

    def stepped(threads):
        line = bench(session, "server", agents, dimension, threads=threads)[0]
        return times(line), line["copy_gb_per_second"]

    for setting in session.plan["scaling"]:
        session.say(f"threads, {of_training(*setting)}")
        in_turn(session, "local training", of_training(*setting), trained, "products")
    for agents, dimension in session.plan["scaling_server"]:
        session.say(f"threads, server step, {of_sizes(agents, dimension)}")
        in_turn(session, "server step", of_sizes(agents, dimension), stepped, "copies")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result")
    for option in ("--build", "--device", "--torch", "--jax"):
        parser.add_argument(option, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    session = Session(args)
    checked = checks.run(session)
    for section in (selection, valuation, training, rounds, fleet, scaling, server):  # the largest sizes come last
        section(session)
    session.rows.sort(key=lambda row: row["section"])
    for peer in session.peers.values():
        peer.close()
    session.say("done")
    with open(args.result, "w", encoding="utf-8") as file:
        json.dump({"rows": session.rows, "scaling": session.scaling, "growth": growth.fit(session.rows, COLUMNS),
                   "checks": checked, "notes": session.notes, "seconds": time.monotonic() - session.begin,
                   "versions": {name: peer.version for name, peer in session.peers.items()}}, file)


if __name__ == "__main__":
    main()
