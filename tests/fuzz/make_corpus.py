#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets, corpus/TARGET/NAME, beside this script.

The targets say how they read an input. Run it again after a change, and commit the result.
"""

import gzip
import json
import math
import pathlib
import shutil
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    path = FOLDER / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def npy_header(descr, shape, fortran=False):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()


def make_npy():
    def seed(name, version, header, data):
        write("npy", name, bytes([version]) + header + b"\0" + data)

    floats = struct.pack("<6f", 1, -2, 0.5, float("inf"), float("nan"), 1e-40)
    seed("f4", 1, npy_header("'<f4'", "(2, 3)"), floats)
    seed("f4_row", 2, npy_header("'=f4'", "(6,)"), floats)
    seed("f8", 3, npy_header("'<f8'", "(3, 2)"), struct.pack("<6d", 1, -2, 1e300, 4, 5, 6))
    seed("f2", 1, npy_header("'<f2'", "(1, 5)"), struct.pack("<5e", 1, -2, 65504, 6e-8, 0))
    seed("fortran", 1, npy_header("'<f4'", "(2, 3)", True), floats)
    seed("big_endian", 1, npy_header("'>f4'", "(2, 3)"), floats)
    seed("object", 1, npy_header("'|O'", "(2,)"), floats)
    seed("structured", 1, npy_header("[('a', '<f4'), ('b', '<f2')]", "(4,)"), floats)
    seed("scalar", 1, npy_header("'<f4'", "()"), floats[:4])
    seed("deep", 1, npy_header("'<f4'", "(1, 2, 3)"), floats)
    seed("empty", 1, npy_header("'<f4'", "(3, 0)"), b"")
    seed("overflow", 1, npy_header("'<f4'", "(4294967296, 1073741824)"), floats)
    header = npy_header("'<f4'", "(2, 3)")
    write("npy", "raw", b"\0\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + floats)
    write("npy", "raw_2", b"\0\x93NUMPY\2\0" + struct.pack("<I", len(header)) + header + floats)
    write("npy", "zip", b"\0PK\3\4")


def make_numbers():
    write("numbers", "text", b"1 2.5\n0,1e2\r\n")
    write("numbers", "weights", b"600 1200 50\n")
    write("numbers", "json", b"[100, 150, 50]\n")
    write("numbers", "signs", b"-1 +2 nan inf 0x1p3 1e999")
    write("numbers", "word", b"1 two 3")
    write("numbers", "brackets", b"[[1, 2], [3]]")
    header = npy_header("'<f8'", "(3,)")
    write("numbers", "npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + struct.pack("<3d", 1, 2, 3))


def make_csv():
    write("csv", "plain", b"round,agent,importance\n1,0,0.5\n1,1,\n")
    write("csv", "quoted", b'a,b\r\n"x, ""y""","two\nlines"\r\n1,2')
    write("csv", "mark", b"\xef\xbb\xbfa,b\n\n1e5,nan\n")
    write("csv", "short_row", b"a,b\n1\n")
    write("csv", "open_quote", b'a\n"x\n')
    write("csv", "twice", b"a,a\n1,2\n")


def make_report():
    """The first byte, modulo 4, is the file that the rest becomes."""
    config = {"cgsv_version": "0.1.0", "command_line": ["cgsv", "run", "--out", "it's"], "parameters": 9,
              "data": {"set": "synthetic"}, "config": {"agents": 2, "beta": 0.5, "model": "<mlp>", "seed": 1}}
    write("report", "config", b"\0" + json.dumps(config, indent=1).encode())
    write("report", "rounds", b"\1round,agent,psi,importance,keep_ratio,train_loss,test_accuracy,scheme\n"
          b"1,0,0.5,0.4,0.7,2.1,,a\n1,1,0.6,0.6,1,2,,a\n3,0,-0.5,0.3,0.6,nan,0.4,b\n3,1,1e-9,0.7,1,1.2,0.5,b\n")
    write("report", "many_rounds", b"\1round,agent,importance\n" + b"".join(b"%d,0,%d\n" % (t, t) for t in range(400)))
    write("report", "server", b"\2round,loss,accuracy\n1,2.3,0.1\n2,,\n3,1.1,0.6\n")
    agent = {"samples": 9, "class_counts": [1, 2], "gain": 0.1, "adversary": "free <rider>"}
    summary = {"rho_accuracy": None, "agents": [{"agent": i, **agent} for i in range(2)], "seconds": {"training": 1}}
    write("report", "summary", b"\3" + json.dumps(summary).encode())


