"""What travels between the stages: the payloads of their streams.

`row_last` marks the last pixel of a row, `last` the last pixel of a frame (which is also the last of its row).
"""

from amaranth import unsigned
from amaranth.hdl import ShapeLike, signed
from amaranth.lib import data

from edgeray.protocol.packets import HEADER, WORD_BITS
from hdl.params import Params


def pixel_layout(value: ShapeLike, **more: ShapeLike) -> data.StructLayout:
    """One pixel: `value`, whatever else a stage adds to it, and its place in the frame."""
    return data.StructLayout({"value": value, **more, "row_last": 1, "last": 1})


def request_layout() -> data.StructLayout:
    """A pixel to convert; the array shows the one that is addressed."""
    return data.StructLayout({"row_last": 1, "last": 1})


def sample_layout(params: Params) -> data.StructLayout:
    """The two samples of one pixel."""
    bits = unsigned(params.sample_bits)
    return data.StructLayout({"reset": bits, "signal": bits, "row_last": 1, "last": 1})


def window_layout(params: Params) -> data.StructLayout:
    """The neighbourhood of one pixel, row by row; `guard` marks a pixel of the guard ring, whose taps mean nothing.

    With one multiplier the taps come one after the other.
    """
    taps = data.ArrayLayout(unsigned(params.sample_bits), params.kernel_size**2 if params.is_pipelined else 1)
    return data.StructLayout({"taps": taps, "guard": 1, "row_last": 1, "last": 1})


def response_layout(params: Params) -> data.StructLayout:
    """One kernel response."""
    return pixel_layout(signed(params.response_bits), guard=1)


def result_layout(params: Params) -> data.StructLayout:
    """One kernel response and whether it is to be sent; a raw pixel is kept."""
    return pixel_layout(signed(params.response_bits), kept=1)


def symbol_layout(params: Params) -> data.StructLayout:
    """What is coded of one pixel; `end` marks a packet's last pixel."""
    return data.StructLayout({"symbol": signed(params.response_bits), "row_last": 1, "end": 1})


def code_layout(zeros: int, bits: int, length: int) -> data.StructLayout:
    """Up to so many `zeros`, then the lowest `length` of `bits`, the others 0; `end` marks a packet's last code."""
    return data.StructLayout({"zeros": range(zeros + 1), "bits": bits, "length": range(length + 1), "end": 1})


def value_layout(bits: int) -> data.StructLayout:
    """What is sent of one pixel at fixed width; `end` marks a packet's last pixel."""
    return data.StructLayout({"value": bits, "end": 1})


def word_layout() -> data.StructLayout:
    """A step of writing a payload into the packet buffer: the next word of its code, or at fixed width, or both.

    Or, where `end` is set, neither, but the payload's header fields; with it the payload is complete. `skip` says that
    it is the one at fixed width, else it is the code.
    """
    parts = {"has_coded": 1, "coded": WORD_BITS, "has_fixed": 1, "fixed": WORD_BITS}
    header = {name: HEADER[name].bits for name in ("type", "length", "first_row", "last")}
    return data.StructLayout({**parts, "end": 1, "skip": 1, **header})


def byte_layout() -> data.StructLayout:
    """A byte of a packet's header or, behind it, of its payload; `last` marks the payload's last."""
    return data.StructLayout({"data": 8, "last": 1})
