"""Gram matrices and exact Shapley values in JAX; see torch_valuation.py."""

import math

import jax
import jax.numpy as jnp

from timing import measure

CHUNK_BITS = 16  # coalitions of a product: two to this


def gram(updates):
    return updates @ updates.T


def exact(matrix):
    agents = len(matrix)
    bits, towards, whole = jnp.arange(agents), matrix.sum(1), matrix.sum()
    chunk = 1 << min(agents, CHUNK_BITS)

    def values(first):
        member = (jnp.arange(chunk)[:, None] + first >> bits & 1).astype(matrix.dtype)
        square = ((member @ matrix) * member).sum(1)
        return member @ towards / jnp.sqrt(square * whole), member.sum(1).astype(jnp.int32)

    value, size = (part.ravel() for part in jax.lax.map(values, jnp.arange(0, 1 << agents, chunk)))
    value = value.at[0].set(0)
    factorial = math.factorial
    weights = jnp.array([factorial(s) * factorial(agents - s - 1) / factorial(agents) for s in range(agents)] + [0])
    result = []
    for i in range(agents):
        pair, without = value.reshape(-1, 2, 1 << i), size.reshape(-1, 2, 1 << i)[:, 0]
        result.append((weights[without] * (pair[:, 1] - pair[:, 0])).sum())
    return jnp.stack(result)


def run(request, machine):
    with jax.enable_x64(request["game"] == "exact"):
        updates = jax.random.normal(jax.random.key(1), (request["agents"], request["dimension"]), jnp.float32)
        given = updates if request["game"] == "gram" else gram(updates.astype(jnp.float64))
        work = machine.blocking(jax.jit(gram if request["game"] == "gram" else exact))
        return measure(lambda: work(given), machine, request["budget"])


def check(request, machine):
    with jax.enable_x64(True):
        updates = machine.load(request["updates"]).astype(jnp.float64)
        scaled = updates / (jnp.linalg.norm(updates, axis=1, keepdims=True) + 1e-7) / len(updates)
        return {"values": exact(gram(scaled)).tolist()}
