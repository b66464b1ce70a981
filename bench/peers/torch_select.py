"""Which entries each agent keeps of a given aggregate, in PyTorch: the peer of `cgsv bench select`.

loop        torch.topk per agent and tensor, as the published code does it.
vectorised  each tensor's magnitudes sorted once (on a GPU by CUB's radix sort), thresholds looked up.
"""

import math

import torch

from timing import measure
from torch_server import bounds_of, tensor_sizes

KINDS = ("loop", "vectorised")


def ranks_of(agents, n):
    """Entries that agent i keeps: its keep ratio is (N - i) / (N + 1)."""
    return [-(-n * (agents - i) // (agents + 1)) for i in range(agents)]


def by_topk(g, bounds, counts):
    return [[torch.topk(g[begin:end].abs(), count).values[-1] for count in each]
            for (begin, end), each in zip(bounds, counts)]


def by_sort(g, bounds, counts):
    return [torch.sort(g[begin:end].abs(), descending=True).values[each - 1]
            for (begin, end), each in zip(bounds, counts)]


@torch.no_grad()
def run(request, machine):
    g = torch.randn(request["dimension"], device=machine.device)
    bounds = bounds_of(tensor_sizes(request["dimension"]))
    counts = [ranks_of(request["agents"], end - begin) for begin, end in bounds]
    select = by_topk
    if request["kind"] == "vectorised":
        select, counts = by_sort, [torch.tensor(each, device=machine.device) for each in counts]
    result = measure(lambda: select(g, bounds, counts), machine, request["budget"])
    for (begin, end), each, thresholds in zip(bounds, counts, select(g, bounds, counts)):
        for count, threshold in zip(each, thresholds):  # equal magnitudes may be more than asked for
            above = int((g[begin:end].abs() > threshold).sum()), int((g[begin:end].abs() >= threshold).sum())
            assert above[0] < int(count) <= above[1], (begin, int(count), above)
    assert math.isfinite(result["seconds"])
    return result