def make_safetensors():
    sizes = {"F32": 4, "F64": 8, "I64": 8, "F16": 2, "BF16": 2}

    def entries(tensors):
        header, at = {}, 0
        for name, (dtype, shape) in tensors.items():
            size = sizes[dtype]
            for extent in shape:
                size *= extent
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
            at += size
        return header, at

    def seed(name, tensors, **more):
        header, size = entries(tensors)
        text = json.dumps(header | more, separators=(",", ":")).encode()
        data = bytes((7 * i + 1) % 256 for i in range(size))
        write("safetensors", name, b"\1" + text + b"\0" + data)

    for dtype in sizes:
        seed("matrix_" + dtype, {"u": (dtype, [2, 3])})
    seed("agents", {"agent_10": ("F32", [3]), "agent_2": ("F32", [3]), "agent_1": ("F32", [3])})
    seed("blocks", {"a": ("F16", [2, 1, 2]), "b": ("F16", [2, 1, 2])})
    seed("matrices", {"a": ("F64", [2, 2]), "ab": ("F64", [2, 2])})
    seed("ragged", {"a": ("F32", [3]), "b": ("F32", [2]), "c": ("BF16", [2, 2])})
    seed("unaligned", {"a": ("F16", [1]), "b": ("F32", [2])})
    seed("scalars", {"a": ("F32", []), "b": ("F32", [])})
    seed("empty", {"a": ("F32", [0, 3])})
    seed("metadata", {"u": ("F32", [2])}, __metadata__={"a": "x", "note": "line\nbreak"})
    write("safetensors", "nothing", b"\1{}\0")
    write("safetensors", "deep", b"\1" + b'{"a":' + b"[" * 1200 + b"\0")
    text = json.dumps(entries({"u": ("F32", [2, 1])})[0]).encode()
    write("safetensors", "raw", b"\0" + struct.pack("<Q", len(text)) + text + bytes(8))


