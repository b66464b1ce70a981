#!/usr/bin/env python3
"""What kernels would ask of an H200, from the emulated GPU's counts.

    CGSV_EMULATOR_TRAFFIC=FILE OMP_NUM_THREADS=1 LD_PRELOAD=build/tests/emulator/libemulated_gpu.so \\
        build/cgsv bench server --agents 50 --dimension 300000 --repeat 1 --device cuda:0
    bench/traffic.py FILE

Microseconds of a launch, if nothing but one resource were in the way: instructions (of warps, estimated from PTX),
memory (sectors that the launch reaches), second-level cache (sectors of all requests, as if no first-level cache held
any), shared memory. A kernel whose first number exceeds its second will not run at the speed of memory. No measurement:
real kernels also wait.
"""
import csv
import subprocess
import sys

MULTIPROCESSORS, CLOCK = 132, 1.7e9
INSTRUCTIONS = MULTIPROCESSORS * 4 * CLOCK  # of warps, per second
MEMORY, CACHE = 4.2e12, 5.5e12  # bytes per second: copies measured elsewhere, not here
SHARED = MULTIPROCESSORS * CLOCK  # passes of 128 bytes


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = subprocess.run(["c++filt"], input="\n".join(row["kernel"] for row in rows), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    print(f"{'kernel':40} {'launches':>8} {'blocks':>7} {'instr.':>8} {'memory':>8} {'cache':>8} {'shared':>8} "
          f"{'read MB':>8} {'written':>8} {'used':>5}")
    lines = []
    for name, row in zip(names, rows):
        n = {key: int(value) for key, value in row.items() if key != "kernel"}
        launches = n["launches"]
        memory = n["read_memory_bytes"] + n["write_memory_bytes"]
        sectors = n["read_sector_bytes"] + n["write_sector_bytes"]
        asked = n["read_bytes"] + n["write_bytes"]
        times = [1e6 * x / launches for x in (n["instructions"] / INSTRUCTIONS, memory / MEMORY, sectors / CACHE,
                                              n["shared_passes"] / SHARED)]
        lines.append((max(times[:2]) * launches,
                      f"{name.split('(')[0].removeprefix('void ')[:40]:40} {launches:8} {n['blocks'] // launches:7} "
                      + " ".join(f"{t:8.1f}" for t in times)
                      + "".join(f" {n[way + '_memory_bytes'] / launches / 1e6:8.2f}" for way in ("read", "write"))
                      + f" {asked / max(sectors, 1):5.2f}"))
    print("\n".join(line for _, line in sorted(lines, reverse=True)))


if __name__ == "__main__":
    main()
