"""The reference page of packets, registers and kernels, generated from their descriptions.

`python -m edgeray.protocol.reference FILE` writes it; a test compares the page in `docs/` with this text.
"""

import sys
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from edgeray.protocol import packets, registers
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.layout import Layout
from edgeray.protocol.registers import Register

_ENUMERATIONS: tuple[type[IntEnum], ...] = (
    packets.PacketType,
    packets.CommandType,
    packets.ReplyStatus,
    registers.TriggerMode,
    registers.Polarity,
    registers.ReadoutMode,
    registers.ThresholdMode,
)


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        "# Reference: packets, registers, kernels\n\n"
        "Generated from `edgeray.protocol` by `make docs`; do not edit. "
        f"Packet version {packets.VERSION}, protocol version {registers.PROTOCOL_VERSION}, "
        f"register map hash `{registers.register_map_hash():#010x}`.\n",
        "## Packets\n",
        "```text\n" + (packets.__doc__ or "").strip() + "\n```\n",
        f"SYNC is `{packets.SYNC.hex(' ')}`. A packet adds {packets.OVERHEAD} bytes to its payload. "
        f"CRC-8: polynomial `{packets.CRC8.polynomial:#04x}`, initial value `{packets.CRC8.initial:#04x}`, final XOR "
        f"`{packets.CRC8.final_xor:#04x}`, not reflected. CRC-32: that of zlib and Ethernet, low byte first.\n",
    ]
    layouts = (
        (packets.HEADER, 2, "byte of the packet"),
        (packets.COMMAND_HEADER, 2, "byte of the packet"),
        (packets.META, 0, "byte of the payload"),
        (packets.REPLY, 0, "byte of the payload"),
        (registers.CORRECTION_ENTRY, 0, "byte of the word"),
    )
    parts += [_layout(*each) for each in layouts]
    parts += [
        "## Values\n",
        _table(("name", "values"), ((kind.__name__, _values(kind)) for kind in _ENUMERATIONS)),
        "## Registers\n\n" + _paragraphs(registers.__doc__) + "\n",
        _table(
            ("address", "name", "bits", "access", "unit", "takes", "reset", "meaning"),
            map(_register, registers.REGISTERS),
        ),
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


def _layout(layout: Layout, first_byte: int, place: str) -> str:
    rows = []
    for field in layout:
        byte, bit = divmod(layout.offset(field.name), 8)
        bits = f"{field.bits}, signed" if field.signed else str(field.bits)
        rows.append((str(first_byte + byte), str(bit), bits, field.name, field.meaning))
    return f"### {layout.name}\n\n" + _table((place, "from bit", "bits", "field", "meaning"), rows)


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
