"""Local training in JAX: all agents by vmap, an epoch as one compiled scan over its batches; see torch_training.py."""

import jax
import jax.numpy as jnp

from timing import measure

SHAPES = {"mlp": (1, 32, 32), "mnist_cnn": (1, 32, 32), "cifar_cnn": (3, 32, 32)}
RATES = {"mlp": 0.15, "mnist_cnn": 1e-3, "cifar_cnn": 0.015}
TENSORS = {  # in the order of the parameter vector
    "mlp": [(64, 1024), (64,), (10, 64), (10,)],
    "mnist_cnn": [(64, 1, 3, 3), (64,), (16, 64, 7, 7), (16,), (200, 256), (200,), (10, 200), (10,)],
    "cifar_cnn": [(16, 3, 5, 5), (16,), (32, 16, 5, 5), (32,), (120, 800), (120,), (84, 120), (84,), (10, 84), (10,)],
}


def convolution(x, weight, bias, activation):
    x = jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID") + bias[:, None, None]
    height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    windows = x[:, :, :height, :width].reshape(*x.shape[:2], height // 2, 2, width // 2, 2)
    return windows.max((3, 5)) if activation is None else activation(windows).max((3, 5))


def forward(model, w, x):
    activation = jax.nn.relu if model == "cifar_cnn" else jnp.tanh
    while w[0].ndim == 4:
        x, w = convolution(x, w[0], w[1], activation), w[2:]
    x = x.reshape(len(x), -1)
    while len(w) > 2:
        x, w = activation(x @ w[0].T + w[1]), w[2:]
    return x @ w[0].T + w[1]


def loss_of(w, x, y, model):
    logits = jax.nn.log_softmax(forward(model, w, x))
    return -jnp.take_along_axis(logits, y[:, None], 1).mean()


def cut(model, flat):
    sizes, tensors, at = TENSORS[model], [], 0
    for shape in sizes:
        size = 1
        for side in shape:
            size *= side
        tensors.append(flat[at:at + size].reshape(shape))
        at += size
    return tensors


def trainer(model, batch, epochs):
    """train(w, x, y, key) -> w, mean loss, of one agent."""
    def step(w, sample):
        loss, gradient = jax.value_and_grad(loss_of)(w, *sample, model)
        return [a - RATES[model] * b for a, b in zip(w, gradient)], loss

    def train(w, x, y, key):
        losses = 0
        whole = len(x) // batch * batch
        for key_of_epoch in jax.random.split(key, epochs):
            order = jax.random.permutation(key_of_epoch, len(x))
            x_batches = x[order[:whole]].reshape(-1, batch, *x.shape[1:])
            w, loss = jax.lax.scan(step, w, (x_batches, y[order[:whole]].reshape(-1, batch)))
            losses += loss.sum() * batch
            if whole < len(x):
                w, loss = step(w, (x[order[whole:]], y[order[whole:]]))
                losses += loss * (len(x) - whole)
        return w, losses / (epochs * len(x))

    return jax.jit(jax.vmap(train))


def keys(agents):
    return jax.random.split(jax.random.key(2), agents)


def run(request, machine):
    model, agents, samples = request["model"], request["agents"], request["samples"]
    if model not in SHAPES:
        raise NotImplementedError(f"no peer for {model}")
    x = jax.random.uniform(jax.random.key(1), (agents, samples, *SHAPES[model]), minval=-1)
    y = jnp.arange(agents * samples).reshape(agents, samples) % 10
    w = [0.05 * jax.random.normal(jax.random.key(3), (agents, *shape)) for shape in TENSORS[model]]
    train = machine.blocking(trainer(model, request["batch"], request["epochs"]))
    return {"training": measure(lambda: train(w, x, y, keys(agents)), machine, request["budget"])}


def check(request, machine):
    def load(name):
        return machine.load(f"{request['folder']}/{name}.npy")

    model = request["model"]
    if model not in SHAPES:
        raise NotImplementedError(f"no peer for {model}")
    x, y, index = load("x"), load("y").astype(int).ravel(), load("index").astype(int)
    start, ours, loss = load("start")[0], load("update"), load("loss")[0]
    shards = x[index].reshape(*index.shape, *SHAPES[model])
    w = [jnp.broadcast_to(tensor, (len(index), *tensor.shape)) for tensor in cut(model, start)]
    w, losses = trainer(model, request["batch"], request["epochs"])(w, shards, y[index], keys(len(index)))
    updates = jnp.concatenate([tensor.reshape(len(index), -1) for tensor in w], 1) - start
    error = jnp.linalg.norm(updates - ours, axis=1) / jnp.linalg.norm(ours, axis=1)
    return {"loss_error": float(jnp.abs((losses - loss) / loss).max()), "update_error": float(error.max())}
