#!/usr/bin/env python3
"""Folders of runs for report_test.sh, made up: report_files.py FOLDER writes all of them there."""

import json
import math
import pathlib
import random
import sys

COLUMNS = (
    "round,agent,samples,update_norm,psi,importance,keep_ratio,kept,reward_cos,reward_error,distance,"
    "distance_last_layer,server_norm,train_loss,test_loss,test_accuracy,standalone_loss,standalone_accuracy,fault"
).split(",")


def run(path, agents=5, rounds=6, every=2, complete=True, summary_extra=None, columns=None, **settings):
    """A run whose agents improve over the rounds, the later ones more; evaluated every `every`-th round."""
    draw = random.Random(agents * 1000 + rounds)
    path.mkdir(parents=True, exist_ok=True)
    config = {"model": "mlp", "partition": "powerlaw", "agents": agents, "rounds": rounds, "beta": 1, "seed": 1}
    config.update(settings)
    beta = float(config["beta"])
    root = {
        "cgsv_version": "0.1.0",
        "command_line": ["cgsv", "run", "--model", "mlp", "--beta", str(config["beta"]), "--out", str(path)],
        "data": {"set": "synthetic", "directory": None, "shape": [1, 32, 32]},
        "config": config,
        "device": {"name": "cpu", "description": "2 threads", "threads": 0},
        "parameters": 66250,
    }
    (path / "config.json").write_text(json.dumps(root, indent=1))

    weight = [1 + 3 * i / agents + 0.2 * draw.random() for i in range(agents)]
    importance = [w / sum(weight) for w in weight]
    rows, last = [], {}
    for t in range(1, rounds + 1):
        share = [math.tanh(beta * r) for r in importance]
        for i in range(agents):
            keep = share[i] / max(share)
            done = 1 - math.exp(-3 * t / rounds)
            row = dict.fromkeys(COLUMNS, 0)
            row.update(round=t, agent=i, samples=50 + 20 * i, psi=0.9 * keep * draw.uniform(0.8, 1),
                       importance=importance[i] * draw.uniform(0.98, 1.02), keep_ratio=keep,
                       distance=0.1 * t * (1 - keep), train_loss=2 - 1.6 * done, test_loss=2 - 1.5 * done * keep,
                       test_accuracy=0.1 + 0.8 * done * (0.9 + 0.1 * keep) * draw.uniform(0.99, 1),
                       standalone_loss=2 - done * keep, standalone_accuracy=0.1 + 0.6 * done * keep)
            if t % every and t != rounds:
                for name in ("test_loss", "test_accuracy", "standalone_loss", "standalone_accuracy"):
                    row[name] = ""
            last[i] = row
            rows.append(row)
    columns = columns or COLUMNS
    lines = [",".join(columns)]
    lines += [",".join("%.9g" % row[c] if row[c] != "" else "" for c in columns) for row in rows]
    (path / "rounds.csv").write_text("\n".join(lines) + "\n")
    server = ["round,loss,accuracy"]
    server += [f"{t},{2 - 1.5 * (1 - math.exp(-3 * t / rounds)):.6g},{0.1 + 0.8 * (1 - math.exp(-3 * t / rounds)):.6g}"
               for t in range(every, rounds + 1, every)]
    (path / "server.csv").write_text("\n".join(server) + "\n")
    if not complete:
        return
    entries = [
        {"agent": i, "samples": 50 + 20 * i, "classes": 10, "class_counts": [5] * 10, "importance": importance[i],
         "keep_ratio": last[i]["keep_ratio"], "accuracy": last[i]["test_accuracy"], "loss": last[i]["test_loss"],
         "standalone_accuracy": last[i]["standalone_accuracy"], "standalone_loss": last[i]["standalone_loss"],
         "gain": last[i]["test_accuracy"] - last[i]["standalone_accuracy"], "faulty_rounds": {"zero": 0},
         **(summary_extra or {})} for i in range(agents)]
    summary = {"rounds": rounds, "agents": entries, "server": {"accuracy": 0.86, "loss": 0.57},
               "rho_accuracy": None if agents == 1 else round(0.95 - 0.01 * beta, 4),
               "accuracy_mean": 0.85 - 0.001 * beta, "accuracy_max": 0.87, "gain_mean": 0.2, "jain_index": 0.999,
               "seconds": {"training": 3.5, "server": 0.01, "evaluation": 0.25}}
    (path / "summary.json").write_text(json.dumps(summary, indent=1))


HOSTILE = "</script></style></title><script>alert(1)</script><img src=\"http://evil/x\" onerror='a()'>&\x01\ufffe"


def hostile(path):
    """All texts of a run are markup."""
    run(path, 3, 4, summary_extra={"adversary": HOSTILE, HOSTILE: HOSTILE}, model=HOSTILE, partition=HOSTILE)
    config = json.loads((path / "config.json").read_text())
    config["command_line"] = ["cgsv", "run", "--out", "it's $HOME; `ls`", HOSTILE, ""]
    config["data"]["set"] = config["cgsv_version"] = config["device"]["description"] = HOSTILE
    config["config"][HOSTILE] = [HOSTILE, {"deep": [1]}, None, True, 1e999]
    (path / "config.json").write_text(json.dumps(config).replace("Infinity", "1e999"))


