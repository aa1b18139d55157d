"""Convolution: the kernel of the detector, in digits.

    neighbourhood -> [multiply -> sum -> round, clip] -> kernel response -> threshold

The same description makes a build with one time-shared multiplier and one with a multiplier for every weight: the
weights are cut into `Params.steps` groups, and a group is done each clock.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WEIGHT_BITS
from edgeray.protocol.registers import BY_NAME
from hdl.layouts import response_layout, window_layout
from hdl.params import Params


class Convolve(wiring.Component):
    """sum(weight * tap) / 2**kernel_shift, rounded half up, clipped to +-(2**sample_bits - 1).

    A correlation: weights lie over the pixels as the sub-pixel biases do, without a flip. In the guard ring the
    response is 0. The sum cannot overflow. Throughput: one window every `Params.steps` clocks; latency
    `Params.steps` + 2 clocks, from the first clock in which the window is offered to the one in which its response is
    shown.

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
    def latency(self) -> int:
        return self._params.steps + 2

    def elaborate(self, platform):
        params, weights = self._params, self._params.kernel_size**2
        m = Module()

        # Everything moves at once, whenever the response can go or there is none. The window stays at the input, which
        # holds it, until its last group of weights is taken.
        advance, step = Signal(), Signal(range(params.steps))
        final = step == params.steps - 1
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance & final)]
        with m.If(advance & self.i.valid):
            m.d.sync += step.eq(Mux(final, 0, step + 1))

        # Multiply: multiplier number n does the weights n * steps to n * steps + steps - 1, one after the other.
        products = [
            Signal(signed(params.sample_bits + WEIGHT_BITS), name=f"product_{n}") for n in range(params.multipliers)
        ]
        first_group, last_group, group_valid = Signal(), Signal(), Signal()
        flags = Signal(3)
        with m.If(advance):
            m.d.sync += [
                group_valid.eq(self.i.valid),
                first_group.eq(step == 0),
                last_group.eq(final),
                flags.eq(Cat(self.i.payload.guard, self.i.payload.row_last, self.i.payload.last)),
            ]
            for number, product in enumerate(products):
                with m.Switch(step):
                    for turn in range(params.steps):
                        with m.Case(turn):
                            which = number * params.steps + turn
                            if which < weights:
                                m.d.sync += product.eq(self.i.payload.taps[which] * self.kernel_weights[which])
                            else:
                                m.d.sync += product.eq(0)

        # Sum.
        total = Signal(signed(params.sample_bits + WEIGHT_BITS + (weights - 1).bit_length()))
        total_valid, total_flags = Signal(), Signal.like(flags)
        with m.If(advance):
            m.d.sync += [total_valid.eq(group_valid & last_group), total_flags.eq(flags)]
            with m.If(group_valid):
                m.d.sync += total.eq(Mux(first_group, 0, total) + sum(products))

        # Round and clip. Half of the divisor is added: half up.
        scaled = Signal(signed(len(total) + 1))
        half = Signal(1 << len(self.kernel_shift))
        m.d.comb += [
            half.eq((1 << self.kernel_shift) >> 1),
            scaled.eq((total + half) >> self.kernel_shift),
        ]
        over, under = scaled > params.full_scale, scaled < -params.full_scale
        guard = total_flags[0]
        m.d.comb += self.saturated.eq(advance & total_valid & ~guard & (over | under))
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(total_valid),
                Cat(self.o.payload.guard, self.o.payload.row_last, self.o.payload.last).eq(total_flags),
                self.o.payload.value.eq(scaled),
            ]
            with m.If(guard):
                m.d.sync += self.o.payload.value.eq(0)
            with m.Elif(over):
                m.d.sync += self.o.payload.value.eq(params.full_scale)
            with m.Elif(under):
                m.d.sync += self.o.payload.value.eq(-params.full_scale)
        return m
