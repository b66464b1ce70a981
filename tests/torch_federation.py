#!/usr/bin/env python3
"""Repeats federations of cgsv in plain PyTorch and compares, agent by agent and round by round.

usage: torch_federation.py EXPORT EXPORT_DOUBLE [--full]

The mechanism is written here from its formulas alone (sections 2 to 4 of the paper; README, "How it works"), agent
after agent, with torch.nn, torch.optim.SGD, autograd and sort. From cgsv come the start model, the agents' samples, and
the order in which each epoch goes through them (checked to be a permutation). EXPORT and EXPORT_DOUBLE are the two
builds of export_federation: cgsv as it is, and with its kernels in float64. Both, and PyTorch in float32, are compared
with PyTorch in float64.

What is asserted, and why. In float64 nothing is rounded that matters within 20 rounds: two programs that compute the
same agree to many digits (measured: 13), so the bounds are far below any mistake in a formula. In float32 each step's
rounding is carried on by training, which amplifies it, and an entry of the aggregate beside a threshold may fall on its
other side, which moves models at once by much more than any rounding; growth is chaotic, and no bound follows from the
format alone. The measure is PyTorch itself: cgsv in float32 may be as far from float64 as FACTOR times what PyTorch in
float32 is, and is never asked to be closer than FLOOR.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

SKIPPED = 77
try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    print(f"skipped: no PyTorch here ({error}); set CGSV_TORCH_PYTHON to a python3 that has it")
    sys.exit(SKIPPED)

sys.path.append(str(pathlib.Path(__file__).parents[1] / "bench" / "peers"))
from torch_models import MnistCnn, Mlp

RECORD = ("update_norm", "psi", "importance", "keep_ratio", "kept", "reward_cos", "reward_error", "distance",
          "distance_last_layer", "server_norm", "train_loss")
SHARES = ("psi", "importance", "keep_ratio", "reward_cos")
IMPORTANCE_FLOOR = 1e-3
# Largest differences of cgsv's float64 build from PyTorch in float64; measured: 3e-13. The distance of a reward from
# the aggregate is the root of a difference of squares, which for the best agent leaves the root of rounding; measured:
# 9e-8.
EXACT, EXACT_OF = 1e-10, {"reward_error": 1e-6}
FACTOR, FLOOR, FLOOR_OF = 20, 1e-5, {"test accuracy": 0.03, "rho": math.inf} # a test sample moves both at once

QUICK = {"mlp": ["samples=100", "test=500", "every=5"],
         "mnist_cnn": ["samples=12", "batch=8", "epochs=1", "test=200", "every=20"]}
FULL = {"mlp": ["every=5"], "mnist_cnn": ["every=10"]}
MODELS = {"mlp": Mlp, "mnist_cnn": MnistCnn}


def read_export(path):
    """Settings, and all tensors of a safetensors file as numpy arrays."""
    raw = pathlib.Path(path).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    settings = json.loads(header.pop("__metadata__")["settings"])
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
    return settings, {name: np.frombuffer(raw[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]],
                                          kinds[t["dtype"]]).reshape(t["shape"]) for name, t in header.items()}


class Federation:
    def __init__(self, settings, data, dtype):
        self.settings, self.dtype, self.N = settings, dtype, settings["agents"]
        self.first, self.order = data["first"], data["order"]
        self.x, self.test_x = (torch.tensor(data[k]).to(dtype).reshape(-1, 1, 32, 32) for k in ("x", "test_x"))
        self.y, self.test_y = (torch.tensor(data[k]) for k in ("y", "test_y"))
        self.start = torch.tensor(data["start"]).to(dtype)
        self.model = MODELS[settings["model"]]().to(dtype)
        shapes = [tuple(n for n in shape if n) for shape in data["shapes"].tolist()]
        assert shapes == [tuple(p.shape) for p in self.model.parameters()], "the models' parameters differ"
        self.sizes = [p.numel() for p in self.model.parameters()]
        self.n = [int(b - a) for a, b in zip(self.first, self.first[1:])]

    def train(self, w, t, agent):
        """Local training of round t from the model w; returns the model after it, and the mean loss."""
        nn.utils.vector_to_parameters(w.clone(), self.model.parameters())
        optimizer = torch.optim.SGD(self.model.parameters(), lr=self.settings["lr"] * self.settings["lr_decay"] ** t)
        begin, end = self.first[agent], self.first[agent + 1]
        total = 0.0
        for epoch in range(self.settings["epochs"]):
            order = torch.tensor(self.order[t, epoch, begin:end])
            assert sorted(order.tolist()) == list(range(begin, end)), "an epoch is not a permutation of the samples"
            for batch in order.split(self.settings["batch"]):
                optimizer.zero_grad()
                loss = F.nll_loss(F.log_softmax(self.model(self.x[batch]), 1), self.y[batch])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(batch)
        after = nn.utils.parameters_to_vector(self.model.parameters()).detach().clone()
        return after, total / (self.settings["epochs"] * (end - begin))

    def evaluate(self, w):
        nn.utils.vector_to_parameters(w.clone(), self.model.parameters())
        with torch.no_grad():
            scores = F.log_softmax(self.model(self.test_x), 1)
        accuracy = (scores.argmax(1) == self.test_y).double().mean().item()
        return F.nll_loss(scores, self.test_y).item(), accuracy

    def largest(self, g, count):
        """Mask of the `count` entries of g that are largest in magnitude, the lower index first among equals. Equal are
        magnitudes that agree in float32's 24 leading bits: all that cgsv's selection looks at, in float64 too."""
        key = g.abs().view(torch.int32) if g.dtype == torch.float32 else g.abs().view(torch.int64) >> 29
        mask = torch.zeros_like(g, dtype=torch.bool)
        mask[torch.sort(key, descending=True, stable=True).indices[:count]] = True
        return mask

    def reward(self, g, q):
        if self.settings["reward"] == "global":
            return torch.where(self.largest(g, math.floor(q * g.numel())), g, 0)
        parts = [torch.where(self.largest(part, min(math.ceil(q * part.numel()), part.numel())), part, 0)
                 for part in g.split(self.sizes)]
        return torch.cat(parts)

    def standalone(self):
        """Every agent alone: evaluations by round, and the models after the first and the last round."""
        evaluated, models = {}, [self.start] * self.N
        for t in range(self.settings["rounds"]):
            models = [self.train(models[i], t, i)[0] for i in range(self.N)]
            if t == 0:
                first = models
            if self.is_evaluated(t + 1):
                evaluated[t + 1] = [self.evaluate(w) for w in models]
        return evaluated, first, models

    def is_evaluated(self, done):
        return done % self.settings["every"] == 0 or done == self.settings["rounds"]

    def run(self, alone):
        s, N = self.settings, self.N
        w, server = [self.start] * N, self.start
        r = [n / sum(self.n) for n in self.n]
        records, evaluations = [], []
        for t in range(s["rounds"]):
            trained = [self.train(w[i], t, i) for i in range(N)]
            update = [after - w[i] for i, (after, _) in enumerate(trained)]
            norm = [u.norm().item() for u in update]
            u = [s["gamma"] * update[i] / (norm[i] + 1e-7) for i in range(N)]
            g = sum(r[i] * u[i] for i in range(N))
            server = server + g
            psi = [F.cosine_similarity(u[i], g, 0).item() for i in range(N)]
            r = [max((s["alpha"] * r[i] if t else 0.0) + (1 - s["alpha"]) * psi[i], IMPORTANCE_FLOOR) for i in range(N)]
            r = [value / sum(r) for value in r]
            bend = [math.tanh(s["beta"] * value) for value in r]
            q = [value / max(bend) for value in bend]
            v = [self.reward(g, q[i]) for i in range(N)]
            w = [w[i] + v[i] for i in range(N)]
            last = sum(self.sizes[:-2])
            records.append([(norm[i], psi[i], r[i], q[i], v[i].count_nonzero().item(),
                             F.cosine_similarity(v[i], g, 0).item(), (v[i] - g).norm().item(),
                             (w[i] - server).norm().item(), (w[i] - server)[last:].norm().item(),
                             server.norm().item(), trained[i][1]) for i in range(N)])
            if t == 0:
                first = torch.stack(w + alone[1] + [server])
            if self.is_evaluated(t + 1):
                evaluations.append([self.evaluate(x) for x in w] + alone[0][t + 1] + [self.evaluate(server)])
        return {"records": np.array(records), "evaluations": np.array(evaluations), "models_first": first.numpy(),
                "models_last": torch.stack(w + alone[2] + [server]).numpy()}


def pearson(x, y):
    return float(np.corrcoef(x, y)[0, 1])


def differences(a, b, N):
    """Largest difference of each quantity over rounds and agents; of norms, distances and losses relative, of counts
    relative to D."""
    found = {}
    for k, name in enumerate(RECORD):
        x, y = a["records"][:, :, k], b["records"][:, :, k]
        scale = a["models_last"].shape[1] if name == "kept" else 1 if name in SHARES else np.abs(y).max()
        found[name] = float(np.max(np.abs(x - y)) / scale)
    for when in ("first", "last"):
        x, y = a[f"models_{when}"].astype(np.float64), b[f"models_{when}"].astype(np.float64)
        found[f"models, {when} round"] = float(np.max(np.linalg.norm(x - y, axis=1) / np.linalg.norm(y, axis=1)))
    found["test loss"] = float(np.max(np.abs(a["evaluations"][:, :, 0] - b["evaluations"][:, :, 0])))
    found["test accuracy"] = float(np.max(np.abs(a["evaluations"][:, :, 1] - b["evaluations"][:, :, 1])))
    rho = [pearson(e["evaluations"][-1, N:2 * N, 1], e["evaluations"][-1, :N, 1]) for e in (a, b)]
    found["rho"] = abs(rho[0] - rho[1])
    return found


def export(program, path, model, reward, settings):
    subprocess.run([program, path, f"model={model}", f"reward={reward}", *settings], check=True)
    return read_export(path)


def compare(args, folder, model, settings, failures):
    alone = {}
    for reward in ("layer", "global"):
        setup, single = export(args.export, folder / "single.safetensors", model, reward, settings)
        double_setup, double = export(args.export_double, folder / "double.safetensors", model, reward,
                                      [*settings, f"from={folder / 'single.safetensors'}"])
        assert setup == double_setup and all((single[k] == double[k]).all() for k in ("x", "y", "order", "start"))
        single_torch, double_torch = (Federation(setup, data, dtype) for data, dtype in
                                      ((single, torch.float32), (double, torch.float64)))
        for f in (single_torch, double_torch):
            if f.dtype not in alone:
                alone[f.dtype] = f.standalone()
        exact = double_torch.run(alone[torch.float64])
        plain = differences(single_torch.run(alone[torch.float32]), exact, setup["agents"])
        ours, ours_exact = (differences(data, exact, setup["agents"]) for data in (single, double))
        print(f"\n{model}, {reward}: N = {setup['agents']}, {setup['rounds']} rounds, {len(single['y'])} samples, "
              f"largest difference from PyTorch in float64")
        print(f"{'':24s} {'cgsv, float64':>14s} {'cgsv, float32':>14s} {'PyTorch, float32':>17s}")
        for name in ours:
            print(f"{name:24s} {ours_exact[name]:14.2e} {ours[name]:14.2e} {plain[name]:17.2e}")
            for what, found, bound in (("float64", ours_exact[name], EXACT_OF.get(name, EXACT)),
                                       ("float32", ours[name], max(FACTOR * plain[name], FLOOR_OF.get(name, FLOOR)))):
                if not found <= bound:
                    failures.append(f"{model}, {reward}: {name} in {what}: {found:.2e}, more than {bound:.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("export_double")
    parser.add_argument("--full", action="store_true", help="600 samples per agent, as `cgsv run` takes them; minutes")
    args = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for model, settings in (FULL if args.full else QUICK).items():
            compare(args, pathlib.Path(folder), model, settings, failures)
    print()
    for failure in failures:
        print("FAIL", failure)
    print("all differences within their bounds" if not failures else f"{len(failures)} differences beyond their bounds")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
