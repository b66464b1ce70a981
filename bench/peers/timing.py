"""How the peers are timed: as `cgsv bench` times, after a warm-up, with caches flushed, until the seconds are used."""

import statistics
import time

LEAST, MOST = 3, 31


def summary(seconds):
    ordered = sorted(seconds)
    quarter = (len(ordered) - 1) // 4
    return {"seconds": statistics.median(ordered), "lower": ordered[quarter], "upper": ordered[-1 - quarter],
            "repeat": len(ordered)}


def repeats(budget):
    """Counts repeats until `budget` seconds have gone by, LEAST to MOST of them; one where each is longer still."""
    begin, done = time.perf_counter(), 0
    while done < MOST:
        spent = time.perf_counter() - begin
        if done > 0 and spent > budget and (done >= LEAST or spent > LEAST * budget):
            break
        yield done
        done += 1


def measure(work, machine, budget, prepare=None):
    """Times work() on `machine`, which flushes caches and waits for the device. prepare() is not timed."""
    seconds = []
    if prepare:
        prepare()
    work()  # warm-up
    for _ in repeats(budget):
        if prepare:
            prepare()
        machine.flush()
        machine.wait()
        begin = time.perf_counter()
        work()
        machine.wait()
        seconds.append(time.perf_counter() - begin)
    return summary(seconds)
