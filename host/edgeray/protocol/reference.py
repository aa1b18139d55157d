"""The reference page of registers, settings and kernels, generated from their descriptions.

Packets are on another page, `docs/wire-format.md`.

`python -m edgeray.protocol.reference FILE` writes it; a test compares the page in `docs/` with this text.
"""

import sys
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from edgeray.protocol import registers
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.layout import Layout
from edgeray.protocol.registers import Register

_ENUMERATIONS: tuple[type[IntEnum], ...] = (
    registers.TriggerMode,
    registers.Polarity,
    registers.ReadoutMode,
    registers.ThresholdMode,
)


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        "# Reference: registers, kernels\n\n"
        "Generated from `edgeray.protocol` by `make docs`; do not edit. Packets, commands and replies are in "
        "[wire-format.md](wire-format.md). "
        f"Protocol version {registers.PROTOCOL_VERSION}, register map hash `{registers.register_map_hash():#010x}`.\n",
        "## Registers\n\n" + _paragraphs(registers.__doc__) + "\n",
        _table(
            ("address", "name", "bits", "access", "unit", "takes", "reset", "meaning"),
            map(_register, registers.REGISTERS),
        ),
        "## Values\n",
        _table(("name", "values"), ((kind.__name__, _values(kind)) for kind in _ENUMERATIONS)),
        "## Words of several fields\n",
        *(_layout(each) for each in (registers.COMMAND_BITS, registers.STATE_BITS, registers.CORRECTION_ENTRY)),
        "## Kernels\n\n"
        "response = round half up(sum of weight * pixel / 2**shift), clipped to full scale of either sign.\n",
        _table(("name", "weights", "shift", "source"), map(_kernel, KERNELS.values())),
    ]
    return "\n".join(parts)


def _paragraphs(text: str | None) -> str:
    """A module's docstring without its first paragraph."""
    return (text or "").strip().partition("\n\n")[2]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _layout(layout: Layout) -> str:
    rows = []
    for field in layout:
        first = layout.offset(field.name)
        bits = f"{first + field.bits - 1}:{first}" if field.bits > 1 else str(first)
        rows.append((bits, field.name, field.meaning + (", signed" if field.signed else "")))
    return f"### {layout.name}\n\n" + _table(("bits", "field", "meaning"), rows)


def _values(kind: type[IntEnum]) -> str:
    return ", ".join(f"{value.value} {value.name}" for value in kind)


def _register(register: Register) -> tuple[str, ...]:
    last = register.address + register.count - 1
    address = f"`{register.address:#06x}`" + (f" to `{last:#06x}`" if register.count > 1 else "")
    takes = ", ".join(map(str, register.choices)) or f"{register.minimum} to {register.maximum}"
    written = register.access in (registers.Access.SETTING, registers.Access.DIRECT, registers.Access.PULSE)
    holds = register.access in (registers.Access.SETTING, registers.Access.DIRECT)
    return (
        address,
        register.name,
        str(register.bits),
        register.access.value,
        register.unit,
        takes if written else "",
        str(int(register.reset)) if holds else "",
        register.meaning,
    )


def _kernel(kernel: Kernel) -> tuple[str, ...]:
    weights = " / ".join(" ".join(map(str, row)) for row in kernel.weights)
    return kernel.name, weights, str(kernel.shift), kernel.source


def main(arguments: list[str]) -> int:
    """Write the page to the file named in `arguments`; 2 where none is."""
    if len(arguments) != 1:
        print("usage: python -m edgeray.protocol.reference FILE", file=sys.stderr)
        return 2
    Path(arguments[0]).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
