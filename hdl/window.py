"""Window: collects the neighbourhood of every pixel.

    pixel -> [line buffers -> square of registers -> border] -> neighbourhood -> convolution

One memory holds the kernel_size - 1 rows above, a column of them in one word; the square shifts by one column a pixel.
"""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
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
    nothing, to push the last windows out. A window follows `flush` pixels and `latency` clocks after its centre.

    Members
    -------
    i : stream of pixels, unsigned(sample_bits)
    o : stream of `window_layout`
    stride : register of that name, one of `Params.strides`, constant while not `idle`
    idle : no pixel of a frame is here; with macro-pixels a frame's last window leaves long before its last pixel
    """

    latency = 3

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(pixel_layout(unsigned(params.sample_bits)))),
            "o": Out(stream.Signature(window_layout(params))),
            "stride": In(BY_NAME["stride"].bits),
            "idle": Out(1, init=1),
        })  # fmt: skip

    @property
    def flush(self) -> int:
        """Pixels between a pixel and the last one of its window."""
        return self._params.radius * (self._params.columns + 1)

    def elaborate(self, platform):
        params, bits, size = self._params, self._params.sample_bits, self._params.kernel_size
        m = Module()

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
        m.submodules.x = x = _Axis(params, params.columns)
        m.submodules.y = y = _Axis(params, params.rows)
        m.d.comb += [
            moves.eq(advance & square_valid & (skip == 0)),
            x.stride.eq(self.stride),
            y.stride.eq(self.stride),
            x.step.eq(moves),
            y.step.eq(moves & x.at_end),
        ]
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
        return m

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
