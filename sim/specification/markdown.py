"""Markdown: paragraphs, lists, tables, and layouts drawn bit by bit."""

import re
import textwrap
from collections.abc import Iterable
from enum import IntEnum

from edgeray.protocol.layout import Layout

WIDTH = 120
_CELL = 7
"""Characters of a bit in a drawing."""
_MARK = re.compile(r"[-*+>#|=]|\d+[.)]")


def text(*paragraphs: str) -> str:
    """Paragraphs, whatever their line breaks, wrapped anew."""
    return "\n\n".join(_wrapped(paragraph) for paragraph in paragraphs)


def items(*entries: str, numbered: bool = False) -> str:
    """A list."""
    found = []
    for number, entry in enumerate(entries, 1):
        mark = f"{number}. " if numbered else "- "
        found.append(_wrapped(entry, mark))
    return "\n".join(found)


def _wrapped(paragraph: str, mark: str = "") -> str:
    for width in range(WIDTH, WIDTH // 2, -1):
        lines = textwrap.wrap(
            " ".join(paragraph.split()),
            width,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_long_words=False,
            break_on_hyphens=False,
        )
        # A line that begins so would be the start of something else in Markdown.
        if not any(_MARK.match(line.strip()) for line in lines[1:]):
            return "\n".join(lines)
    raise ValueError(f"no way to wrap {paragraph!r}")


def table(head: Iterable[str], rows: Iterable[Iterable[object]], right: Iterable[str] = ()) -> str:
    """A table as wide as its contents; `right` names the columns of numbers."""
    right, lines = tuple(right), [list(head), *([str(each).replace("|", "\\|") for each in row] for row in rows)]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(lines[0]))]
    aligned = [name in right for name in lines[0]]
    rule = ["-" * (width - 1) + ":" if one else "-" * width for width, one in zip(widths, aligned, strict=True)]
    padded = [
        [
            each.rjust(width) if one else each.ljust(width)
            for each, width, one in zip(line, widths, aligned, strict=True)
        ]
        for line in lines
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (padded[0], rule, *padded[1:]))


def block(content: str) -> str:
    """Text as it stands."""
    return f"```text\n{content}\n```"


def drawing(layout: Layout, first_byte: int) -> str:
    """The bytes of `layout`, one a line, their bits from 7 to 0; `first_byte` is the number of the first."""
    owner = [field for field in layout for _ in range(field.bits)]
    label = len("byte 00 ")
    head = " " * label + "".join(str(bit).center(_CELL) for bit in range(7, -1, -1))
    lines, before = [head.rstrip()], set(range(0, 8 * _CELL + 1, 8 * _CELL))
    for byte in range(layout.size):
        cells, walls = "", {0}
        bit = 7
        while bit >= 0:
            field = owner[8 * byte + bit]
            low = bit
            while low and owner[8 * byte + low - 1] is field:
                low -= 1
            first = 8 * byte - layout.offset(field.name)
            split = field.bits > bit - low + 1
            name = f"{field.name} [{first + bit}:{first + low}]" if split else field.name
            width = _CELL * (bit - low + 1) - 1
            cells += name.center(width) + "|"
            walls.add(len(cells))
            bit = low - 1
        rule = "".join("+" if place in walls | before else "-" for place in range(8 * _CELL + 1))
        lines += [" " * label + rule, f"byte {first_byte + byte:<2} |{cells}"]
        before = walls
    lines.append(" " * label + "".join("+" if place in before else "-" for place in range(8 * _CELL + 1)))
    return block("\n".join(lines))


def fields(layout: Layout, first_byte: int = 0) -> str:
    """The fields of `layout`: byte, bits of that byte, meaning."""
    return table(("byte", "bits", "field", "meaning"), _places(layout, first_byte))


def _places(layout: Layout, first_byte: int) -> Iterable[tuple[str, str, str, str]]:
    for field in layout:
        byte, bit = divmod(layout.offset(field.name), 8)
        last = byte + (bit + field.bits - 1) // 8
        where = str(first_byte + byte) if last == byte else f"{first_byte + byte}-{first_byte + last}"
        bits = f"{bit + field.bits - 1}:{bit}" if field.bits > 1 else str(bit)
        yield where, bits, f"`{field.name}`", field.meaning + (", signed" if field.signed else "")


def values(kind: type[IntEnum]) -> str:
    """`0` NAME, `1` NAME, ..."""
    return ", ".join(f"`{value.value}` {value.name}" for value in kind)


def octets(data: bytes) -> str:
    """Bytes in hexadecimal."""
    return data.hex(" ")


def dump(data: bytes, width: int = 16) -> str:
    """Bytes in hexadecimal, `width` a line, each line behind its first byte's number."""
    return block(
        "\n".join(f"{start:4d}  {octets(data[start : start + width])}" for start in range(0, len(data), width))
    )
