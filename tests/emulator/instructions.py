"""Instructions of PTX in C, on top of tests/emulator/machine.h. Registers are local variables, labels are labels.

Instruction `name.a.b` is the method op_name(["a", "b"], operands). One that is not there, or with modifiers that its
method does not know, is an error: nothing is skipped. Meanings: PTX ISA 9.0, chapter 9.
"""
import re

from ptx import SIZE, NotUnderstood, doubled, elements, is_float, operands, unsigned, variable

C_TYPE = {"f32": "float", "f64": "double", "pred": "uint8_t"}
SPECIAL = {"%tid.x": "t->index", "%tid.y": "0", "%tid.z": "0", "%ntid.x": "MACHINE_THREADS",
           "%laneid": "(t->index % 32)"}
for axis in "xyz":
    SPECIAL[f"%ctaid.{axis}"] = f"t->block->index.{axis}"
    SPECIAL[f"%nctaid.{axis}"] = f"t->block->grid.{axis}"

ARITHMETIC = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}
# Instructions that a GPU issues for one of these, roughly, where it is not one.
VANISH = ("mov", "cvta", "ret")
LONG = {"div": 12, "rem": 16, "sqrt": 10, "rcp": 6}

COMPARISON = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ROUNDING = {"rzi": "trunc", "rni": "rint", "rmi": "floor", "rpi": "ceil"}


def c_type(kind):
    """The C type of a PTX type; bits are unsigned."""
    return C_TYPE.get(kind) or f"{'int' if kind[0] == 's' else 'uint'}{8 * SIZE[kind]}_t"


def c_name(name):
    """Names of registers and of the rest do not meet."""
    return ("" if name[0] == "%" else "v_") + re.sub(r"\W", "_", name.lstrip("%"))


def converted(expression, of, to):
    """A value in C of PTX type `of`, as the same bits of type `to`, cut or extended where these are more or fewer."""
    if of == to:
        return expression
    if is_float(of):
        return converted(f"bits_of_{of}({expression})", "u" + of[1:], to)
    return f"{to}_of_bits({expression})" if is_float(to) else f"({c_type(to)})({expression})"


def demand(condition, what):
    if not condition:
        raise NotUnderstood(what)


def issues(name, modifiers):
    """How many instructions a GPU issues for one of PTX: an estimate."""
    if name in VANISH or (name in ("ld", "st") and "param" in modifiers):
        return 0
    wide = 2 if modifiers and SIZE.get(modifiers[-1], 4) == 8 else 1
    if name in ("ld", "st", "selp", "cvt"):
        return 1
    if name in ("mul", "mad") and wide == 2 and not is_float(modifiers[-1]):
        return 4
    return wide * LONG.get(name, 1)


