"""Whole rounds in PyTorch, local training and server step: the peer of bench_training.

loop        every agent has its own model and optimizer and trains after the other, as in the published code.
vectorised  over agents: one stack of models (torch.func), their losses by vmap, one backward pass and one optimizer
            for all; needs equal shards.
compiled    the same, forward pass and loss through torch.compile, which replays CUDA graphs on a GPU.

Samples lie in memory as tensors, so no DataLoader is timed. Each repeat starts from the same weights.
"""

import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, stack_module_state, vmap

import torch_server
from timing import repeats, summary
from torch_models import VOCABULARY, WORDS, CifarCnn, CifarResnet, MnistCnn, Mlp, TextCnn

KINDS = ("loop", "vectorised", "compiled")


def sgd(lr, **settings):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, **settings)


def adam(lr):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr)


SETUPS = {  # model, its parameters, shape of a sample, optimizer, as bench_training sets them
    "mlp": (Mlp, 66250, (1, 32, 32), sgd(0.15)),
    "mnist_cnn": (MnistCnn, 104242, (1, 32, 32), sgd(1e-3)),
    "cifar_cnn": (CifarCnn, 121182, (3, 32, 32), sgd(0.015)),
    "cifar_resnet": (CifarResnet, 1166506, (3, 32, 32), sgd(0.03, momentum=0.9, weight_decay=5e-4)),
    "text_cnn": (TextCnn, 1846754, (WORDS,), adam(5e-5)),
}
POWERLAW = {  # samples of each agent, by model and number of agents
    ("mnist_cnn", 5): (71, 336, 600, 865, 1128),
    ("cifar_cnn", 10): (236, 628, 1020, 1412, 1804, 2197, 2589, 2981, 3373, 3760),
}


def loss_of(logits, y):
    return F.nll_loss(F.log_softmax(logits, 1), y)


class Loop:
    """Agents one after the other; shards may differ in size."""

    def __init__(self, request, machine, shards):
        model, _, _, optimizer = SETUPS[request["model"]]
        self.batch, self.epochs, self.shards = request["batch"], request["epochs"], shards
        self.models = [model().to(machine.device) for _ in shards]
        self.optimizers = [optimizer(model.parameters()) for model in self.models]

    def begin(self, start):
        for model in self.models:
            nn.utils.vector_to_parameters(start.clone(), model.parameters())  # which become views of it

    def train(self):
        losses = []
        for model, optimizer, (x, y) in zip(self.models, self.optimizers, self.shards):
            total = torch.zeros((), device=x.device)
            for _ in range(self.epochs):
                order = torch.randperm(len(x), device=x.device)
                for rows in torch.split(order, self.batch):
                    optimizer.zero_grad()
                    loss = loss_of(model(x[rows]), y[rows])
                    loss.backward()
                    optimizer.step()
                    total += loss.detach() * len(rows)
            losses.append(total / (self.epochs * len(x)))
        return torch.stack(losses)

    def weights(self):
        return torch.stack([nn.utils.parameters_to_vector(model.parameters()) for model in self.models])


class Vectorised:
    """All agents at once."""

    def __init__(self, request, machine, shards):
        model, _, _, optimizer = SETUPS[request["model"]]
        self.batch, self.epochs = request["batch"], request["epochs"]
        self.x, self.y = (torch.stack(part) for part in zip(*shards))
        self.agents = len(shards)
        self.parameters, _ = stack_module_state([model().to(machine.device) for _ in shards])
        self.optimizer = optimizer(list(self.parameters.values()))
        base = model().to("meta")

        def loss(parameters, x, y):
            return loss_of(functional_call(base, parameters, (x,)), y)

        losses = vmap(loss, randomness="different")
        self.losses = machine.compile(losses) if request["kind"] == "compiled" else losses

    def begin(self, start):
        with torch.no_grad():
            for parameter in self.parameters.values():
                size = parameter[0].numel()
                parameter.copy_(start[:size].view_as(parameter[0]).expand_as(parameter))
                start = start[size:]

    def train(self):
        agent, total = torch.arange(self.agents, device=self.x.device)[:, None], 0
        samples = self.x.shape[1]
        for _ in range(self.epochs):
            order = torch.rand(self.agents, samples, device=self.x.device).argsort(1)
            for rows in torch.split(order, self.batch, 1):
                self.optimizer.zero_grad()
                losses = self.losses(self.parameters, self.x[agent, rows], self.y[agent, rows])
                losses.sum().backward()
                self.optimizer.step()
                total = total + losses.detach() * rows.shape[1]
        return total / (self.epochs * samples)

    def weights(self):
        return torch.cat([parameter.flatten(1) for parameter in self.parameters.values()], 1)


def trainer(request, machine, shards):
    return (Loop if request["kind"] == "loop" else Vectorised)(request, machine, shards)


def random_shard(model, samples, device):
    shape = SETUPS[model][2]
    if model == "text_cnn":
        words = torch.randint(2, VOCABULARY, (samples, *shape), device=device)
        return words, torch.randint(2, (samples,), device=device)
    return torch.rand(samples, *shape, device=device) * 2 - 1, torch.randint(10, (samples,), device=device)


def run(request, machine):
    """Times the local training of all federations' agents, their server steps, and both together."""
    kind, model, agents = request["kind"], request["model"], request["agents"]
    sizes = [request["samples"]] * agents if request["samples"] else POWERLAW[model, agents]
    shards = [random_shard(model, n, machine.device) for n in sizes] * request["federations"]
    peer = trainer(request, machine, shards)
    first = SETUPS[model][0]()
    start = nn.utils.parameters_to_vector(first.parameters()).detach().to(machine.device)
    assert len(start) == SETUPS[model][1]
    tensors = [parameter.numel() for parameter in first.parameters()]
    models = start.repeat(len(shards), 1)
    server, shares = start.clone(), torch_server.shares(agents, machine.device)

    def serve():
        updates = peer.weights() - start
        for first in range(0, len(shards), agents):
            part = slice(first, first + agents)
            torch_server.stepping("loop" if kind == "loop" else "vectorised", models[part], server, updates[part],
                                  shares, tensors, machine)()

    seconds = {"training": [], "server": [], "whole": []}
    peer.begin(start)
    peer.train()  # warm-up
    for _ in repeats(request["budget"]):
        peer.begin(start)
        machine.wait()
        begin = time.perf_counter()
        loss = peer.train()
        machine.wait()
        trained = time.perf_counter()
        with torch.no_grad():
            serve()
        machine.wait()
        end = time.perf_counter()
        for name, value in (("training", trained - begin), ("server", end - trained), ("whole", end - begin)):
            seconds[name].append(value)
    assert torch.isfinite(loss).all()
    return {name: summary(values) for name, values in seconds.items()}


def check(request, machine):
    """One round on the samples of bench_training --dump; how far losses and updates are from its own."""
    def load(name):
        return machine.load(f"{request['folder']}/{name}.npy")

    shape = SETUPS[request["model"]][2]
    x, y, index = load("x"), load("y").long().view(-1), load("index").long()
    shards = [(x[rows].view(-1, *shape), y[rows]) for rows in index]
    peer = trainer(request, machine, shards)
    start, ours, loss = load("start")[0], load("update"), load("loss")[0]
    peer.begin(start)
    losses = peer.train()
    updates = peer.weights().detach() - start
    return {"loss_error": float(((losses - loss) / loss).abs().max()),
            "update_error": float(((updates - ours).norm(dim=1) / ours.norm(dim=1)).max())}
