#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets, corpus/TARGET/NAME, beside this script.

The targets say how they read an input. Run it again after a change, and commit the result.
"""

import gzip
import json
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
        "nothing": "",
        "help": "--help",
        "data": "--data-set=mnist\n--data\ndir\n--partition\ndirichlet\n--dirichlet-concentration=0.5",
        "agents": "--agents\n7\n--samples-per-agent=0\n--validation-fraction\n.25",
        "training": "--model=mlp\n--rounds=3\n--local-epochs\n2\n--batch=16\n--optimizer=adam\n--momentum=0.9",
        "rate": "--lr\n1e-3\n--lr-decay=0.955\n--decay-per=epoch\n--no-standalone\n--standalone-lr\n0.1",
        "mechanism": "--seed=18446744073709551615\n--gamma\n0.5\n--alpha=0.95\n--beta=1e7\n--reward=global",
        "machine": "--device\ncuda:0\n--threads=2\n--eval-every\n0",
        "output": "--out=results\n--force\n--save-models\n--format=json\n--dry-run\n--quiet",
        "alias": "--dataset\ncifar10\n-h",
        "unknown": "--agnets\n5",
        "missing": "--agents",
        "negative": "--agents=-1\n--seed\n-1",
        "not_finite": "--lr=nan\n--beta\ninf",
        "flag_with_value": "--quiet=yes",
    }
    for name, text in lines.items():
        write("options", name, text.encode())


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    for make in (make_npy, make_numbers, make_safetensors, make_idx, make_cifar, make_options, make_csv, make_report):
        make()
