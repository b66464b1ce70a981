"""The server step of one CGSV round in PyTorch: the peer of `cgsv bench server`.

loop        as the published code does it: updates and models are lists of parameter tensors, an agent after the
            other is rescaled, added up, valued, and gets a mask by top-k per tensor (baselines.md, section 1.2).
vectorised  over agents: one matrix of updates and one of models, products of matrices, each tensor's magnitudes
            sorted once for all agents.
compiled    the same through torch.compile, which replays CUDA graphs on a GPU.

Timed is what ours does: from raw updates to the agents' and the server's new models.
"""

import copy
import math

import torch
import torch.nn.functional as F

from timing import measure

GAMMA, ALPHA, BETA = 0.5, 0.95, 1.0
KINDS = ("loop", "vectorised", "compiled")
PROPORTIONS = (0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3)  # those of bench_tensors; an eighth takes the rest


def tensor_sizes(dimension):
    if dimension < 1000:
        return (dimension,)
    sizes = [1 + int(share * dimension) for share in PROPORTIONS]
    return (*sizes, dimension - sum(sizes))


def bounds_of(sizes):
    ends = [sum(sizes[:i + 1]) for i in range(len(sizes))]
    return list(zip([0, *ends], ends))


# ---- loop ----


def flatten(tensors):
    return torch.cat([tensor.view(-1) for tensor in tensors])


def unflatten(flat, like):
    parts = torch.split(flat, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like)]


def rescale(update):
    flat = flatten(update)
    return unflatten(GAMMA * (flat / (torch.norm(flat) + 1e-7)), update)


def mask_by_layer(update, keep_ratio):
    """A copy of update that keeps the largest entries of each tensor."""
    masked = copy.deepcopy(update)
    for layer in masked:
        magnitude = layer.abs().view(-1)
        count = min(math.ceil(len(magnitude) * keep_ratio), len(magnitude))
        largest, _ = torch.topk(magnitude, count)
        layer[layer.abs() < largest[-1]] = 0
    return masked


def importance_of(old, cosines):
    moved = torch.clamp(ALPHA * old + (1 - ALPHA) * cosines, min=1e-3)
    return moved / moved.sum()


def keep_ratios(importance):
    keep = torch.tanh(BETA * importance.double())
    return keep / keep.max()


def step_loop(models, server, updates, weights, importance):
    """Adds each agent's reward to its model; returns cosines, importance, keep ratios, the aggregate."""
    updates = [rescale(update) for update in updates]
    aggregate = [torch.zeros_like(layer) for layer in updates[0]]
    for update, weight in zip(updates, weights.tolist()):
        for total, layer in zip(aggregate, update):
            total += layer * weight
    flat = flatten(aggregate)
    cosines = torch.stack([F.cosine_similarity(flatten(update), flat, 0, 1e-10) for update in updates])
    importance = importance_of(importance, cosines)
    keep = keep_ratios(importance)
    for parameter, layer in zip(server, aggregate):
        parameter += layer
    for model, ratio in zip(models, keep.tolist()):
        for parameter, layer in zip(model, mask_by_layer(aggregate, ratio)):
            parameter += layer
    return cosines, importance, keep, flat


# ---- vectorised ----


def step_vectorised(models, server, updates, weights, importance, bounds):
    """models, updates: [N, D], server: [D]. Returns what step_loop does."""
    norms = torch.linalg.vector_norm(updates, dim=1)
    aggregate = (weights * (GAMMA / (norms + 1e-7))) @ updates
    cosines = (updates @ aggregate) / (norms * torch.linalg.vector_norm(aggregate))
    importance = importance_of(importance, cosines)
    keep = keep_ratios(importance)
    server += aggregate
    for begin, end in bounds:
        layer = aggregate[begin:end]
        magnitude = layer.abs()
        ranked = torch.sort(magnitude, descending=True).values
        threshold = ranked[torch.ceil(keep * (end - begin)).long().clamp(max=end - begin) - 1]
        models[:, begin:end] += torch.where(magnitude >= threshold[:, None], layer, 0)
    return cosines, importance, keep, aggregate


# ---- measured and checked ----


def stepping(kind, models, server, updates, weights, sizes, machine):
    """A function that runs the step on these matrices from importance zero."""
    importance = torch.zeros(len(updates), device=updates.device)
    if kind == "loop":
        cut = [list(torch.split(row, sizes)) for row in (*models, server, *updates)]
        agents = len(updates)
        return lambda: step_loop(cut[:agents], cut[agents], cut[agents + 1:], weights, importance)
    step = machine.compile(step_vectorised) if kind == "compiled" else step_vectorised
    bounds = bounds_of(sizes)
    return lambda: step(models, server, updates, weights, importance, bounds)


def shares(agents, device):
    weights = torch.arange(1, agents + 1, device=device, dtype=torch.float32)
    return weights / weights.sum()


@torch.no_grad()
def run(request, machine):
    agents, dimension = request["agents"], request["dimension"]
    updates = torch.randn(agents, dimension, device=machine.device)
    models = torch.zeros(agents, dimension, device=machine.device)
    server = torch.zeros(dimension, device=machine.device)
    step = stepping(request["kind"], models, server, updates, shares(agents, machine.device),
                    tensor_sizes(dimension), machine)
    return measure(step, machine, request["budget"])


@torch.no_grad()
def check(request, machine):
    """The step on the updates of a file: what the driver compares with `cgsv value --round`."""
    updates = machine.load(request["updates"])
    models, server = torch.zeros_like(updates), torch.zeros_like(updates[0])
    weights = shares(len(updates), machine.device)
    step = stepping(request["kind"], models, server, updates, weights, request["sizes"], machine)
    cosines, importance, keep, _ = step()
    return {"psi": cosines.tolist(), "importance": importance.tolist(), "keep_ratio": keep.tolist(),
            "kept": torch.count_nonzero(models, dim=1).tolist()}
