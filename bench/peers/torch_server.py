"""The server step of one CGSV round in PyTorch, the way the published code does it: the peer of `cgsv bench server`.

Updates and models are lists of parameter tensors. Timed: rescaling to the normalisation length, the aggregate, the
cosines, the importance, the keep ratios, and per agent and tensor a mask by top-k that is added to the agent's model
(baselines.md, section 1.2, steps 1 to 5). Not timed: making the updates. Prints one line of JSON.
The server's own model is not updated.

Use --threads 2 and more on an idle machine only: another process on a core stalls every OpenMP barrier (measured at
D = 62,006, 2 threads on 2 cores: 0.03 s idle, 0.3 to 0.6 s beside one).
"""

import argparse
import copy
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F

GAMMA, ALPHA, BETA = 0.5, 0.95, 1.0
LENET = (450, 6, 2400, 16, 48000, 120, 10080, 84, 840, 10)  # LeNet for 3x32x32: 62,006 parameters
PROPORTIONS = (0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.333)  # an eighth tensor takes the rest


def tensor_sizes(dimension):
    if dimension == sum(LENET):
        return LENET
    sizes = [max(2, int(share * dimension)) for share in PROPORTIONS]
    sizes.append(dimension - sum(sizes))
    if sizes[-1] < 2:
        raise SystemExit(f"--dimension {dimension} is too small for eight tensors")
    return tuple(sizes)


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
        count = math.ceil(len(magnitude) * keep_ratio)
        largest, _ = torch.topk(magnitude, min(count, len(magnitude) - 1))
        layer[layer.abs() < largest[-1]] = 0
    return masked


def server_step(models, updates, weights, importance):
    """Returns the new importance; adds its reward to each agent's model."""
    updates = [rescale(update) for update in updates]

    aggregate = [torch.zeros_like(layer) for layer in updates[0]]
    for update, weight in zip(updates, weights):
        for total, layer in zip(aggregate, update):
            total += layer * weight

    flat = flatten(aggregate)
    cosines = torch.stack([F.cosine_similarity(flatten(update), flat, 0, 1e-10) for update in updates])
    importance = ALPHA * importance + (1 - ALPHA) * cosines
    importance = torch.clamp(importance, min=1e-3)
    importance = importance / importance.sum()

    keep = torch.tanh(BETA * importance)
    keep = (keep / keep.max()).tolist()
    for model, ratio in zip(models, keep):
        for parameter, layer in zip(model, mask_by_layer(aggregate, ratio)):
            parameter += layer
    return importance


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--dimension", type=int, default=62006)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    synchronise = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    sizes = tensor_sizes(args.dimension)

    def tensors():
        return [torch.randn(size, device=args.device) for size in sizes]

    # A shared direction plus noise that shrinks with the agent's rank: cosines, and so keep ratios, differ.
    shared = tensors()
    updates = [[a + (3.0 - 2.5 * i / args.agents) * b for a, b in zip(shared, tensors())] for i in range(args.agents)]
    models = [tensors() for _ in range(args.agents)]
    weights = torch.arange(1, args.agents + 1, device=args.device, dtype=torch.float32)
    weights = (weights / weights.sum()).tolist()

    seconds = []
    with torch.no_grad():
        for turn in range(args.repeat + 1):  # the first is the warm-up
            synchronise()
            begin = time.perf_counter()
            importance = server_step(models, updates, weights, torch.zeros(args.agents, device=args.device))
            synchronise()
            if turn > 0:
                seconds.append(time.perf_counter() - begin)

    assert torch.isfinite(importance).all()
    print(json.dumps({"what": "server", "agents": args.agents, "dimension": args.dimension, "tensors": len(sizes),
                      "seconds": statistics.median(seconds), "all": seconds, "torch": torch.__version__,
                      "threads": args.threads, "device": args.device}))


if __name__ == "__main__":
    main()
