"""The device that the PyTorch peers run on."""

import gc

import numpy
import torch

FLUSH_BYTES = {"cpu": 16 << 20, "cuda": 128 << 20}  # as bench_measure.c flushes, a core's share on the CPU


class Machine:
    def __init__(self, device, threads):
        torch.manual_seed(1)
        torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.version = torch.__version__
        if device == "cuda" and not torch.cuda.is_available():
            raise SystemExit("serve.py: this torch sees no GPU")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32, as ours
        floats = FLUSH_BYTES[device] // 4 * (threads if device == "cpu" else 1)
        self.junk = torch.zeros(2, floats, device=self.device)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def flush(self):
        self.junk[0].copy_(self.junk[1])

    def compile(self, function):
        return torch.compile(function, mode="reduce-overhead" if self.device.type == "cuda" else None)

    def load(self, path):
        return torch.from_numpy(numpy.load(path)).to(self.device)

    def release(self):
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
