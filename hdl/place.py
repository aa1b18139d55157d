"""The place of a pixel in its frame, for the stages that keep something of every pixel.

step -> [Place] -> index, row_last, last, guard
"""

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.params import Params

SINGLE_PORT = {"single_port": 1}
"""Attribute of a memory that is read and written at one address, never both in a clock, and whose initial value nobody
relies upon: a build may put it into a RAM of one port that has none."""


class Place(wiring.Component):
    """Counts the pixels of a frame, row by row.

    Members
    -------
    step : to the next pixel, seen in the next clock
    restart : to the frame's first pixel, whatever `step` says
    index : pixels before this one
    row_last, last : it is the last one of its row, of the frame
    guard : it lies in the guard ring
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "step": In(1),
            "restart": In(1),
            "index": Out(range(params.rows * params.columns)),
            "row_last": Out(1),
            "last": Out(1),
            "guard": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        rows, columns, ring = self._params.rows, self._params.columns, self._params.guard_ring
        m = Module()
        column_bits = (columns - 1).bit_length()
        if columns == 1 << column_bits:
            # The index is made of column and row.
            column, row = self.index[:column_bits], self.index[column_bits:]
        else:
            column, row = Signal(range(columns)), Signal(range(rows))
            with m.If(self.restart):
                m.d.sync += Cat(column, row).eq(0)
            with m.Elif(self.step):
                m.d.sync += column.eq(column + 1)
                with m.If(self.row_last):
                    m.d.sync += [column.eq(0), row.eq(row + 1)]
        with m.If(self.restart):
            m.d.sync += self.index.eq(0)
        with m.Elif(self.step):
            m.d.sync += self.index.eq(self.index + 1)
        m.d.comb += [
            self.row_last.eq(column == columns - 1),
            self.last.eq(self.index == rows * columns - 1),
            self.guard.eq(_is_outside(column, columns, ring) | _is_outside(row, rows, ring)),
        ]
        return m


def _is_outside(place: Value, count: int, ring: int) -> Value:
    """Whether `place`, of `count`, is one of the first or last `ring`; said so that no subtraction is made of it."""
    outside = [*range(ring), *range(count - ring, count)]
    return Cat(place == each for each in outside).any() if outside else Const(0)
