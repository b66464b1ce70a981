"""Gram matrices and exact Shapley values in PyTorch: the peer of `cgsv bench shapley`.

gram, vectorised   U U', one product of matrices.
exact, loop        as the published code does it: a coalition after the other, each its own sum of updates.
exact, vectorised  from the Gram matrix, many coalitions at a time as products of matrices.
"""

import itertools
import math

import torch

from timing import measure

KINDS = {"gram": ("vectorised",), "exact": ("loop", "vectorised")}
CHUNK = 1 << 16  # coalitions of a product


def coalition_weights(agents):
    factorial = math.factorial
    return [factorial(s) * factorial(agents - s - 1) / factorial(agents) for s in range(agents)]


def exact_loop(updates):
    agents = len(updates)
    whole = updates.sum(0)
    norm = whole.norm()
    value = {(): 0.0}
    for size in range(1, agents + 1):
        for coalition in itertools.combinations(range(agents), size):
            total = updates[list(coalition)].sum(0)
            value[coalition] = float(total @ whole / (total.norm() * norm))
    weights, result = coalition_weights(agents), []
    for i in range(agents):
        marginal = 0.0
        for coalition, without in value.items():
            if i not in coalition:
                marginal += weights[len(coalition)] * (value[tuple(sorted((*coalition, i)))] - without)
        result.append(marginal)
    return torch.tensor(result, dtype=torch.float64)


def exact_vectorised(gram):
    agents, device = len(gram), gram.device
    bits, towards = torch.arange(agents, device=device), gram.sum(1)
    value = torch.empty(1 << agents, dtype=gram.dtype, device=device)
    size = torch.empty(1 << agents, dtype=torch.int64, device=device)
    for first in range(0, 1 << agents, CHUNK):
        number = torch.arange(first, min(first + CHUNK, 1 << agents), device=device)
        member = (number[:, None] >> bits & 1).to(gram.dtype)
        square = ((member @ gram) * member).sum(1)
        value[first:first + CHUNK] = member @ towards / torch.sqrt(square * gram.sum())
        size[first:first + CHUNK] = member.sum(1).long()
    value[0] = 0
    weights = torch.tensor([*coalition_weights(agents), 0], dtype=gram.dtype, device=device)
    result = []
    for i in range(agents):
        pair, without = value.view(-1, 2, 1 << i), size.view(-1, 2, 1 << i)[:, 0]
        result.append((weights[without] * (pair[:, 1] - pair[:, 0])).sum())
    return torch.stack(result)


def weighted(updates, gamma=0.5):
    """r_i u_i with r = 1 / N."""
    return gamma * updates / (updates.norm(dim=1, keepdim=True) + 1e-7) / len(updates)


def work_of(request, updates):
    if request["game"] == "gram":
        return lambda: updates @ updates.T
    if request["kind"] == "loop":
        return lambda: exact_loop(updates)
    gram = updates.double() @ updates.double().T
    return lambda: exact_vectorised(gram)


@torch.no_grad()
def run(request, machine):
    updates = torch.randn(request["agents"], request["dimension"], device=machine.device)
    return measure(work_of(request, updates), machine, request["budget"])


@torch.no_grad()
def check(request, machine):
    updates = weighted(machine.load(request["updates"]))
    return {"values": work_of({"game": "exact", "kind": request["kind"]}, updates)().tolist()}