def hostile_sweep(path):
    """The same of several runs, which differ in settings that are markup, and of their table."""
    for number in range(3):
        cell = path / "cells" / f"{number:03}"
        hostile(cell)
        config = json.loads((cell / "config.json").read_text().replace("1e999", "1"))
        config["config"].update({"scheme": f"{HOSTILE}{number}", f"{HOSTILE}'\"&": number + 1})
        config["data"]["set"] = f"{HOSTILE} {number}"
        (cell / "config.json").write_text(json.dumps(config))
    field = '"%s"' % HOSTILE.replace('"', '""')
    (path / "sweep.csv").write_text(f"cell,{field},error\n0,{field},{field}\n")
    (path / "config.json").write_text(json.dumps({HOSTILE: HOSTILE, "axes": [{"name": HOSTILE, "values": [HOSTILE]}]}))


def edit(path, name, change):
    """A good run of which one file is changed."""
    run(path, 3, 4)
    text = change((path / name).read_text())
    (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def line(number, new):
    """Replaces one line of a text."""
    def change(text):
        lines = text.split("\n")
        lines[number - 1] = new if isinstance(new, str) else new(lines[number - 1])
        return "\n".join(lines)
    return change


def damaged(to):
    edit(to / "word", "rounds.csv", line(4, lambda old: old.replace("1,2,90", "1,2,many")))
    edit(to / "escape", "rounds.csv", line(3, lambda old: "\x1b[31m" + old))
    edit(to / "short_row", "rounds.csv", line(5, "2,1,0.5"))
    edit(to / "agent", "rounds.csv", line(3, lambda old: old.replace("1,1,", "1,7,")))
    edit(to / "backwards", "rounds.csv", line(7, lambda old: old.replace("2,2,", "1,2,")))
    edit(to / "quote", "rounds.csv", line(3, lambda old: '"' + old))
    edit(to / "nul", "rounds.csv", line(3, lambda old: old + "\0"))
    edit(to / "twice", "rounds.csv", line(1, lambda old: old.replace("psi", "agent")))
    edit(to / "nameless", "rounds.csv", line(1, lambda old: old.replace("agent", "who")))
    edit(to / "no_rows", "rounds.csv", lambda text: text.split("\n")[0] + "\n")
    edit(to / "empty", "rounds.csv", lambda text: "")
    edit(to / "server", "server.csv", line(2, "2,x,0.5"))
    edit(to / "config", "config.json", line(4, '  "model": mlp,'))
    edit(to / "list", "config.json", lambda text: "[1, 2]")
    edit(to / "other", "config.json", lambda text: '{"command_line": ["cgsv", "study"]}')
    edit(to / "many", "config.json", lambda text: text.replace('"agents": 3', '"agents": 1e300'))
    edit(to / "summary", "summary.json", lambda text: text[:-9])
    for name, missing in (("no_config", "config.json"), ("no_rounds", "rounds.csv")):
        run(to / name, 3, 4)
        (to / name / missing).unlink()
    (to / "nothing").mkdir()


def main(to):
    run(to / "five")
    run(to / "one", agents=1, rounds=1, every=1)
    run(to / "fifty", agents=50, rounds=30, every=3)
    run(to / "long", agents=8, rounds=1000, every=5)
    run(to / "unfinished", complete=False)
    run(to / "few_columns", columns=["agent", "round", "importance"])
    edit(to / "more_columns", "rounds.csv",
         lambda text: "\r\n".join(row and row + (",scheme" if row[0] == "r" else ',"a ""b"", c"')
                                  for row in text.split("\n")))
    edit(to / "gaps", "rounds.csv", line(9, lambda old: "%s,%s" % (old[:6], ",".join(["nan"] * 16))))
    for number, (beta, seed) in enumerate([(0.5, 1), (0.5, 2), (2, 1), (2, 2), (20, 1), (20, 2)]):
        run(to / "sweep" / "cells" / f"{number:03}", beta=beta, seed=seed, rounds=10)
    (to / "sweep" / "sweep.csv").write_text(f'cell,beta,rho\n0,0.5,0.9\n1,"{HOSTILE[:8]}",\n')
    (to / "sweep" / "cells" / "006").mkdir()
    for number in range(30):
        run(to / "wide" / "cells" / f"{number:03}", agents=3, beta=0.1 * 1.3**number, partition="abcde"[number % 5])
    (to / "table_only").mkdir()
    (to / "table_only" / "sweep.csv").write_text("cell,beta,rho\n0,0.5,0.9\n")
    (to / "sweep_damaged").mkdir()
    (to / "sweep_damaged" / "sweep.csv").write_text("cell,beta\n0,0.5\n1\n")
    hostile(to / "hostile")
    hostile_sweep(to / "hostile_sweep")
    damaged(to / "damaged")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
