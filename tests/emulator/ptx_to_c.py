#!/usr/bin/env python3
"""PTX to C: what nvcc made of the kernels, for a machine without a GPU.

    ptx_to_c.py KERNELS.ptx KERNELS.c

Every kernel becomes a C function that one thread of a block runs, on top of tests/emulator/machine.h; a table of all
kernels ends the file.
"""
import re
import sys

from instructions import Body, c_name
from ptx import NotUnderstood, body_end, operands, statements, variable

GAP = 32  # bytes behind a shared variable that belong to none

# Of a module: directives of the file, variables, functions (declared or defined), kernels.
ENTRY = re.compile(
    r"\s*(?:\.(?:version|target|address_size)[^\n]*\n"
    r"|\.(?P<space>shared|global)\s(?P<variable>[^;]*);"
    r"|\.func\s+(?:\((?P<results>[^)]*)\))?\s*(?P<function>[\w$]+)\s*\((?P<inputs>[^)]*)\)\s*(?P<end>[;{])"
    r"|(?:\.visible )?\.entry\s+(?P<kernel>[\w$]+)\s*\((?P<parameters>[^)]*)\)(?P<limits>[^{]*)\{)", re.S)


class Shared:
    """Shared variables, one after the other: those of the module, then a kernel's own."""

    def __init__(self, common=None):
        self.offset = dict(common.offset) if common else {}
        self.ranges = list(common.ranges) if common else []

    def add(self, symbol, align, size):
        end = sum(self.ranges[-1][:2]) + GAP if self.ranges else 0
        self.offset[symbol] = (end + align - 1) // align * align
        self.ranges.append((self.offset[symbol], size, symbol))


def function(m, body):
    """The signature of a device function, whose results and parameters are arrays."""
    names = [variable(p)[0] for p in operands(m["results"] or "") + operands(m["inputs"])]
    body.arrays.update({name: c_name(name) for name in names})
    arguments = "".join(f", unsigned char *{c_name(name)}" for name in names)
    return f"static void {c_name(m['function'])}(struct machine_thread *t{arguments})"


def kernel(m, body):
    """The signature of a kernel, whose parameters lie one after the other; their places."""
    if "256, 1, 1" not in m["limits"]:
        raise NotUnderstood(f"{m['kernel']}: blocks of other than 256 threads")
    places, end = [], 0
    for declared in operands(m["parameters"]):
        name, align, size = variable(declared)
        begin = (end + align - 1) // align * align
        body.arrays[name] = f"(parameter + {begin})"
        places.append((begin, size))
        end = begin + size
    return f"static void {c_name(m['kernel'])}(struct machine_thread *t, const unsigned char *parameter)", places


def table(kernels):
    out = []
    for name, _, body in kernels:
        ranges = "".join(f'    {{{begin}, {size}, "{symbol}"}},\n' for begin, size, symbol in body.shared.ranges)
        out.append(f"static const struct machine_range shared_{c_name(name)}[] = {{\n{ranges}    {{0}}}};")
    out.append("const struct machine_kernel machine_kernels[] = {")
    for name, places, body in kernels:
        listed = ", ".join(f"{{{begin}, {size}}}" for begin, size in places)
        out.append(f'    {{"{name}", {c_name(name)}, shared_{c_name(name)}, {body.sites}, {len(places)}, '
                   f"{{{listed}}}}},")
    return out + ["    {0}};"]


def translate(text):
    text = re.sub(r"//[^\n]*", "", text)
    common, constants, kernels = Shared(), set(), []
    out = ['#include "tests/emulator/machine.h"']
    at = 0
    while text[at:].strip():
        m = ENTRY.match(text, at)
        if not m:
            raise NotUnderstood(text[at:at + 100])
        at = m.end()
        if m["space"] == "shared":
            common.add(*variable(m["variable"]))
        elif m["space"]:
            declared, _, values = m["variable"].partition("=")
            name, align, size = variable(declared)
            constants.add(name)
            out.append(f"static _Alignas({align}) unsigned char {c_name(name)}[{size}] = {values or '{0}'};")
        elif m["function"] or m["kernel"]:
            body = Body(Shared(common), constants)
            if m["kernel"]:
                signature, places = kernel(m, body)
                kernels.append((m["kernel"], places, body))
            else:
                signature = function(m, body)
            if m["end"] == ";":
                out.append(signature + ";")
                continue
            end = body_end(text, at)
            body.translate(statements(text[at:end - 1]))
            out += [signature, "{", *body.out, "}"]
            at = end
    return "\n".join(out + table(kernels))


def main():
    source, target = sys.argv[1:]
    try:
        with open(source, encoding="utf-8") as file:
            translated = translate(file.read())
    except NotUnderstood as e:
        sys.exit(f"{source}: tests/emulator does not understand: {e}")
    with open(target, "w", encoding="utf-8") as file:
        print(translated, file=file)


if __name__ == "__main__":
    main()
