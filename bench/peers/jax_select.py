"""Which entries each agent keeps of a given aggregate, in JAX: each tensor's magnitudes sorted once."""

import jax
import jax.numpy as jnp

from jax_server import bounds_of, tensor_sizes
from timing import measure


def run(request, machine):
    agents, dimension = request["agents"], request["dimension"]
    bounds = bounds_of(tensor_sizes(dimension))
    counts = [jnp.array([-(-(end - begin) * (agents - i) // (agents + 1)) for i in range(agents)])
              for begin, end in bounds]
    g = jax.random.normal(jax.random.key(1), (dimension,))

    def select(g):
        return [jnp.sort(jnp.abs(g[begin:end]), descending=True)[each - 1]
                for (begin, end), each in zip(bounds, counts)]

    select = machine.blocking(jax.jit(select))
    return measure(lambda: select(g), machine, request["budget"])