class Body:
    """The body of a kernel or of a device function, on its way to C."""

    def __init__(self, shared, constants):
        self.shared = shared  # offsets of shared variables
        self.constants = constants
        self.arrays = {}  # C for the address of parameters and local arrays
        self.scopes = [{}]  # registers by name: their type
        self.out = []
        self.sites = 0  # places in the code that reach memory
        self.stretch = None  # line of `out` that counts the instructions from it to the next branch, and how many

    def emit(self, line):
        self.out.append(line)

    def begin_stretch(self):
        self.end_stretch()
        self.stretch = len(self.out), 0
        self.emit("")

    def end_stretch(self):
        if self.stretch and self.stretch[1]:
            self.out[self.stretch[0]] = f"t->issued += {self.stretch[1]};"

    def site(self, count=1):
        self.sites += count
        return self.sites - count

    def translate(self, text):
        begun = False
        for words in text:
            if not begun and words[0] not in ".":
                self.begin_stretch()
                begun = True
            if words == "{":
                self.scopes.append({})
                self.emit("{")
            elif words == "}":
                self.scopes.pop()
                self.emit("}")
            elif words.endswith(":"):
                self.emit(f"{c_name(words[:-1])}:;")
                self.begin_stretch()
            elif words.startswith(".reg"):
                self.declare_registers(words)
            elif words.startswith(".shared"):
                self.shared.add(*variable(words.removeprefix(".shared")))
            elif words.startswith((".local", ".param")):
                name, align, size = variable(words.removeprefix(".local"))
                self.arrays[name] = c_name(name)
                self.emit(f"_Alignas({align}) unsigned char {c_name(name)}[{size}];")
            elif not words.startswith(".pragma"):
                self.instruction(words)
        self.end_stretch()

    def declare_registers(self, words):
        _, kind, names = words.split(None, 2)
        kind = kind[1:]
        for name in operands(names):
            many = re.fullmatch(r"(.*)<(\d+)>", name)
            for each in [f"{many.group(1)}{i}" for i in range(int(many.group(2)))] if many else [name]:
                self.scopes[-1][each] = kind
                self.emit(f"{c_type(kind)} {c_name(each)};")

    def instruction(self, words):
        m = re.fullmatch(r"(?:@(!?)([%\w]+)\s+)?([a-z]\w*)((?:\.\w+)*)\s*(.*)", words)
        handler = m and getattr(self, "op_" + m.group(3), None)
        demand(handler, words)
        negated, guard, name, modifiers, rest = m.groups()
        self.stretch = self.stretch[0], self.stretch[1] + issues(name, modifiers.split(".")[1:])
        if guard:
            self.emit(f"if ({negated}{c_name(guard)}) {{")
        try:
            handler(modifiers.split(".")[1:], operands(rest))
        except (NotUnderstood, KeyError, IndexError, ValueError) as e:
            raise NotUnderstood(f"{words}: {e!r}") from e
        if guard:
            self.emit("}")
        if name in ("bra", "call"):
            self.begin_stretch()

    # Operands

    def kind_of(self, name):
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def value(self, operand, kind):
        """C for an operand that is read as PTX type `kind`."""
        own = self.kind_of(operand)
        if own:
            return converted(c_name(operand), own, kind)
        if operand in SPECIAL:
            return f"({c_type(kind)}){SPECIAL[operand]}"
        bits = re.fullmatch(r"0([fd])([0-9A-F]+)", operand)
        if bits:
            of = {"f": "f32", "d": "f64"}[bits.group(1)]
            return converted(f"{of}_of_bits(0x{bits.group(2)}ull)", of, kind)
        if re.fullmatch(r"-?\d+", operand):
            return f"({c_type(kind)})" + ("INT64_MIN" if int(operand) == -2**63 else f"{operand}ll")
        return f"({c_type(kind)}){self.place(operand)}"

    def place(self, symbol):
        """The address of a variable."""
        if symbol in self.shared.offset:
            return f"(t->block->shared + {self.shared.offset[symbol]})"
        demand(symbol in self.arrays or symbol in self.constants, symbol)
        return f"(uintptr_t){self.arrays.get(symbol, c_name(symbol))}"

    def address(self, operand):
        """C for [base+offset]."""
        m = re.fullmatch(r"\[([^\s+]+)(?:\+(-?\d+))?\]", operand)
        demand(m, operand)
        base, offset = m.groups()
        start = f"(uintptr_t){c_name(base)}" if self.kind_of(base) else self.place(base)
        return f"{start} + ({offset})" if offset else start

    def assign(self, target, expression, kind):
        own = self.kind_of(target)
        demand(own, f"{target} is not a register")
        self.emit(f"{c_name(target)} = {converted(expression, kind, own)};")

    # Control

    def op_bra(self, _, to):
        self.emit(f"goto {c_name(to[0])};")

    def op_ret(self, *_):
        self.emit("return;")

    def op_trap(self, *_):
        self.emit('machine_fault(t, "trap");')

    def op_call(self, _, parts):
        results, function, given = [p.strip("()") for p in parts]
        passed = [self.arrays[a] for a in operands(results) + operands(given)]
        self.emit(f"{c_name(function)}({', '.join(['t'] + passed)});")

    def op_bar(self, modifiers, a):
        if modifiers == ["warp", "sync"]:
            return self.emit(f"machine_warp_barrier(t, {self.value(a[0], 'u32')});")
        demand(modifiers == ["sync"] and a == ["0"], a)
        self.emit("machine_block_barrier(t);")

    # Moves and conversions

    def op_mov(self, modifiers, a):
        kind, = modifiers
        to, of = elements(a[0]), elements(a[1])
        if len(to) == len(of) == 1:
            return self.assign(a[0], self.value(a[1], kind), kind)
        whole, part = unsigned(kind), f"u{8 * SIZE[kind] // max(len(to), len(of))}"
        if len(to) == 1:
            packed = [f"(({c_type(whole)}){self.value(x, part)} << {8 * SIZE[part] * i})" for i, x in enumerate(of)]
            return self.assign(a[0], " | ".join(packed), whole)
        self.emit(f"{{ const {c_type(whole)} whole = {self.value(a[1], whole)};")
        for i, x in enumerate(to):
            self.assign(x, f"({c_type(part)})(whole >> {8 * SIZE[part] * i})", part)
        self.emit("}")

    def op_cvta(self, _, a):
        self.assign(a[0], self.value(a[1], "u64"), "u64")  # all spaces are the host's

    def op_cvt(self, modifiers, a):
        *how, to, of = modifiers
        if to == "bf16x2":  # the second source is the lower half
            high, low = (f"bf16_of({self.value(x, 'f32')})" for x in a[1:])
            return self.assign(a[0], f"(uint32_t){high} << 16 | {low}", "u32")
        value = self.value(a[1], of)
        if to in ("bf16", "tf32"):
            demand(how == [{"bf16": "rn", "tf32": "rna"}[to]], how)
            return self.assign(a[0], f"{to}_of({value})", {"bf16": "u16", "tf32": "u32"}[to])
        if is_float(of) and how and how[0] in ROUNDING:
            whole = f"{ROUNDING[how[0]]}((double){value})"
            return self.assign(a[0], f"({c_type(to)}){whole}" if is_float(to) else f"{to}_saturated({whole})", to)
        if how == ["sat"]:
            demand(to == of == "f32", modifiers)
            return self.assign(a[0], f"f32_saturated({value})", to)
        demand(is_float(to) or not is_float(of), modifiers)
        demand(how in ([], ["rn"]), how)
        self.assign(a[0], f"({c_type(to)})({value})", to)

    def op_selp(self, modifiers, a):
        kind, = modifiers
        self.assign(a[0], f"{self.value(a[3], 'pred')} ? {self.value(a[1], kind)} : {self.value(a[2], kind)}", kind)

    # Arithmetic and logic

    def __getattr__(self, name):
        sign = ARITHMETIC.get(name.removeprefix("op_"))
        if not sign:
            raise AttributeError(name)
        return lambda modifiers, a: self.arithmetic(sign, modifiers, a)

    def arithmetic(self, sign, modifiers, a):
        demand(modifiers[:-1] in ([], ["rn"]), modifiers)
        kind = unsigned(modifiers[-1])
        self.assign(a[0], f"({c_type(kind)})({self.value(a[1], kind)} {sign} {self.value(a[2], kind)})", kind)

    def product(self, part, kind, a):
        """C for a part of an integer product, and its type."""
        x, y = self.value(a[1], kind), self.value(a[2], kind)
        if part == "wide":
            to = doubled(kind)
            return f"(({c_type(to)}){x} * ({c_type(to)}){y})", to
        if part == "hi":
            whole = ("" if kind[0] == "s" else "unsigned ") + "__int128"
            return f"({c_type(kind)})(({whole}){x} * ({whole}){y} >> {8 * SIZE[kind]})", kind
        demand(part == "lo", part)
        return f"({c_type(kind)})((uint64_t){x} * (uint64_t){y})", kind

    def op_mul(self, modifiers, a):
        if is_float(modifiers[-1]):
            return self.arithmetic("*", modifiers, a)
        self.assign(a[0], *self.product(*modifiers, a))

    def op_mad(self, modifiers, a):
        product, kind = self.product(*modifiers, a)
        kind = unsigned(kind)
        self.assign(a[0], f"({c_type(kind)})(({c_type(kind)}){product} + {self.value(a[3], kind)})", kind)

    def op_fma(self, modifiers, a):
        how, kind = modifiers
        function = {("rn", "f32"): "fmaf", ("rn", "f64"): "fma", ("rm", "f32"): "fmaf_down"}[how, kind]
        self.assign(a[0], f"{function}({', '.join(self.value(x, kind) for x in a[1:])})", kind)

    def op_div(self, modifiers, a):
        kind = modifiers[-1]
        x, y = self.value(a[1], kind), self.value(a[2], kind)
        if is_float(kind):
            demand(modifiers[0] == "rn", modifiers)
            return self.assign(a[0], f"{x} / {y}", kind)
        self.assign(a[0], f"({c_type(kind)})divided_{kind[0]}({x}, {y})", kind)

    def op_rem(self, modifiers, a):
        kind, = modifiers
        self.assign(a[0], f"({c_type(kind)})remainder_{kind[0]}({self.value(a[1], kind)}, {self.value(a[2], kind)})",
                    kind)

    def function(self, name, modifiers, values):
        kind = modifiers[-1]
        self.assign(values[0], f"{name}{'f' if kind == 'f32' else ''}"
                    f"({', '.join(self.value(x, kind) for x in values[1:])})", kind)

    def op_sqrt(self, modifiers, a):
        demand(modifiers[0] == "rn", modifiers)
        self.function("sqrt", modifiers, a)

    def op_abs(self, modifiers, a):
        demand(is_float(modifiers[-1]), modifiers)
        self.function("fabs", modifiers, a)

    def op_copysign(self, modifiers, a):
        self.function("copysign", modifiers, [a[0], a[2], a[1]])  # PTX has the sign first

    def op_ex2(self, modifiers, a):
        self.function("exp2", modifiers, a)

    def op_rcp(self, modifiers, a):
        self.assign(a[0], f"1 / {self.value(a[1], modifiers[-1])}", modifiers[-1])

    def op_neg(self, modifiers, a):
        kind = unsigned(modifiers[-1])
        self.assign(a[0], f"({c_type(kind)})-{self.value(a[1], kind)}", kind)

    def op_not(self, modifiers, a):
        kind, = modifiers
        self.assign(a[0], f"({c_type(kind)}){'!' if kind == 'pred' else '~'}{self.value(a[1], kind)}", kind)

    def extreme(self, name, sign, modifiers, a):
        kind, = modifiers
        if is_float(kind):
            return self.function(name, modifiers, a)
        x, y = self.value(a[1], kind), self.value(a[2], kind)
        self.assign(a[0], f"{x} {sign} {y} ? {x} : {y}", kind)

    def op_min(self, modifiers, a):
        self.extreme("fmin", "<", modifiers, a)

    def op_max(self, modifiers, a):
        self.extreme("fmax", ">", modifiers, a)

    def shift(self, sign, modifiers, a):
        kind, = modifiers
        bits, x, n = 8 * SIZE[kind], self.value(a[1], kind), self.value(a[2], "u32")
        beyond = f"{x} >> {bits - 1}" if kind[0] == "s" else "0"
        self.assign(a[0], f"({c_type(kind)})({n} < {bits} ? {x} {sign} {n} : {beyond})", kind)

    def op_shl(self, modifiers, a):
        self.shift("<<", modifiers, a)

    def op_shr(self, modifiers, a):
        self.shift(">>", modifiers, a)

    def op_popc(self, modifiers, a):
        self.assign(a[0], f"(uint32_t)__builtin_popcountll({self.value(a[1], modifiers[0])})", "u32")

    def op_bfi(self, modifiers, a):
        kind, = modifiers
        at, count = (self.value(x, "u32") for x in a[3:])
        self.assign(a[0], f"({c_type(kind)})bits_inserted({self.value(a[1], kind)}, {self.value(a[2], kind)}, {at}, "
                    f"{count}, {8 * SIZE[kind]})", kind)

    def op_setp(self, modifiers, a):
        comparison, kind = modifiers
        x, y = self.value(a[1], kind), self.value(a[2], kind)
        nan = f"unordered({x}, {y})"
        if comparison in ("num", "nan"):
            said = f"!{nan}" if comparison == "num" else nan
        elif comparison in COMPARISON:  # NaN: all are false
            said = f"{x} {COMPARISON[comparison]} {y}" + (f" && !{nan}" if is_float(kind) else "")
        else:  # with u behind: NaN makes them true
            said = f"{x} {COMPARISON[comparison.removesuffix('u')]} {y} || {nan}"
        self.assign(a[0], said, "pred")

    # Memory

    def access(self, modifiers, address, how):
        """C that checks an access and gives its address; elements and their type."""
        *rest, kind = modifiers
        count = next((int(m[1]) for m in rest if m in ("v2", "v4")), 1)
        space = next((m for m in rest if m in ("global", "shared", "local", "param")), "generic")
        demand(not set(rest) - {"v2", "v4", space, "nc", "wb", "add"}, modifiers)
        if space not in ("local", "param"):
            address = f"machine_{space}(t, {address}, {count * SIZE[kind]}, {how}, {self.site()})"
        return address, count, kind

    def op_ld(self, modifiers, a):
        address, count, kind = self.access(modifiers, self.address(a[1]), "MACHINE_READ")
        self.emit(f"{{ {c_type(kind)} got[{count}]; memcpy(got, (const void *)({address}), sizeof got);")
        for i, x in enumerate(elements(a[0])):
            self.assign(x, f"got[{i}]", kind)
        self.emit("}")

    def op_st(self, modifiers, a):
        address, _, kind = self.access(modifiers, self.address(a[0]), "MACHINE_WRITE")
        values = ", ".join(self.value(x, kind) for x in elements(a[1]))
        self.emit(f"{{ const {c_type(kind)} put[] = {{{values}}}; memcpy((void *)({address}), put, sizeof put); }}")

    def op_atom(self, modifiers, a):
        address, _, kind = self.access(modifiers, self.address(a[1]), "MACHINE_ATOMIC")
        demand(modifiers[1] == "add" and not is_float(kind), modifiers)
        self.assign(a[0], f"__atomic_fetch_add(({c_type(kind)} *)({address}), {self.value(a[2], kind)}, "
                    "__ATOMIC_RELAXED)", kind)

    def op_cp(self, modifiers, a):
        if modifiers == ["async", "commit_group"]:
            return self.emit("machine_copy_commit(t);")
        if modifiers == ["async", "wait_group"]:
            return self.emit(f"machine_copy_wait(t, {a[0]});")
        demand(modifiers in (["async", cache, "shared", "global"] for cache in ("ca", "cg")), modifiers)
        bytes_, given = self.value(a[2], "u32"), self.value(a[-1], "u32")
        self.emit(f"machine_copy_async(t, {self.address(a[0])}, {self.address(a[1])}, {bytes_}, {given}, "
                  f"{self.site()});")

    # Warps

    def op_shfl(self, modifiers, a):
        sync, mode, kind = modifiers
        demand(sync == "sync" and kind == "b32", modifiers)
        target, _, inside = a[0].partition("|")
        given = ", ".join(self.value(x, "u32") for x in a[1:])
        self.emit(f"{{ uint8_t inside; const uint32_t got = machine_shuffle_{mode}(t, {given}, &inside);")
        self.assign(target, "got", "u32")
        if inside:
            self.assign(inside, "inside", "pred")
        self.emit("}")

    def op_vote(self, modifiers, a):
        sync, what, kind = modifiers
        ballot = f"machine_ballot(t, {self.value(a[1], 'pred')}, {self.value(a[2], 'u32')})"
        demand((sync, what, kind) in (("sync", "ballot", "b32"), ("sync", "any", "pred")), modifiers)
        self.assign(a[0], ballot if what == "ballot" else f"{ballot} != 0", "u32" if what == "ballot" else "pred")

    def op_wmma(self, modifiers, a):
        operation, *_ = modifiers
        getattr(self, "matrix_" + operation)(modifiers, a)

    def matrix_load(self, modifiers, a):
        _, matrix, _, _, order, shape, *_, kind = modifiers
        m, n, k = (int(x) for x in re.fullmatch(r"m(\d+)n(\d+)k(\d+)", shape).groups())
        rows, columns = {"a": (m, k), "b": (k, n)}[matrix]
        registers = elements(a[0])
        self.emit(f"{{ uint32_t part[{len(registers)}];")
        self.emit(f"machine_matrix_load_{kind}(t, part, {self.address(a[1])}, {self.value(a[2], 'u32')}, {rows}, "
                  f"{columns}, {int(order == 'col')}, {self.site(16)});")
        for i, x in enumerate(registers):
            self.assign(x, f"part[{i}]", "u32")
        self.emit("}")

    def matrix_mma(self, modifiers, a):
        kind, depth = modifiers[-2], int(modifiers[5].split("k")[1])
        self.emit("{")
        for name, operand, of in (("a", a[1], "u32"), ("b", a[2], "u32"), ("c", a[3], "f32")):
            values = ", ".join(self.value(x, of) for x in elements(operand))
            self.emit(f"{c_type(of)} {name}[] = {{{values}}};")
        self.emit(f"machine_matrix_multiply_{kind}(t, c, a, b, {depth});")
        for i, x in enumerate(elements(a[0])):
            self.assign(x, f"c[{i}]", "f32")
        self.emit("}")

    def matrix_store(self, modifiers, a):
        demand(modifiers[1] == "d" and modifiers[4] == "row", modifiers)
        values = ", ".join(self.value(x, "f32") for x in elements(a[1]))
        self.emit(f"machine_matrix_store(t, {self.address(a[0])}, (float[]){{{values}}}, {self.value(a[2], 'u32')}, "
                  f"{self.site(8)});")
