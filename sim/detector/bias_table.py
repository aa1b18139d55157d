"""Bias voltages as codes: what the converters give, and the table with which the gateware writes a kernel to them.

kernel weight -> [bias_entries] -> registers `bias_data` -> gateware (hdl.bias, sim.golden.bias) -> code
    -> [BiasDac] -> bias of each sub-pixel -> response -> realised weight -> macro_pixel
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.kernels import SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from edgeray.protocol.registers import BIAS_FRACTION_BITS
from sim.detector.errors import DetectorError, Floats
from sim.detector.response import Response
from sim.golden.bias import bias

CODE_BITS = 16
"""Of the code that the gateware sends; a coarser converter ignores the lowest of them."""
SPAN_MAX = (1 << 15) - 1


@dataclass(frozen=True, kw_only=True)
class BiasDac:
    """A converter of the LTC2668's kind and the amplifier behind it, one channel a sub-pixel.

    Parameters
    ----------
    bits : resolution, 4 to 16; the code's highest bits.
    low_v, high_v : bias at code 0, and one step over the largest code. The gateware shows code 0 until the table is
        written, so a real amplifier has to be off until then.
    """

    bits: int = 16
    low_v: float = -100.0
    high_v: float = 100.0

    def __post_init__(self) -> None:
        if not 4 <= self.bits <= CODE_BITS:
            raise DetectorError(f"bits of a bias converter: 4 to {CODE_BITS}, not {self.bits!r}")
        if not self.low_v < self.high_v:
            raise DetectorError(f"low_v has to be under high_v, not {self.low_v:g} and {self.high_v:g} V")

    @property
    def step_v(self) -> float:
        """Least change of the bias, V."""
        return (self.high_v - self.low_v) / (1 << self.bits)

    def volts(self, code: npt.ArrayLike) -> Floats:
        """Bias of each code of 16 bits."""
        steps = np.asarray(code, np.int64) >> (CODE_BITS - self.bits)
        return np.asarray(self.low_v + steps * self.step_v, np.float64)

    def code(self, bias_v: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The code, of 16 bits, nearest to each bias. DetectorError for one that the converter does not reach."""
        wanted = np.asarray(bias_v, np.float64)
        step = np.rint((wanted - self.low_v) / self.step_v)
        wrong = ~((step >= 0) & (step <= 1 << self.bits))
        if wrong.any():
            raise DetectorError(
                f"a bias of {wanted[wrong].flat[0]:g} V is outside the converter's {self.low_v:g} to {self.high_v:g} V"
            )
        step = np.minimum(step, (1 << self.bits) - 1)
        return np.asarray(step, np.int64) << (CODE_BITS - self.bits)


def filling(kernel: Kernel) -> Kernel:
    """The same kernel with weights, and shift, as many times doubled as fit: it uses the table's whole precision."""
    factor = 0
    while (
        kernel.shift + factor < SHIFT_MAX
        and max(kernel.flat) << (factor + 1) <= WEIGHT_MAX
        and min(kernel.flat) << (factor + 1) >= WEIGHT_MIN
    ):
        factor += 1
    weights = (kernel.array << factor).tolist()
    return Kernel(kernel.name, tuple(map(tuple, weights)), kernel.shift + factor, kernel.source)


def largest(kernel: Kernel) -> int:
    """The largest magnitude of a weight, which the full bias gives. DetectorError for a kernel of zeros."""
    size = max(map(abs, kernel.flat))
    if not size:
        raise DetectorError(f"kernel {kernel.name!r} is all 0: no bias makes an image with it")
    return size


def bias_entries(
    response: Response, dac: BiasDac, kernel: Kernel, gains: npt.ArrayLike = 1.0, largest_weight: float = 1.0
) -> npt.NDArray[np.int64]:
    """The bias table of a macro-pixel, int64[sub-pixels, 3]: code of weight 0, span of positive and negative weights.

    The gateware gives each sub-pixel zero + |weight| * span / 64, a straight line, and collection is none: the spans
    are made for the kernel's own weights, which come out as near as the converter can. A sub-pixel of weight 0 gets
    those of the largest weight. `gains`, relative responses of the sub-pixels in rows as the kernel, are corrected for.
    `largest_weight` is what the kernel's largest becomes, 1 at the full bias.

    Raises DetectorError: a weight that needs more bias than there is, a span over 16 bits (see `filling`), gains that
    are not positive.
    """
    weights = kernel.array
    relative = np.asarray(gains, np.float64)
    if not (np.isfinite(relative) & (relative > 0)).all():
        raise DetectorError("gains of sub-pixels are finite and more than 0")
    if not 0 < largest_weight <= 1:
        raise DetectorError(f"largest_weight takes over 0 to 1, not {largest_weight!r}")
    size = largest(kernel)
    scale = np.where(weights == 0, size, np.abs(weights))
    zero = int(dac.code(0.0))
    spans = []
    for sign in (1, -1):
        part = sign * largest_weight * scale / (size * np.broadcast_to(relative, weights.shape))
        # The sign that a sub-pixel does not use goes as far as there is bias.
        reach = float(response.weight(sign * response.limit_v))
        within = np.minimum(part, reach) if sign > 0 else np.maximum(part, reach)
        codes = dac.code(response.bias_for(np.where(weights * sign > 0, part, within))) - zero
        # Rounded up, as the gateware rounds the product down: with weights up to 64 the code itself comes back.
        spans.append(-(-(codes << BIAS_FRACTION_BITS) // scale))
    entries = np.stack([np.full(weights.size, zero), *(span.ravel() for span in spans)], axis=1)
    if np.abs(entries[:, 1:]).max() > SPAN_MAX:
        raise DetectorError(
            f"kernel {kernel.name!r} with weights up to {size} needs a span over {SPAN_MAX} codes; "
            "give it with larger weights and shift (`filling`)"
        )
    return entries


def applied_bias_v(dac: BiasDac, kernel: Kernel, entries: npt.NDArray[np.int64]) -> Floats:
    """Bias of each sub-pixel when the gateware writes `kernel` with this table, V: float64 in rows."""
    codes = bias(kernel.flat, zero=entries[:, 0], span_positive=entries[:, 1], span_negative=entries[:, 2])
    return dac.volts(codes).reshape(kernel.array.shape)
