"""Reading PTX: statements, operands, types. Its rules: PTX ISA 9.0, chapters 4 and 5."""
import re

SIZE = {"pred": 1, "b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "b32": 4, "u32": 4, "s32": 4,
        "f32": 4, "b64": 8, "u64": 8, "s64": 8, "f64": 8}


class NotUnderstood(Exception):
    """PTX that the translation does not know."""


def is_float(kind):
    return kind in ("f32", "f64")


def unsigned(kind):
    """The type of the same size whose arithmetic wraps around; floats and predicates are their own."""
    return kind if kind[0] in "fp" else "u" + kind[1:]


def doubled(kind):
    """The type of products of all bits."""
    return kind[0] + str(2 * int(kind[1:]))


def operands(text):
    """Operands at commas outside of braces, brackets and parentheses."""
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c in "{[(") - (c in "}])")
        if c == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
    return [p for p in parts if p]


def elements(operand):
    """The registers of a vector, or the one that it is."""
    return operands(operand[1:-1]) if operand[0] == "{" else [operand]


def statements(text):
    """Statements without their semicolon; '{', '}' and 'label:' by themselves."""
    at, pattern = 0, re.compile(r"\s*(?:([{}])|([\w$]+:)|([^;]*);)", re.S)
    while text[at:].strip():
        m = pattern.match(text, at)
        if not m:
            raise NotUnderstood(text[at:at + 80])
        yield m.group(1) or m.group(2) or " ".join(m.group(3).split())
        at = m.end()


def variable(text):
    """Name, alignment and bytes of '.align 8 .b8 name[80]' or '.param .f64 name'."""
    m = re.fullmatch(r"(?:\.param )?(?:\.align (\d+) )?\.(\w+) ([\w$]+)(?:\[(\d+)\])?", " ".join(text.split()))
    if not m:
        raise NotUnderstood(text)
    align, kind, name, count = m.groups()
    return name, int(align or SIZE[kind]), SIZE[kind] * int(count or 1)


def body_end(text, at):
    """Behind the brace that closes the one before `at`."""
    depth, brace = 1, re.compile(r"[{}]")
    while depth:
        found = brace.search(text, at)
        depth += 1 if found.group() == "{" else -1
        at = found.end()
    return at
