"""The device that the JAX peers run on."""

import gc
import os

import numpy


class Machine:
    def __init__(self, device, threads):
        if device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # XLA takes all it may
        import jax  # only now, as it counts the cores
        jax.config.update("jax_default_matmul_precision", "highest")  # float32, as ours
        self.jax, self.version = jax, jax.__version__
        if device == "cuda" and jax.default_backend() != "gpu":
            raise SystemExit("serve.py: this jax sees no GPU")
        floats = (16 << 20) // 4 * threads if device == "cpu" else (128 << 20) // 4  # as torch_machine.py
        self.junk, self.touch = jax.numpy.zeros(floats), jax.jit(lambda x: x + 1)

    def flush(self):
        self.junk = self.touch(self.junk)
        self.junk.block_until_ready()

    def wait(self):
        """Nothing to wait for: the work that is timed blocks until its results are there."""

    def blocking(self, function):
        return lambda *arguments: self.jax.block_until_ready(function(*arguments))

    def load(self, path):
        return self.jax.numpy.asarray(numpy.load(path))

    def release(self):
        self.jax.clear_caches()
        gc.collect()
