"""Runs peers on request, so that each can be timed at once after ours: a JSON object a line in, one a line out.

    serve.py torch|jax --device cpu|cuda --threads T

A request names "what" (server, select, valuation, training), a "kind", sizes and the "budget" of seconds; with
"check" it is computed once on given data, and what came out is answered. {"what": "version"} tells the framework's.
"""

import argparse
import importlib
import json
import os
import sys


def answer(request, framework, machine):
    if request["what"] == "version":
        return {"version": machine.version}
    peers = importlib.import_module(f"{framework}_{request['what']}")
    try:
        return (peers.check if request.get("check") else peers.run)(request, machine)
    finally:
        machine.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", choices=("torch", "jax"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    machine = importlib.import_module(f"{args.framework}_machine").Machine(args.device, args.threads)
    for line in sys.stdin:
        try:
            result = answer(json.loads(line), args.framework, machine)
        except (NotImplementedError, RuntimeError, MemoryError) as error:
            result = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
