"""Files of updates for value_test.sh, sound and not, with the standard library alone.
usage: value_files.py FOLDER"""
import array
import json
import os
import random
import struct
import sys

CODES = {"<f4": "f", "<f8": "d", "<f2": "e", "<i4": "i", ">f4": "f"}


def npy_header(shape, descr="<f4", fortran=False):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {tuple(shape)}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npy(path, rows, descr="<f4", shape=None, fortran=False):
    """rows: list of rows, or one row for a vector."""
    matrix = isinstance(rows[0], (list, tuple))
    flat = [x for row in rows for x in row] if matrix else rows
    shape = shape or ((len(rows), len(rows[0])) if matrix else (len(rows),))
    with open(path, "wb") as file:
        file.write(npy_header(shape, descr, fortran))
        file.write(struct.pack(f"{descr[0]}{len(flat)}{CODES[descr]}", *flat))


def safetensors(path, tensors):
    """tensors: {name: (dtype, shape, bytes)}"""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path, aligned=False):
    """{name: list of numbers}, and the metadata. aligned: fails where a tensor is not, for its type."""
    raw = open(path, "rb").read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    codes = {"F32": "f", "F64": "d", "I64": "q"}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + x for x in entry["data_offsets"])
        code = codes[entry["dtype"]]
        assert not aligned or begin % struct.calcsize(code) == 0, f"{name} is not aligned"
        tensors[name] = list(struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", raw[begin:end]))
    return tensors, metadata


def singles(row):
    return array.array("f", row).tobytes()


def rounded(rows):
    """As float32 holds them."""
    return [list(array.array("f", row)) for row in rows]


def draw(seed, agents, columns):
    """Updates with something in common, so that their aggregate means something."""
    generator = random.Random(seed)
    common = [generator.gauss(0, 1) for _ in range(columns)]
    return rounded([[generator.gauss(0, 1) + 0.2 * i * c for c in common] for i in range(agents)])


def sound():
    rows, others = draw(1, 5, 300), draw(2, 5, 300)
    npy("a.npy", rows)
    npy("b.npy", others)
    npy("vector.npy", rows[1])
    npy("double.npy", rows, "<f8")
    npy("half.npy", rows, "<f2")
    npy("tiny.npy", [[x * 1e-25 for x in row] for row in rows], "<f4")
    npy("huge.npy", [[x * 1e25 for x in row] for row in rows], "<f4")
    npy("beyond.npy", [[x * 1e60 for x in row] for row in rows], "<f8")
    names = ["agent_2", "agent_10", "agent_1", "agent_9", 'odd "name", 3']
    safetensors("named.safetensors", {n: ("F32", [300], singles(r)) for n, r in zip(names, rows)})
    safetensors("matrix.safetensors", {"updates": ("F32", [5, 300], b"".join(map(singles, rows))),
                                       "other": ("F32", [2, 3], bytes(24))})
    npy("zero_agent.npy", rows[:2] + [[0.0] * 300] + rows[3:])
    npy("zero.npy", [[0.0] * 10] * 3)
    npy("opposed.npy", [rows[0], [-x for x in rows[0]]])
    npy("cancel.npy", [rows[0], rows[1], [-x - y for x, y in zip(rows[0], rows[1])]], "<f4")
    npy("forty_one.npy", draw(3, 41, 20))
    npy("weights.npy", [1.0, 2.0, 3.0, 0.0, 4.0], "<f8")
    with open("huge_file.npy", "wb") as file:  # sparse: 82 GB that take no room, and minutes to read
        file.write(npy_header((41, 500_000_000)))
        file.truncate(file.tell() + 41 * 500_000_000 * 4)


def text(path, content):
    with open(path, "w") as file:
        file.write(content)


def unsound():
    rows = draw(4, 3, 64)
    npy("fortran.npy", rows, fortran=True)
    npy("big_endian.npy", rows, ">f4")
    npy("integers.npy", [[1, 2], [3, 4]], "<i4")
    npy("cube.npy", rows, shape=(3, 8, 8))
    npy("truncated.npy", rows, shape=(3, 65))
    npy("overflow.npy", rows, shape=(2**40, 2**40))
    npy("negative.npy", rows, shape=(-3, 64))
    npy("other_shape.npy", draw(5, 5, 299))
    rows[1][3], rows[1][5], rows[2][63] = float("nan"), float("inf"), float("-inf")
    npy("nan.npy", rows)
    safetensors("nan.safetensors", {"a": ("F32", [2], singles([1, 2])), "b": ("F32", [2], singles([1, float("nan")]))})
    good = npy_header((3, 64))
    with open("long_header.npy", "wb") as file:
        file.write(good[:8] + b"\xff\xff" + good[10:])
    with open("cut_header.npy", "wb") as file:
        file.write(good[:40])
    open("empty.npy", "wb").close()
    text("text.npy", "1 2 3\n")
    with open("archive.npy", "wb") as file:
        file.write(b"PK\x03\x04" + bytes(100))
    matrix = ("F32", [3, 4], bytes(48))
    safetensors("ragged.safetensors", {"a": ("F32", [4], bytes(16)), "b": ("F32", [5], bytes(20))})
    safetensors("mixed.safetensors", {"a": ("F32", [4], bytes(16)), "b": ("F64", [4], bytes(32))})
    safetensors("several.safetensors", {"a": matrix, "b": matrix})
    safetensors("int.safetensors", {"a": ("I64", [3, 4], bytes(96))})
    safetensors("short.safetensors", {"a": ("F32", [3, 5], bytes(48))})
    for name, length in (("hostile", 2**63), ("long", 10**6)):
        with open(name + ".safetensors", "wb") as file:
            file.write(struct.pack("<Q", length) + b'{"a":1}')
    with open("deep.safetensors", "wb") as file:
        file.write(struct.pack("<Q", 50_000) + b'{"a":' * 10_000)


def numbers():
    text("weights.txt", "1 2\n3,0\r\n4\n")
    text("weights.json", "[1, 2, 3, 0.0, 4e0]\n")
    text("few.txt", "1 2 3 4\n")
    text("negative.txt", "1 2 -3 4 5\n")
    text("nan.txt", "1 2 nan 4 5\n")
    text("infinite.txt", "1 2 3 4 1e999\n")
    text("zero.txt", "0 0 0 0 0\n")
    text("words.txt", "1 2 three 4 5\n")
    text("escape.txt", "1 2 \x1b[31m3 4 5\n")
    text("glued.txt", "1 2 3.4.5 4 5\n")
    text("layers.txt", "100 150\n50\n")
    text("layers.json", "[100, 150, 50]")
    text("layers_short.txt", "100 150\n")
    text("layers_half.txt", "100.5 199.5\n")
    text("layers_zero.txt", "0 300\n")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    sound()
    unsound()
    numbers()
