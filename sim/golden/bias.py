"""Golden model of the bias voltages: kernel weights to codes of the converters that bias the sub-pixels.

weights, calibration table -> [bias] -> one 16-bit code a sub-pixel
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.packets import WEIGHT_BITS
from edgeray.protocol.registers import BIAS_FRACTION_BITS
from sim.golden.fixed_point import Integers, clip
from sim.golden.stack import StackError, integers

_CODE = (1 << 16) - 1
_SPAN = 1 << 15


def bias(
    weights: npt.ArrayLike, *, zero: npt.ArrayLike, span_positive: npt.ArrayLike, span_negative: npt.ArrayLike
) -> Integers:
    """zero + |weight| * span / 2**BIAS_FRACTION_BITS, rounded down, clipped to 0 .. 65535; the span of w's sign.

    Parameters
    ----------
    weights : int[...], -128 to 127.
    zero : int of that shape, code of weight 0, 0 to 65535.
    span_positive, span_negative : int of that shape, -32768 to 32767, codes that a weight of 64 (of -64) adds.

    Returns
    -------
    codes : int64 of that shape.

    Raises
    ------
    StackError : values that are not integers, outside these ranges, or not of one shape.
    """
    half = 1 << (WEIGHT_BITS - 1)
    values = integers(weights, "weights", -half, half - 1)
    base = integers(zero, "zero", 0, _CODE)
    spans = [
        integers(span, name, -_SPAN, _SPAN - 1)
        for span, name in ((span_positive, "span_positive"), (span_negative, "span_negative"))
    ]
    for name, table in zip(("zero", "span_positive", "span_negative"), (base, *spans), strict=True):
        if table.shape != values.shape:
            raise StackError(f"{name} wants the weights' shape {values.shape}, not {table.shape}")
    span = np.where(values < 0, spans[1], spans[0])
    codes, _ = clip(base + (np.abs(values) * span >> BIAS_FRACTION_BITS), 0, _CODE)
    return codes