def make_idx():
    pictures = struct.pack(">4I", 0x803, 2, 28, 28) + bytes(i % 256 for i in range(2 * 784))
    labels = struct.pack(">2I", 0x801, 2) + bytes([0, 9])
    for kind, which in (("train", 0), ("test", 2)):
        write("idx", kind + "_pictures_gz", bytes([which]) + gzip.compress(pictures, mtime=0))
        write("idx", kind + "_labels", bytes([which + 1]) + labels)
    write("idx", "pictures", b"\0" + pictures)
    write("idx", "labels_gz", b"\1" + gzip.compress(labels, mtime=0))
    write("idx", "labels_two_members", b"\1" + gzip.compress(labels[:8], mtime=0) + gzip.compress(labels[8:], mtime=0))
    write("idx", "label_10", b"\1" + labels[:9] + b"\x0a")
    write("idx", "huge", b"\0" + struct.pack(">4I", 0x803, 65536, 128, 128))
    write("idx", "overflow", b"\2" + struct.pack(">4I", 0x803, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
    write("idx", "other_type", b"\0" + struct.pack(">4I", 0xD03, 2, 28, 28))


def make_cifar():
    record = bytes([9]) + bytes(i * i % 251 for i in range(3072))
    write("cifar", "plain", b"\0" + record)
    write("cifar", "first_gz", b"\0" + gzip.compress(bytes(3073), mtime=0))
    write("cifar", "test_gz", b"\5" + gzip.compress(bytes([9]) + bytes(3072), mtime=0))
    write("cifar", "label_10", b"\3" + gzip.compress(bytes([10]) + bytes(3072), mtime=0))
    write("cifar", "long", b"\2" + gzip.compress(bytes(3074), mtime=0))
    write("cifar", "short", b"\4" + record[:100])


def make_options():
    lines = {
        "nothing": "run",
        "help": "run\n--help",
        "data": "run\n--data-set=mnist\n--data\ndir\n--partition\ndirichlet\n--dirichlet-concentration=0.5",
        "agents": "run\n--agents\n7\n--samples-per-agent=0\n--validation-fraction\n.25",
        "training": "run\n--model=mlp\n--rounds=3\n--local-epochs\n2\n--batch=16\n--optimizer=adam\n--momentum=0.9",
        "rate": "run\n--lr\n1e-3\n--lr-decay=0.955\n--decay-per=epoch\n--no-standalone\n--standalone-lr\n0.1",
        "mechanism": "run\n--seed=18446744073709551615\n--gamma\n0.5\n--alpha=0.95\n--beta=1e7\n--reward=global",
        "machine": "run\n--device\ncuda:0\n--threads=2\n--eval-every\n0",
        "output": "run\n--out=results\n--force\n--save-models\n--format=json\n--dry-run\n--quiet",
        "alias": "run\n--dataset\ncifar10\n-h",
        "unknown": "run\n--agnets\n5",
        "missing": "run\n--agents",
        "negative": "run\n--agents=-1\n--seed\n-1",
        "not_finite": "run\n--lr=nan\n--beta\ninf",
        "flag_with_value": "run\n--quiet=yes",
        "control": "run\n--agents=\x1b[31m7",
        "adversaries": "run\n--adversary\nfree-rider:2,label-flip:1\n--scheme=rffl\n--no-own-update",
        "sweep": "sweep\n--beta\n0.5,1,2\n--seed=1..3\n--scheme=cgsv,fedavg\n--out\nresults\n--retry\n--details",
        "sweep_ranges": "sweep\n--agents=2..8\n--rounds\n1,2\n--memory=0.5\n--fleet\n0\n--dry-run",
        "sweep_many": "sweep\n--seed=1..1000\n--rounds=1..1000\n--batch=1..1000",
        "sweep_twice": "sweep\n--seed=1,2,1\n--model=mlp,",
        "value": "value\nu.npy\n--round\n--beta=2\n--reward=layer\n--layers\nsizes\n--out=r\n--dense-rewards",
        "value_files": "value\na.safetensors\nb.safetensors\n--tensor=a\n--weights\nw.txt\n--json=-\n--memory=64M",
        "value_method": "value\n--method=owen\n--budget=100\n--epsilon=.1\n--delta\n.1\n--precise\n--\n--name",
        "value_size": "value\nu.npy\n--memory=9223372036854775807G",
        "study": "study\n--agents=5..10\n--dimensions\n2^10..2^15\n--methods=cosine,owen\n--trials=3\n--plot",
        "study_updates": "study\n--updates\nrun_1\nrun_2\n--agents=none\n--out=study\n--force",
        "paper": "paper\n--out=paper\n--parts=fairness,beta\n--data-sets=synthetic,mnist\n--agents=5,10\n--quick",
        "paper_settings": "paper\n--dry-run\n--schemes=cgsv,rr\n--seeds=1..3\n--betas=0.5,1e7\n--rounds=2\n--lr=0.1",
        "report": "report\nrun_1\nrun_2\n--out=both.html\n--plots\nplots\n--force",
        "report_standard_output": "report\n--out=-\n--\n--run",
        "bench": "bench\nserver\n--agents=10..50:10\n--dimension\n62006,1M\n--reward=global\n--repeat=3\n--json",
        "bench_shapley": "bench\nshapley\n--exact-agents=12\n--precise\n--threads=2",
        "bench_select": "bench\nselect\n--help",
        "no_command": "walk\n--help",
    }
    for name, text in lines.items():
        write("options", name, text.encode())


def make_rt_polarity():
    def lines(count, end="\n"):
        return "".join(f"film {i} is good{end}" for i in range(count)).encode()

    write("rt_polarity", "negative", b"\0" + lines(12))
    write("rt_polarity", "crlf", b"\0" + lines(12, "\r\n"))
    write("rt_polarity", "no_end", b"\0" + lines(12)[:-1])
    write("rt_polarity", "latin_1", b"\1caf\xe9 \xfcber\n\xc9tude\n" + lines(12))
    write("rt_polarity", "utf_8", b"\1" + "café\u00a0über “quoted” 𝄞\nÉTUDE ×\n".encode() + lines(12))
    write("rt_polarity", "nul", b"\0a\0b\n" + lines(12))
    write("rt_polarity", "gz", b"\1" + gzip.compress(lines(12), mtime=0))
    write("rt_polarity", "few", b"\0a\n")
    write("rt_polarity", "empty_line", b"\0a\n\nb\n")


def make_trees():
    write("trees", "train", b"\0(3 (2 (2 The) (2 Rock)) (4 (3 is) (2 .)))\n(1 (0 bad) (2 film))\n")
    write("trees", "dev", b"\1(2 (2 co-writer\\/director) (2 -LRB-))\n")
    write("trees", "utf_8", b"\2" + "(2 (2 Café) (2 Ayurveda\u00a0does))\n".encode())
    write("trees", "latin_1", b"\0(2 caf\xe9)\n")
    write("trees", "gz", b"\0" + gzip.compress(b"(2 (2 a) (2 b))\n", mtime=0))
    write("trees", "gz_short", b"\0" + gzip.compress(b"(2 (2 a) (2 b))\n", mtime=0)[:-3])
    write("trees", "deep", b"\0" + b"(2 " * 300 + b"a" + b")" * 300 + b"\n")
    write("trees", "open", b"\0(2 (2 a) (2 b)\n")
    write("trees", "closed", b"\0(2 a))\n")
    write("trees", "two", b"\0(2 a) (2 b)\n")
    write("trees", "label", b"\0(7 a)\n")
    write("trees", "no_word", b"\0(2 )\n(2)\n")


def make_vectors():
    def line(word, value, count=300):
        return (word + f" {value}" * count + "\n").encode()

    write("vectors", "glove", line("the", 0.5) + line("film", -0.25))
    write("vectors", "word2vec", b"2 300\n" + line("the", "1e-3") + line("good", 2))
    write("vectors", "blanks", line(". . .", 0.5) + line("good", 0.5))
    write("vectors", "long", line("the", 0.5, 301))
    write("vectors", "short", line("the", 0.5, 299))
    write("vectors", "no_end", line("the", 0.5)[:-1])
    write("vectors", "nan", line("the", "nan"))
    write("vectors", "inf", line("the", "1e999"))
    write("vectors", "word_only", b"the\n")
    write("vectors", "gz", gzip.compress(line("good", 1), mtime=0))


def make_comparison():
    """The first byte, modulo 8, is the file that the rest becomes."""
    hostile = "</script><b onclick=\"a()\">&'\x01\x7f\x9b"
    config = {"command_line": ["cgsv", "run", hostile], "data": {"set": hostile},
              "config": {"agents": 2, "beta": 0.25, hostile: hostile, "scheme": hostile, "lr": 1e-3}}
    write("comparison", "table", b"\0cell,beta,status,error\n0,0.5,done,\n1,2,failed,\"" +
          hostile.replace('"', '""').encode() + b"\"\n")
    write("comparison", "config", b"\1" + json.dumps(config).encode())
    write("comparison", "rounds", b"\2round,agent,psi,test_accuracy\n1,0,0.5,0.4\n1,1,0.6,\n7,0,,0.5\n7,1,,0.5\n")
    write("comparison", "summary", b"\3" + json.dumps({"rho_accuracy": -0.5, "server": {"loss": 2}}).encode())
    write("comparison", "other_config", b"\4" + json.dumps(config).encode())
    write("comparison", "sweep_config", b"\7" + json.dumps({"axes": [{"name": hostile}], "cells": 2}).encode())


def make_sweep():
    """The first byte, modulo 4, is the file that the rest becomes."""
    numbers = ("rho_accuracy rho_loss rho_samples rho_local server_accuracy server_loss accuracy_mean accuracy_max "
               "accuracy_min accuracy_spread standalone_mean gain_mean gain_spread loss_mean loss_spread jain_index "
               "faults seconds_training seconds_server seconds_evaluation").split()
    header = ",".join(["cell", "beta", "rounds", "status"] + numbers + ["error"]) + "\n"
    done = "0,0.5,3,done" + ",0.5" * len(numbers) + ",\n"
    failed = "2,1,3,failed" + "," * len(numbers) + ',"no ""GPU"""\n'
    record = {"cgsv_version": "0.1.0", "command_line": ["cgsv", "sweep"],
              "settings": {"beta": "0.5,1", "rounds": "3,4", "data-set": "sst"}}

    def table(name, text, kind=1):
        write("sweep", name, bytes([kind]) + (header + text).encode())

    write("sweep", "record", b"\0" + json.dumps(record).encode())
    write("sweep", "record_version", b"\0" + json.dumps(record | {"cgsv_version": "\x1b[31m9\n"}).encode())
    write("sweep", "record_settings", b"\0" + json.dumps(record | {"settings": {"beta": "\x1b[31m"}}).encode())
    table("table", done + failed)
    table("table_cut", done + failed[:9])
    table("table_cell", "../../x,0.5,3,done\n")
    table("table_control", "\x1b[31mred\n")
    table("table_error", failed.replace("no", "\x1b[2J"))
    table("table_twice", done + done)
    table("table_retry", done + failed, 3)
    write("sweep", "table_columns", b"\1cell,status\n")
    write("sweep", "table_empty", b"\1")
    write("sweep", "cell", b"\2" + json.dumps(record | {"command_line": ["cgsv", "run"]}).encode())
    write("sweep", "cell_other", b"\2" + json.dumps(record).encode())
    write("sweep", "cell_damaged", b"\2{")


def make_paper():
    """The first byte, modulo 2, is the file that the rest becomes."""
    header = ("partition,scheme,beta,status,rho_accuracy,rho_local,accuracy_mean,accuracy_max,accuracy_min,loss_spread,"
              "seconds_server,seconds_training\n")
    cells = ("uniform,cgsv,1,done", "powerlaw,rr,1e+07,done", "uniform,cgsv,0.5,failed")
    rows = "".join(f"{cell},0.5,,0.25,0.5,0.125,1e-3,2,8\n" for cell in cells)
    study = "N,D,method,l1_mean,l1_deviation,l2_mean,l2_deviation,pearson_mean,pearson_deviation,seconds\n"
    for name, first in (("fairness", 0), ("beta", 128)):
        write("paper", name, bytes([first]) + (header + rows).encode())
    write("paper", "markup", b"\0" + (header + rows.replace("uniform", "<script>")).encode())
    write("paper", "control", b"\0" + (header + rows.replace("cgsv", "\x1b[31m")).encode())
    write("paper", "no_column", b"\0" + header.replace("scheme,", "").encode())
    write("paper", "study", b"\1" + (study + "5,1000,cosine,0.01,0.001,1e-300,1e300,0.9,nan,0.1\n").encode())
    write("paper", "study_markdown", b"\x81" + (study + "5,1000,leave-one-out,,,,,,,\n").encode())
    write("paper", "study_markup", b"\x81" + (study + "5,1000,`[a](b),0,0,0,0,0,0,0\n").encode())


def make_gz():
    text = b"(2 (2 a) (2 b))\n" * 40
    for members in (1, 2, 8):
        write("gz", f"members_{members}", bytes([members, 6]) + text)
    write("gz", "empty", b"\1\0")
    write("gz", "plain", b"\0\x40" + text)
    write("gz", "packed", b"\0\x40" + gzip.compress(text, mtime=0))
    write("gz", "cut", b"\0\x40" + gzip.compress(text, mtime=0)[:-5])
    write("gz", "checksum", b"\0\x40" + gzip.compress(text, mtime=0)[:-8] + bytes(8))
    write("gz", "trailing", b"\0\x40" + gzip.compress(text, mtime=0) + b"more")
    write("gz", "bomb", b"\0\xff" + gzip.compress(bytes(1 << 20), mtime=0))


def make_checkpoint():
    metadata = {"checkpoint_version": "1", "rounds_done": "3", "evaluated": "1", "agents": "2"}
    tensors = {"models": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
               "removed": {"dtype": "I32", "shape": [1, 2], "data_offsets": [24, 32]},
               "checksum": {"dtype": "I64", "shape": [], "data_offsets": [32, 40]}}

    def seed(name, tensors=tensors, **metadata_changes):
        header = {"__metadata__": metadata | metadata_changes} | tensors
        write("checkpoint", name, b"\1" + json.dumps(header, separators=(",", ":")).encode() + b"\0" + bytes(range(32)))

    seed("sound")
    seed("version", checkpoint_version="2")
    seed("control", checkpoint_version="\x1b[31m")
    seed("rounds", rounds_done="99999999999")
    seed("rounds_text", rounds_done="3x")
    seed("no_checksum", {"models": {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]}})
    seed("checksum_first", {"checksum": tensors["checksum"] | {"data_offsets": [0, 8]},
                            "models": {"dtype": "F32", "shape": [2, 4], "data_offsets": [8, 40]}})
    write("checkpoint", "raw", b"\0" + struct.pack("<Q", 2) + b"{}" + bytes(8))
    for name, table in (("table", "1,2.5,0.1\n2,2,0.2\n"), ("table_cut", "1,2.5,0.1\n2,2"), ("table_short", "")):
        write("checkpoint", name, b"\2\2round,loss,accuracy\n" + table.encode())
    write("checkpoint", "table_other", b"\2\1round\n1\n")


def make_federation():
    """The first byte says of which federation; see fuzz_federation.c for edits."""
    header, arrays, number = range(3)

    def edit(target, at, drop, text):
        return bytes([target]) + struct.pack("<I", at)[:3] + bytes([drop, len(text)]) + text

    for variant in range(5):
        first, nan, huge = bytes([variant]), struct.pack("<f", math.nan), struct.pack("<d", 1e300)
        write("federation", f"sound_{variant}", first)
        write("federation", f"not_numbers_{variant}",
              first + b"".join(edit(arrays, 4 * at, 4, nan) for at in range(0, 2000, 99)))
        write("federation", f"huge_{variant}",
              first + b"".join(edit(arrays, 65536 - 400 * at, 8, huge) for at in range(9)))
    for at in range(0, 40, 3):
        for text in (b"3", b"0", b"4294967297"):
            write("federation", f"number_{at}_{text.decode()}", b"\3" + edit(number, at, 0, text))
    write("federation", "shorter", b"\1" + edit(arrays, 8, 8, b""))
    write("federation", "text", b"\0" + edit(header, 30, 1, b"\x1b"))


def make_resume():
    """The first byte says what stands on the command line beside --resume."""
    line = ["cgsv", "run", "--model=mlp", "--agents", "3", "--rounds=5", "--beta=2", "--out", "../../x", "--force"]

    def seed(name, first, **changes):
        record = {"cgsv_version": "0.1.0", "command_line": line, "data": {"set": "synthetic", "directory": "/data"}}
        write("resume", name, bytes([first]) + json.dumps(record | changes).encode())

    for first in range(10):
        seed(f"sound_{first}", first)
    seed("help", 0, command_line=line + ["--help"])
    seed("resumed", 0, command_line=line + ["--resume=../../y"])
    seed("unknown", 0, command_line=line + ["--\x1b[31m=1"])
    seed("number", 0, command_line=line + [7])
    seed("short", 0, command_line=["cgsv", "run"])
    seed("sweep", 0, command_line=["cgsv", "sweep"])
    seed("object", 0, command_line={"a": "cgsv", "b": "run", "c": "--quiet"})
    seed("version", 0, cgsv_version="\x1b[31m")
    write("resume", "damaged", b"\0{")


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    for make in (make_npy, make_numbers, make_safetensors, make_idx, make_cifar, make_rt_polarity, make_trees,
                 make_vectors, make_options, make_csv, make_report, make_comparison, make_sweep, make_paper, make_gz,
                 make_checkpoint, make_federation, make_resume):
        make()
