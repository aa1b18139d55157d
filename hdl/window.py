"""Window: collects the neighbourhood of every pixel.

    pixel -> [line buffers -> square of registers -> border] -> neighbourhood -> convolution
    pixel -> [rows in a memory <- border <- centre, tap] -> one tap after the other -> convolution

With one multiplier the taps are read from a memory of rows one after the other. With more, one memory holds the
kernel_size - 1 rows above, a column of them in one word; the square shifts by one column a pixel.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME
from hdl.layouts import pixel_layout, window_layout
from hdl.params import Params


class Window(wiring.Component):
    """The kernel_size x kernel_size pixels around each pixel, row by row.

    Border: coordinates are clamped into the imaging area, so its outermost pixels are replicated and the guard ring is
    never seen. With `stride` 1 every pixel of the array gives a window, those of the guard ring flagged `guard`; with a
    larger one only the centres of complete macro-pixels do, and none of the guard ring.

    Throughput: one pixel a clock; after a frame's last pixel the stage takes `flush` clocks, in which it accepts
    nothing, to push the last windows out. A window follows `flush` pixels and `latency` clocks after its centre. With
    one multiplier all that takes longer: a window has kernel_size**2 clocks, a pixel and one without a window one.

    Members
    -------
    i : stream of pixels, unsigned(sample_bits)
    o : stream of `window_layout`
    stride : register of that name, one of `Params.strides`, constant while not `idle`
    idle : no pixel of a frame is here; with macro-pixels a frame's last window leaves long before its last pixel
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(pixel_layout(unsigned(params.sample_bits)))),
            "o": Out(stream.Signature(window_layout(params))),
            "stride": In(BY_NAME["stride"].bits),
            "idle": Out(1, init=1),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        return 3 if self._params.is_pipelined else 2

    @property
    def flush(self) -> int:
        """Pixels between a pixel and the last one of its window."""
        return self._params.radius * (self._params.columns + 1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.x = self._x = _Axis(self._params, self._params.columns)
        m.submodules.y = self._y = _Axis(self._params, self._params.rows)
        m.d.comb += [
            self._x.stride.eq(self.stride),
            self._y.stride.eq(self.stride),
            self._y.step.eq(self._x.step & self._x.at_end),
        ]
        if self._params.is_pipelined:
            self._in_registers(m)
        else:
            self._in_turn(m)
        return m

    def _in_turn(self, m: Module) -> None:
        """Pixels go into a memory of rows, the taps of a centre are read one after the other, never both in a clock."""
        params, bits, size = self._params, self._params.sample_bits, self._params.kernel_size
        x, y = self._x, self._y
        column_bits, row_bits = (params.columns - 1).bit_length(), (size - 1).bit_length()
        m.submodules.rows = rows = memory.Memory(shape=unsigned(bits), depth=1 << (column_bits + row_bits), init=[])
        read, write = rows.read_port(), rows.write_port()

        # Pixels that are here and were no centre yet: a centre needs `flush` behind it, or the frame is over.
        waiting, flushing = Signal(range(self.flush + 2)), Signal()
        takes, is_centre, wanted, moves = Signal(), Signal(), Signal(), Signal()
        down, right = Signal(range(size)), Signal(range(size))
        row_ends, ends = right == size - 1, Signal()
        m.d.comb += [
            is_centre.eq(flushing | (waiting == self.flush + 1)),
            self.i.ready.eq(~is_centre),
            takes.eq(self.i.valid & self.i.ready),
            wanted.eq(x.wanted & y.wanted),
            read.en.eq(is_centre & wanted & (~self.o.valid | self.o.ready)),
            moves.eq((is_centre & ~wanted) | (read.en & row_ends & (down == size - 1))),
            x.step.eq(moves),
            ends.eq(moves & flushing & (waiting == 1)),
        ]
        with m.If(takes | moves):
            m.d.sync += waiting.eq(waiting + Mux(moves, -1, 1))
        with m.If(takes & self.i.payload.last):
            m.d.sync += flushing.eq(1)
        with m.If(ends):
            m.d.sync += flushing.eq(0)
        with m.If(takes):
            m.d.sync += self.idle.eq(0)
        with m.Elif(ends):
            m.d.sync += self.idle.eq(1)

        # A row of the array has its place by its lowest bits: one more than the kernel sees fits, at least.
        column, row = Signal(column_bits), Signal(row_bits)
        m.d.comb += [write.addr.eq(Cat(column, row)), write.data.eq(self.i.payload.value), write.en.eq(takes)]
        with m.If(takes):
            m.d.sync += column.eq(column + 1)
            with m.If(self.i.payload.row_last):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.If(self.i.payload.last):
                m.d.sync += row.eq(0)

        with m.If(read.en):
            m.d.sync += right.eq(Mux(row_ends, 0, right + 1))
            with m.If(row_ends):
                m.d.sync += down.eq(Mux(down == size - 1, 0, down + 1))
        m.d.comb += [
            read.addr.eq(
                Cat(
                    (x.position + self._distance(m, x, right))[:column_bits],
                    (y.position + self._distance(m, y, down))[:row_bits],
                )
            ),
            self.o.payload.taps[0].eq(read.data),
        ]
        with m.If(read.en):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.guard.eq(x.guard | y.guard),
                self.o.payload.row_last.eq(x.last),
                self.o.payload.last.eq(x.last & y.last),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _distance(self, m: Module, axis: "_Axis", place: Value) -> Value:
        """From the centre to the kernel's `place`, or as far as the imaging area goes, clamped as `_clamp` does it."""
        radius = self._params.radius
        distance = Signal(signed(radius.bit_length() + 1))
        with m.Switch(place):
            for each in range(self._params.kernel_size):
                with m.Case(each):
                    m.d.comb += distance.eq(
                        self._clamp(axis, each, [Const(d, distance.shape()) for d in range(-radius, radius + 1)])
                    )
        return distance

    def _in_registers(self, m: Module) -> None:
        """All taps at once."""
        params, bits, size = self._params, self._params.sample_bits, self._params.kernel_size
        x, y = self._x, self._y

        # Every step moves at once, whenever the window can go or there is none.
        advance = Signal()
        m.d.comb += advance.eq(~self.o.valid | self.o.ready)

        # Step 1: take a pixel, or push without one at the end of a frame; read the column above it.
        flushing, left = Signal(), Signal(range(self.flush + 1))
        step = Signal()
        column = Signal(range(params.columns))
        m.submodules.lines = lines = memory.Memory(shape=unsigned(bits * (size - 1)), depth=params.columns, init=[])
        read, write = lines.read_port(), lines.write_port()
        m.d.comb += [
            self.i.ready.eq(advance & ~flushing),
            step.eq(advance & (self.i.valid | flushing)),
            read.addr.eq(column),
            read.en.eq(step),
        ]
        with m.If(step):
            m.d.sync += self.idle.eq(0)
            m.d.sync += column.eq(Mux(column == params.columns - 1, 0, column + 1))
            with m.If(flushing):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 1):
                    m.d.sync += [flushing.eq(0), column.eq(0)]
            with m.Elif(self.i.payload.last):
                m.d.sync += [flushing.eq(1), left.eq(self.flush)]

        pixel, pixel_column, pixel_valid, pixel_ends = Signal(bits), Signal.like(column), Signal(), Signal()
        with m.If(advance):
            m.d.sync += [
                pixel_valid.eq(step),
                pixel.eq(self.i.payload.value),
                pixel_column.eq(column),
                pixel_ends.eq(flushing & (left == 1)),
            ]

        # Step 2: the column, oldest row first, goes into the square from the right; the line buffer moves up one row.
        square = [Signal(bits * size, name=f"square_{place}") for place in range(size)]
        above_and_pixel = Cat(read.data, pixel)
        square_valid, square_ends = Signal(), Signal()
        m.d.comb += [
            write.addr.eq(pixel_column),
            write.data.eq(above_and_pixel[bits:]),
            write.en.eq(advance & pixel_valid),
        ]
        with m.If(advance):
            m.d.sync += [square_valid.eq(pixel_valid), square_ends.eq(pixel_ends)]
            with m.If(pixel_valid):
                m.d.sync += Cat(*square).eq(Cat(*square[1:], above_and_pixel))

        # Step 3: where is the centre, and which taps of the square does the border replace?
        skip = Signal(range(self.flush + 1), init=self.flush)
        moves = Signal()
        m.d.comb += [moves.eq(advance & square_valid & (skip == 0)), x.step.eq(moves)]
        with m.If(advance & square_valid):
            with m.If(skip != 0):
                m.d.sync += skip.eq(skip - 1)
            with m.Elif(square_ends):
                m.d.sync += [skip.eq(self.flush), self.idle.eq(1)]

        rows_clamped = [
            [self._clamp(y, row, [word.word_select(r, bits) for r in range(size)]) for word in square]
            for row in range(size)
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(square_valid & (skip == 0) & x.wanted & y.wanted),
                self.o.payload.guard.eq(x.guard | y.guard),
                self.o.payload.row_last.eq(x.last),
                self.o.payload.last.eq(x.last & y.last),
            ]
            for row in range(size):
                for place in range(size):
                    m.d.sync += self.o.payload.taps[row * size + place].eq(self._clamp(x, place, rows_clamped[row]))

    def _clamp(self, axis: "_Axis", place: int, choices: list[Value]) -> Value:
        """`choices[place]`; where it lies outside, the centre being near the border, the outermost choice inside."""
        radius, ring = self._params.radius, self._params.guard_ring
        side = 1 if place > radius else -1
        value = choices[place]
        for distance in range(abs(place - radius)):
            border = axis.count - 1 - ring - distance if side > 0 else ring + distance
            if 0 <= border < axis.count:
                value = Mux(axis.position == border, choices[radius + side * distance], value)
        return value


