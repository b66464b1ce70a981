"""The server step of one CGSV round in JAX, vectorised over agents and compiled as a whole; see torch_server.py."""

import jax
import jax.numpy as jnp

from timing import measure

GAMMA, ALPHA, BETA = 0.5, 0.95, 1.0
PROPORTIONS = (0.002, 0.0003, 0.06, 0.0005, 0.6, 0.003, 0.3)  # those of bench_tensors; an eighth takes the rest


def bounds_of(sizes):
    ends = [sum(sizes[:i + 1]) for i in range(len(sizes))]
    return list(zip([0, *ends], ends))


def tensor_sizes(dimension):
    sizes = [1 + int(share * dimension) for share in PROPORTIONS] if dimension >= 1000 else []
    return (*sizes, dimension - sum(sizes))


def step_with(bounds):
    """The step for these tensors; models and server are given up to be written in place."""
    def step(models, server, updates, weights, importance):
        norms = jnp.linalg.norm(updates, axis=1)
        aggregate = (weights * (GAMMA / (norms + 1e-7))) @ updates
        cosines = (updates @ aggregate) / (norms * jnp.linalg.norm(aggregate))
        moved = jnp.maximum(ALPHA * importance + (1 - ALPHA) * cosines, 1e-3)
        importance = moved / moved.sum()
        keep = jnp.tanh(BETA * importance)
        keep = keep / keep.max()
        rewards = []
        for begin, end in bounds:
            layer = aggregate[begin:end]
            ranked = jnp.sort(jnp.abs(layer), descending=True)
            counts = jnp.clip(jnp.ceil(keep * (end - begin)).astype(int), 1, end - begin)
            rewards.append(jnp.where(jnp.abs(layer) >= ranked[counts - 1][:, None], layer, 0))
        return models + jnp.concatenate(rewards, 1), server + aggregate, (cosines, importance, keep)

    return jax.jit(step, donate_argnums=(0, 1))


def shares(agents):
    weights = jnp.arange(1.0, agents + 1)
    return weights / weights.sum()


def run(request, machine):
    agents, dimension = request["agents"], request["dimension"]
    updates = jax.random.normal(jax.random.key(1), (agents, dimension))
    step, weights, importance = step_with(bounds_of(tensor_sizes(dimension))), shares(agents), jnp.zeros(agents)
    state = [jnp.zeros((agents, dimension)), jnp.zeros(dimension)]

    def work():
        state[0], state[1], rest = step(*state, updates, weights, importance)
        jax.block_until_ready((state, rest))

    return measure(work, machine, request["budget"])


def check(request, machine):
    updates = machine.load(request["updates"])
    step = step_with(bounds_of(request["sizes"]))
    models, _, (cosines, importance, keep) = step(jnp.zeros_like(updates), jnp.zeros_like(updates[0]), updates,
                                                  shares(len(updates)), jnp.zeros(len(updates)))
    return {"psi": cosines.tolist(), "importance": importance.tolist(), "keep_ratio": keep.tolist(),
            "kept": jnp.count_nonzero(models, axis=1).tolist()}
