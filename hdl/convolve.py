"""Convolution: the kernel of the detector, in digits.

    neighbourhood -> [multiply -> sum -> round, clip] -> kernel response -> threshold

With one multiplier the neighbourhood comes tap by tap, and the multiplier adds up what it multiplies. With more, the
weights are cut into `Params.steps` groups, of which one is done each clock.
"""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WEIGHT_BITS
from edgeray.protocol.registers import BY_NAME
from hdl.layouts import response_layout, window_layout
from hdl.params import Params

_SCALES = 8
"""With one multiplier, weights are multiplied by 1 to 2**(_SCALES - 1): the least shift that is left is one less."""
_ADDED_AT_ONCE = 3


class Convolve(wiring.Component):
    """sum(weight * tap) / 2**kernel_shift, rounded half up, clipped to +-(2**sample_bits - 1).

    A correlation: weights lie over the pixels as the sub-pixel biases do, without a flip. In the guard ring the
    response is 0. The sum cannot overflow. Throughput: one window every `period` clocks; latency `latency` clocks, from
    the first clock in which the window is offered, with one multiplier in which its first tap is taken, to the one in
    which its response is shown.

    Members
    -------
    i : stream of `window_layout`
    o : stream of `response_layout`
    kernel_weights : signed weights, row by row, constant during a frame
    kernel_shift : register of that name, constant during a frame
    saturated : the clip changed a response, in the clock before it is shown at `o`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(window_layout(params))),
            "o": Out(stream.Signature(response_layout(params))),
            "kernel_weights": In(data.ArrayLayout(signed(WEIGHT_BITS), params.kernel_size**2)),
            "kernel_shift": In(BY_NAME["kernel_shift"].bits),
            "saturated": Out(1),
        })  # fmt: skip

    @property
    def period(self) -> int:
        """Clocks from a window to the next; one multiplier needs one more than it has weights, to begin anew."""
        return self._params.steps + (0 if self._params.is_pipelined else 1)

    @property
    def latency(self) -> int:
        if not self._params.is_pipelined:
            return self._params.steps + 1
        levels, count = 0, self._params.multipliers
        while count > 1:
            levels, count = levels + 1, -(-count // _ADDED_AT_ONCE)
        # Weights and taps chosen; products; the sum of a group; of all groups; rounded; shifted; clipped.
        return (self._params.steps > 1) + 1 + levels + self._params.steps + 3

    def elaborate(self, platform):
        m = Module()
        if self._params.is_pipelined:
            self._in_groups(m)
        else:
            self._in_turn(m)
        return m

    def _in_turn(self, m: Module) -> None:
        """Tap by tap.

        The weights are multiplied by a power of two, so that what is left of the shift is one of two. As a multiplier
        with an adder and a register behind it does it, the sum is neither added up nor shifted in logic.
        """
        weights = self._params.kernel_size**2
        tap, flags = self.i.payload.taps[0], Cat(self.i.payload.guard, self.i.payload.row_last, self.i.payload.last)
        # The weight that is next; 0 where the sum is complete, or begins.
        following = Signal(range(weights + 1))
        begins, accepts, is_complete, total_flags = Signal(), Signal(), Signal(), Signal(3)
        m.d.comb += [
            self.i.ready.eq(following != 0),
            accepts.eq(self.i.valid & self.i.ready),
            begins.eq((following == 0) & (~is_complete | ~self.o.valid | self.o.ready)),
        ]

        weight, scale = Signal(signed(WEIGHT_BITS)), Signal(_SCALES + 1)
        coarse, fine = self.kernel_shift >= _SCALES, self.kernel_shift[: (_SCALES - 1).bit_length()]
        with m.Switch(following):
            for number in range(weights):
                with m.Case(number):
                    m.d.comb += weight.eq(self.kernel_weights[number])
        with m.Switch(fine):
            for shift in range(_SCALES):
                with m.Case(shift):
                    m.d.comb += scale.eq(1 << (_SCALES - 1 - shift))
        # Without a reset, so that they can be a multiplier's own.
        scaled = Signal(signed(WEIGHT_BITS + _SCALES - 1), reset_less=True)
        product = Cat(tap, 0).as_signed() * scaled
        total = Signal(signed(len(product) + (weights - 1).bit_length()), reset_less=True)
        # Half of the divisor: rounded half up. `following` is 0 when it is loaded; it keeps yosys from taking most bits
        # for a reset, and them from being in one register with the others.
        half = Signal(len(total))
        m.d.comb += half.eq(
            following[0].replicate(len(total)) | Mux(coarse, 1 << (2 * _SCALES - 2), 1 << (_SCALES - 2))
        )

        # A sum begins when its window is there: settings may change before.
        with m.If((begins & self.i.valid) | accepts):
            m.d.sync += [
                following.eq(Mux(following == weights, 0, following + 1)),
                scaled.eq(weight * scale.as_signed()),
                total.eq(Mux(begins, half, total + product)),
            ]
        with m.If(accepts):
            m.d.sync += total_flags.eq(flags)
            with m.If(following == weights):
                m.d.sync += is_complete.eq(1)
        rounded = Mux(coarse, total >> (2 * _SCALES - 1), total >> (_SCALES - 1))
        with m.If(begins):
            m.d.sync += is_complete.eq(0)
            with m.If(is_complete):
                self._clip(m, rounded, total_flags)
        m.d.comb += self.saturated.eq(begins & is_complete & self._clips(rounded, total_flags))
        with m.If(begins & is_complete):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _in_groups(self, m: Module) -> None:
        """A group of weights a clock. Everything moves at once, whenever the response can go or there is none."""
        params, weights = self._params, self._params.kernel_size**2
        # The window stays at the input, which holds it, until its last group of weights is taken.
        advance, step = Signal(), Signal(range(params.steps))
        final = step == params.steps - 1
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance & final)]
        with m.If(advance & self.i.valid):
            m.d.sync += step.eq(Mux(final, 0, step + 1))

        def later(value: Value, name: str) -> Signal:
            register = Signal(Shape.cast(value.shape()), name=name)
            with m.If(advance):
                m.d.sync += register.eq(value)
            return register

        marks = Cat(self.i.payload.guard, self.i.payload.row_last, self.i.payload.last, step == 0, final)
        valid: Value = self.i.valid
        # Multiply: multiplier number n does the weights n * steps to n * steps + steps - 1, one after the other.
        factors = list[tuple[Value, Value]]()
        for number in range(params.multipliers):
            tap, weight = Signal(params.sample_bits), Signal(signed(WEIGHT_BITS))
            with m.Switch(step):
                for turn in range(params.steps):
                    which = number * params.steps + turn
                    if which < weights:
                        with m.Case(turn):
                            m.d.comb += [tap.eq(self.i.payload.taps[which]), weight.eq(self.kernel_weights[which])]
            factors.append((tap, weight))
        if params.steps > 1:
            # To choose and to multiply takes a clock each.
            factors = [
                (later(tap, f"tap_{n}"), later(weight, f"weight_{n}")) for n, (tap, weight) in enumerate(factors)
            ]
            marks, valid = later(marks, "chosen_marks"), later(valid, "chosen_valid")
        products: list[Any] = [later(tap * weight, f"product_{n}") for n, (tap, weight) in enumerate(factors)]
        marks, valid = later(marks, "product_marks"), later(valid, "product_valid")

        # Sum of a group, of some at a time; and of the groups.
        while len(products) > 1:
            some = [products[n : n + _ADDED_AT_ONCE] for n in range(0, len(products), _ADDED_AT_ONCE)]
            products = [later(_sum(each), f"sum_{len(some)}_{n}") for n, each in enumerate(some)]
            marks, valid = later(marks, f"sum_{len(some)}_marks"), later(valid, f"sum_{len(some)}_valid")
        total = Signal(signed(params.sample_bits + WEIGHT_BITS + (weights - 1).bit_length()))
        with m.If(advance & valid):
            m.d.sync += total.eq(Mux(marks[3], 0, total) + products[0])
        flags, valid = later(marks[:3], "total_flags"), later(valid & marks[4], "total_valid")

        # Round and clip. Half of the divisor is added: half up.
        half = Signal((1 << len(self.kernel_shift)) - 1)
        m.d.sync += half.eq((1 << self.kernel_shift) >> 1)
        rounded = later(total + half, "rounded")
        flags, valid = later(flags, "rounded_flags"), later(valid, "rounded_valid")
        scaled = later(rounded >> self.kernel_shift, "scaled")
        flags, valid = later(flags, "scaled_flags"), later(valid, "scaled_valid")
        m.d.comb += self.saturated.eq(advance & valid & self._clips(scaled, flags))
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid)
            self._clip(m, scaled, flags)

    def _exceeds(self, value: Value) -> tuple[Value, Value]:
        """Whether `value` is higher, and whether it is lower, than a response can be."""
        bits = self._params.sample_bits
        above, low, sign = value[bits:-1], value[:bits], value[-1]
        return ~sign & above.any(), sign & (~above.all() | ~low.any())

    def _clips(self, value: Value, flags: Value) -> Value:
        over, under = self._exceeds(value)
        return ~flags[0] & (over | under)

    def _clip(self, m: Module, value: Value, flags: Value) -> None:
        """Show `value`, clipped; 0 in the guard ring."""
        params, shown = self._params, self.o.payload
        over, under = self._exceeds(value)
        m.d.sync += [Cat(shown.guard, shown.row_last, shown.last).eq(flags), shown.value.eq(value)]
        with m.If(flags[0]):
            m.d.sync += shown.value.eq(0)
        with m.Elif(over):
            m.d.sync += shown.value.eq(params.full_scale)
        with m.Elif(under):
            m.d.sync += shown.value.eq(-params.full_scale)


def _sum(values: Sequence[Value]) -> Value:
    total, *rest = values
    for value in rest:
        total = total + value
    return total
