"""Inputs for tests of faults: an MNIST of 30 pictures, rounds of updates, a small and a large one.
usage: fault_files.py FOLDER"""
import array
import gzip
import os
import random
import struct
import sys

from value_files import npy, npy_header

folder = sys.argv[1]
draw = random.Random(1)
os.makedirs(f"{folder}/mnist", exist_ok=True)
for split, samples in (("train", 30), ("t10k", 10)):
    labels = bytes(i % 10 for i in range(samples))
    pixels = bytes(draw.randrange(256) if (i % 28) // 2 == labels[i // 784] else 0 for i in range(samples * 784))
    with gzip.open(f"{folder}/mnist/{split}-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">4I", 0x803, samples, 28, 28) + pixels)
    with open(f"{folder}/mnist/{split}-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">2I", 0x801, samples) + labels)
npy(f"{folder}/updates.npy", [[draw.gauss(0, 1) for _ in range(200)] for _ in range(3)])
columns = 400000
with open(f"{folder}/large.npy", "wb") as file:
    file.write(npy_header([4, columns]))
    for agent in range(4):
        piece = array.array("f", [(k * (agent + 3) % 101) / 50 - 1 for k in range(1000)])
        file.write((piece * (columns // 1000)).tobytes())