class _Axis(wiring.Component):
    """One coordinate of the centre: counts it, and says what the stride makes of it.

    Members
    -------
    step : to the next coordinate, from the last one to 0
    stride : as in `Window`
    position, at_end : the coordinate, and whether it is the array's last
    wanted, last : it is a kernel position, the last one of the axis
    guard : it lies in the guard ring
    """

    def __init__(self, params: Params, count: int):
        self._params, self.count = params, count
        super().__init__({
            "step": In(1),
            "stride": In(BY_NAME["stride"].bits),
            "position": Out(range(count)),
            "at_end": Out(1),
            "wanted": Out(1),
            "last": Out(1),
            "guard": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        ring, strides = self._params.guard_ring, self._params.strides
        imaging = self.count - 2 * ring
        # Pixels to the next centre of a macro-pixel.
        ahead, stored = Signal(range(ring + max(strides))), Signal(range(ring + max(strides)))
        m.d.comb += [self.at_end.eq(self.position == self.count - 1), ahead.eq(stored)]
        with m.Switch(self.stride):
            for stride in strides[1:]:
                with m.Case(stride):
                    first = ring + stride // 2
                    final = first + (imaging // stride - 1) * stride
                    with m.If(self.position == 0):
                        m.d.comb += ahead.eq(first)
                    m.d.comb += [
                        self.wanted.eq((ahead == 0) & (self.position <= final)),
                        self.last.eq(self.position == final),
                    ]
                    with m.If(self.step):
                        m.d.sync += stored.eq(Mux(ahead == 0, stride - 1, ahead - 1))
            with m.Default():
                m.d.comb += [
                    self.wanted.eq(1),
                    self.last.eq(self.at_end),
                    self.guard.eq((self.position < ring) | (self.position >= self.count - ring)),
                ]
        with m.If(self.step):
            m.d.sync += self.position.eq(Mux(self.at_end, 0, self.position + 1))
        return m
