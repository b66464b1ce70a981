"""One round of local training of all agents, as a plain PyTorch loop: the peer our training engine is measured against.

Every agent has its own model and its own SGD optimizer; its samples already lie in memory as two tensors, so no
DataLoader is timed. Input is random: speed does not depend on it. Each repeat starts from the same weights, so that
all repeats do the same work. Prints one line of JSON.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class MnistCnn(nn.Module):
    """104,242 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 3)
        self.conv2 = nn.Conv2d(64, 16, 7)
        self.fc1 = nn.Linear(256, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(x), dim=1)


class CifarCnn(nn.Module):
    """121,182 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.fc1 = nn.Linear(800, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


SETUPS = {
    "mnist_cnn": dict(model=MnistCnn, parameters=104242, shape=(1, 32, 32), batch=32, lr=0.15,
                      sizes=(71, 336, 600, 865, 1128)),
    "cifar_cnn": dict(model=CifarCnn, parameters=121182, shape=(3, 32, 32), batch=128, lr=0.015,
                      sizes=(236, 628, 1020, 1412, 1804, 2197, 2589, 2981, 3373, 3760)),
}


def train(model, optimizer, x, y, batch, epochs):
    for _ in range(epochs):
        order = torch.randperm(len(x), device=x.device)
        for begin in range(0, len(x), batch):
            rows = order[begin:begin + batch]
            optimizer.zero_grad()
            loss = F.nll_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
    return loss.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SETUPS, default="mnist_cnn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    setup = SETUPS[args.model]
    device = torch.device(args.device)
    synchronise = torch.cuda.synchronize if args.device == "cuda" else lambda: None

    first = setup["model"]().to(device)
    assert sum(p.numel() for p in first.parameters()) == setup["parameters"]
    start = {name: value.clone() for name, value in first.state_dict().items()}
    agents = []
    for size in setup["sizes"]:
        model = setup["model"]().to(device)
        agents.append((model, torch.optim.SGD(model.parameters(), lr=setup["lr"]),
                       torch.randn(size, *setup["shape"], device=device), torch.randint(10, (size,), device=device)))

    for model, optimizer, x, y in agents:  # warm-up, on every batch shape that occurs
        train(model, optimizer, x[:setup["batch"]], y[:setup["batch"]], setup["batch"], 1)
        rest = len(x) % setup["batch"]
        if rest:
            train(model, optimizer, x[:rest], y[:rest], setup["batch"], 1)

    seconds = []
    for _ in range(args.repeat):
        for model, *_ in agents:
            model.load_state_dict(start)
        synchronise()
        begin = time.perf_counter()
        losses = [train(*agent, setup["batch"], args.epochs) for agent in agents]
        synchronise()
        seconds.append(time.perf_counter() - begin)

    assert torch.isfinite(torch.stack(losses)).all()
    print(json.dumps({"what": "training", "model": args.model, "agents": len(agents), "epochs": args.epochs,
                      "seconds": statistics.median(seconds), "all": seconds, "torch": torch.__version__,
                      "threads": args.threads, "device": args.device}))


if __name__ == "__main__":
    main()
