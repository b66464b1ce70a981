"""Runs what is measured: our programs, one call a measurement, and the peers, which stay and answer requests."""

import json
import os
import select
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 240  # seconds that an answer of a peer may take


class Absent(Exception):
    """Why a measurement is not there."""


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


class Ours:
    def __init__(self, build, device, threads):
        self.build, self.machine = build, ["--device", device, "--threads", str(threads)]

    def call(self, program, *arguments):
        """The lines of JSON that it prints; Absent with its message when it refuses."""
        return [json.loads(line) for line in self.text(program, *arguments).splitlines()]

    def call_whole(self, program, *arguments):
        """The same of one object over many lines."""
        return json.loads(self.text(program, *arguments))

    def text(self, program, *arguments):
        command = [os.path.join(self.build, program), *arguments, *self.machine]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Absent((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1])
        return done.stdout


class Peer:
    """One framework; `absent` says why it is not there, else None."""

    def __init__(self, name, python, framework, device, threads):
        self.name, self.process, self.absent = name, None, None
        command = [python, os.path.join(HERE, "peers", "serve.py"), framework, "--device", device.split(":")[0],
                   "--threads", str(threads)]
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True)
            self.version = self.ask({"what": "version"})["version"]
        except (OSError, Absent):
            self.absent = self.version = f"none: '{python}' cannot import {framework}"

    def ask(self, request):
        if self.absent:
            raise Absent(self.absent)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Absent(f"{self.name} ended") from None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            self.absent = f"no answer in {PATIENCE} s"
            raise Absent(self.absent)
        line = self.process.stdout.readline()
        if not line:
            raise Absent(f"{self.name} ended")
        answer = json.loads(line)
        if "failed" in answer:
            raise Absent(answer["failed"])
        return answer

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()
