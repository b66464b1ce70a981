"""Whether the peers compute what we compute, on the same numbers: without that a ratio of times means nothing."""

import os
import random
import struct
import sys
import tempfile

from programs import Absent

AGENTS, DIMENSION = 6, 5000
SIZES = (11, 2, 301, 3, 3001, 16, 1501, 165)
MOST = {"psi": 1e-5, "importance": 1e-5, "keep_ratio": 1e-5, "kept": 2e-3, "values": 1e-5, "loss": 1e-3, "update": 2e-2}
MODELS = ("mlp", "mnist_cnn", "cifar_cnn", "cifar_resnet")


def write_npy(path, rows):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for row in rows:
            file.write(struct.pack(f"<{len(row)}f", *row))


def write_text(path, numbers):
    with open(path, "w", encoding="ascii") as file:
        file.write(" ".join(str(number) for number in numbers) + "\n")


def distance(ours, theirs):
    """Relative to the largest of ours."""
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / max(abs(a) for a in ours)


def columns(session):
    """Peers of the columns that a check is asked of."""
    return (("loop", session.peers["torch"], "loop"), ("vectorised", session.peers["torch"], "vectorised"),
            ("jax", session.peers["jax"], "vectorised"))


def compare(session, result, what, request, errors_of):
    """Asks each peer there is, and has each error held against its limit."""
    for column, peer, kind in columns(session):
        if peer.absent:
            continue
        try:
            errors = errors_of(peer.ask({**request, "check": 1, "kind": kind}))
        except Absent as reason:
            result.append({"what": what, "column": column, "absent": str(reason)})
            continue
        result.append({"what": what, "column": column, "errors": errors})
        for name, error in errors.items():
            if not error <= MOST[name]:
                sys.exit(f"bench: {what}, {column}: the peer computes something else: {name} differs by {error:.3g}, "
                         f"more than {MOST[name]:g}")


def check_server(session, result, folder):
    updates, shares, layers = (os.path.join(folder, name) for name in ("updates.npy", "shares.txt", "layers.txt"))
    random.seed(1)
    write_npy(updates, [[random.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(AGENTS)])
    write_text(shares, range(1, AGENTS + 1))
    write_text(layers, SIZES)
    ours = session.ours.call_whole("cgsv", "value", "--round", "--weights", shares, "--layers", layers, "--json", "-",
                                   updates)
    agents = ours["rounds"][0]["agents"]
    compare(session, result, "server step", {"what": "server", "updates": updates, "sizes": SIZES},
            lambda theirs: {name: distance([agent[name] for agent in agents], theirs[name])
                            for name in ("psi", "importance", "keep_ratio", "kept")})
    ours = session.ours.call_whole("cgsv", "value", "--json", "-", updates)
    values = [agent["value"] for agent in ours["rounds"][0]["agents"]]
    compare(session, result, "exact Shapley values", {"what": "valuation", "game": "exact", "updates": updates},
            lambda theirs: {"values": distance(values, theirs["values"])})


def check_training(session, result, folder):
    """Three steps on whole shards: there the order of samples does not matter."""
    for model in MODELS:
        session.ours.call("bench_training", "--model", model, "--agents", "2", "--batch", "32", "--samples", "32",
                          "--epochs", "3", "--repeat", "1", "--dump", folder)
        compare(session, result, f"training, {model}", {"what": "training", "model": model, "batch": 32, "epochs": 3,
                                                        "folder": folder},
                lambda theirs: {"loss": theirs["loss_error"], "update": theirs["update_error"]})


def run(session):
    """A list of {"what", "column", and "errors" or why it is "absent"}; ends the program at a difference."""
    result = []
    with tempfile.TemporaryDirectory() as folder:
        session.say("the peers compute the same")
        check_server(session, result, folder)
        check_training(session, result, folder)
    return result
