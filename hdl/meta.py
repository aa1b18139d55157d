"""META: the payload that says what the frames behind it are.

register bank -> [Meta] -> words -> packet buffer
   ^ addresses      |
   +----------------+
"""

from collections.abc import Iterator

from amaranth import Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import META, WORD_BITS, PacketType, meta_payload_size
from edgeray.protocol.registers import BY_NAME, Access
from hdl.layouts import word_layout
from hdl.params import Params
from hdl.registers import IN_FORCE, NOTHING

_NAMES = {
    "columns": ("detector_columns",),
    "rows": ("detector_rows",),
    "timestamp": ("ticks_low", "ticks_high"),
}
"""Registers of the fields that have another name."""
_step = data.StructLayout({"address": 8, "byte": 2})


def _steps(kernel_size: int) -> Iterator[tuple[int, int]]:
    """(address, byte in it) of every byte of the payload."""
    for field in META:
        names = _NAMES.get(field.name, (field.name,))
        for name in names:
            for byte in range(field.bits // 8 // len(names)):
                yield _address(name), byte
    for place in range(kernel_size**2):
        yield _address("kernel_weights") + place, 0


def _address(name: str) -> int:
    register = BY_NAME[name]
    return register.address + (IN_FORCE if register.access is Access.SETTING else 0)


class Meta(wiring.Component):
    """Gathers one META payload from the register bank after `start`: a byte a clock, so a word every 4 clocks.

    The first word comes 8 clocks after `start`, the end a clock after the last word. Hold the registers still while
    `busy`. Nothing saturates.

    Members
    -------
    start : one clock, while not `busy`
    busy : from the clock after `start` until the payload's end is out
    look_address, looked_up : a register's address, and its value two clocks later
    o : stream of `word_layout`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "start": In(1),
            "busy": Out(1),
            "look_address": Out(8),
            "looked_up": In(32),
            "o": Out(stream.Signature(word_layout(), always_ready=True)),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        size = meta_payload_size(self._params.kernel_size)
        steps = list(_steps(self._params.kernel_size))
        steps += [(NOTHING, 0)] * (size - len(steps))
        m.submodules.steps = rom = memory.Memory(
            shape=_step, depth=size, init=[{"address": address, "byte": byte} for address, byte in steps]
        )
        read = rom.read_port()
        # One byte on its way through: its step is read, its register is looked up in two clocks, it is chosen.
        place, whole, looked, chosen = Signal(range(size + 5)), Signal(), Signal(2), Signal(2)
        word = Signal(WORD_BITS)
        m.d.comb += [read.addr.eq(place), self.look_address.eq(read.data.address)]
        m.d.sync += [looked.eq(read.data.byte), chosen.eq(looked)]
        with m.If(self.busy):
            m.d.sync += [place.eq(place + 1), word.eq(Cat(word[8:], self.looked_up.word_select(chosen, 8)))]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), place.eq(0), whole.eq(0)]

        # The byte of step n is in `word` when `place` is n + 4.
        step = self.o.payload
        end = Signal()
        m.d.comb += [
            step.has_coded.eq(~end),
            step.coded.eq(word),
            step.end.eq(end),
            step.type.eq(PacketType.META),
            step.length.eq(size),
            self.o.valid.eq(self.busy & (whole | end)),
        ]
        with m.If(self.busy):
            # Four bytes are complete in the next clock.
            m.d.sync += [whole.eq((place[:2] == 2) & place[2:].any()), end.eq(place == size + 3)]
        with m.If(end):
            m.d.sync += [self.busy.eq(0), end.eq(0)]
        return m
