"""The bias table: which codes of the bias converters make a kernel's weights of a macro-pixel's sub-pixels.

measured responses (CSV) -> [read_points] -> [bias_table] -> BiasTable -> board (registers table_index, bias_data)

The board gives a sub-pixel of weight w the code zero + |w| * span / 2**BIAS_FRACTION_BITS, rounded down, with the span
of w's sign. The response of a crystal to its bias is no straight line: the spans are made for one kernel's weights,
which then come out as near as converter and points allow.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeray.calibration.errors import CalibrationError, CalibrationFileError, CalibrationMismatch
from edgeray.calibration.provenance import Provenance
from edgeray.calibration.statistics import Floats
from edgeray.protocol.kernels import SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from edgeray.protocol.registers import BIAS_ENTRY, BIAS_FRACTION_BITS

if TYPE_CHECKING:
    from edgeray.device import Device

CODE_MAX = BIAS_ENTRY["value"].maximum
SPAN_MIN, SPAN_MAX = -(1 << 15), (1 << 15) - 1
ENTRIES = 4
"""Places of the table for a sub-pixel; the last is unused."""


@dataclass(frozen=True, eq=False)
class BiasTable:
    """A board's bias table.

    entries : int64[sub-pixels, 3], row by row: code of weight 0 (0 to 65535), spans of positive and negative weights
        (-32768 to 32767), codes that a weight of 64 adds.

    Raises CalibrationError for values that no board can hold.
    """

    entries: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        entries = self.entries
        if entries.ndim != 2 or entries.shape[1] != 3 or entries.dtype.kind not in "iu":
            raise CalibrationError(f"a bias table is int[sub-pixels, 3], not {entries.dtype}{list(entries.shape)}")
        low, high = np.array([0, SPAN_MIN, SPAN_MIN]), np.array([CODE_MAX, SPAN_MAX, SPAN_MAX])
        wrong = np.argwhere((entries < low) | (entries > high))
        if len(wrong):
            place, column = wrong[0]
            raise CalibrationError(
                f"the bias table's {('zero', 'positive span', 'negative span')[column]} of sub-pixel {place} is "
                f"{entries[place, column]}, which is not between {low[column]} and {high[column]}"
            )

    def codes(self, weights: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Code that the board gives each sub-pixel, int64 of the weights' shape, as its gateware computes it."""
        flat = weights.astype(np.int64).ravel()
        span = np.where(flat < 0, self.entries[:, 2], self.entries[:, 1])
        codes = self.entries[:, 0] + (np.abs(flat) * span >> BIAS_FRACTION_BITS)
        return np.clip(codes, 0, CODE_MAX).reshape(weights.shape)

    def load_into(self, device: "Device") -> None:
        """Write the table to the board, which sets its bias voltages anew with the next `apply`.

        Raises CalibrationMismatch where the board has no bias converters or another number of sub-pixels; as
        `Device.write`.
        """
        if not device.read("bias_dac"):
            raise CalibrationMismatch(f"the build of the board at {device.url!r} sets no bias voltages")
        wanted = device.detector.kernel_size**2
        if len(self.entries) != wanted:
            raise CalibrationMismatch(
                f"this bias table has {len(self.entries)} sub-pixels, the board at {device.url!r} has {wanted}"
            )
        device.write("table_index", 0)
        for entry in self.entries.tolist():
            for word in (*entry, *[0] * (ENTRIES - len(entry))):
                device.write("bias_data", word & CODE_MAX)


@dataclass(frozen=True, eq=False, kw_only=True)
class BiasCalibration:
    """A bias table and what it was made of.

    kernel, weights, shift : name, int64[n, n] and scale of the kernel it was made for.
    table : for the board.
    realised : float64[n, n]: weights that the table makes of the measured points.
    full_response : response that the kernel's largest weight stands for, in the points' unit.
    points : float64[m, 4]: row, column, code, response, as measured.
    """

    kernel: str
    weights: npt.NDArray[np.int64]
    shift: int
    table: BiasTable
    realised: Floats
    full_response: float
    points: Floats
    provenance: Provenance

    @property
    def largest_error(self) -> float:
        """Of a realised weight, as part of the kernel's largest."""
        return float(np.abs(self.realised - self.weights).max() / np.abs(self.weights).max())


def read_points(path: str | Path, low_v: float = -100.0, high_v: float = 100.0) -> Floats:
    """Points of a CSV file with a head of `row,column,code,response`: float64[points, 4], in that order.

    `bias_v` may stand for `code`, in volts: `low_v` is code 0, `high_v` one step over the largest. `response` is what
    the sub-pixel gives to some exposure, the same for all, less what it gives without; with the bias's sign, any unit.

    Raises CalibrationFileError where the file is no such table.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(line for line in file if not line.lstrip().startswith("#")))
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationFileError(f"the points {path} cannot be read: {error}") from None
    names = {name.strip() for name in lines[0] if name} if lines else set()
    if not {"row", "column", "response"} <= names or not names & {"code", "bias_v"}:
        raise CalibrationFileError(
            f"the points {path} want a first line row,column,code,response (or bias_v for code), and points under it"
        )
    bias = "code" if "code" in names else "bias_v"
    if not low_v < high_v:
        raise CalibrationFileError(f"the converters' range has to rise, not go from {low_v:g} to {high_v:g} V")
    points = []
    for number, line in enumerate(lines, 1):
        try:
            point = [float({key.strip(): one for key, one in line.items()}[name])
                     for name in ("row", "column", bias, "response")]  # fmt: skip
        except (TypeError, ValueError, AttributeError):
            raise CalibrationFileError(f"the points {path}: point {number} is no four numbers") from None
        points.append(point)
    table = np.array(points)
    if bias == "bias_v":
        table[:, 2] = (table[:, 2] - low_v) / (high_v - low_v) * (CODE_MAX + 1)
    wrong = ~np.isfinite(table).all(axis=1) | (table[:, 2] < 0) | (table[:, 2] > CODE_MAX + 1)
    if wrong.any():
        raise CalibrationFileError(
            f"the points {path}: point {int(np.flatnonzero(wrong)[0]) + 1} is outside the converters' range"
        )
    table[:, 2] = np.minimum(table[:, 2], CODE_MAX)
    return table


def filled(kernel: Kernel) -> Kernel:
    """The same kernel with weights and shift doubled as often as they fit: spans then have the range to reach far."""
    weights, shift = kernel.array, kernel.shift
    while shift < SHIFT_MAX and 2 * weights.max() <= WEIGHT_MAX and 2 * weights.min() >= WEIGHT_MIN and weights.any():
        weights, shift = 2 * weights, shift + 1
    return Kernel(kernel.name, tuple(map(tuple, weights.tolist())), shift, kernel.source)


def bias_table(points: Floats, kernel: Kernel, *, source: str, part: float = 1.0) -> BiasCalibration:
    """The table that makes `kernel` of sub-pixels with the measured `points` (see `read_points`).

    A sub-pixel's response is taken to rise with its code; where points do not, for noise, they are averaged, and
    between them it is a straight line. The largest weight becomes `part` of what every sub-pixel can follow with its
    own weight. A sign that a sub-pixel does not use gets the span of its size, or as much as there is.

    Raises CalibrationError: a sub-pixel without two points or whose points do not reach 0, a sign that has no response,
    a kernel of zeros, or a span over 16 bits.
    """
    weights, size = kernel.array, kernel.size
    largest = int(np.abs(weights).max())
    if not largest or not 0 < part <= 1:
        raise CalibrationError(f"a bias table wants a kernel that is not all 0, and a part over 0 to 1, not {part:g}")
    curves = [_curve(points, row, column) for row in range(size) for column in range(size)]
    flat = weights.ravel().tolist()
    # What the largest weight becomes where every sub-pixel has to reach its own.
    full = part * min(
        _reach(curve, weight) * largest / abs(weight) for curve, weight in zip(curves, flat, strict=True) if weight
    )
    if full <= 0:
        raise CalibrationError(
            f"kernel {kernel.name!r} has weights of a sign in which a sub-pixel shows no response: measure it there"
        )
    entries = []
    for (codes, responses), weight in zip(curves, flat, strict=True):
        scale = abs(weight) or largest
        zero = round(float(np.interp(0.0, responses, codes)))
        spans = []
        for sign in (1, -1):
            wanted = sign * min(full * scale / largest, _reach((codes, responses), sign))
            steps = round(float(np.interp(wanted, responses, codes))) - zero
            # Rounded up, as the gateware rounds the product down: with weights up to 64 the code itself comes back.
            spans.append(-(-(steps << BIAS_FRACTION_BITS) // scale))
        if not SPAN_MIN <= min(spans) <= max(spans) <= SPAN_MAX:
            raise CalibrationError(
                f"kernel {kernel.name!r} with weights up to {largest} needs a span over {SPAN_MAX} codes: give it with "
                "weights and shift doubled until they fill 8 bits (`filled`)"
            )
        entries.append([zero, *spans])
    table = BiasTable(np.array(entries, np.int64))
    seen = [np.interp(code, *curve) for code, curve in zip(table.codes(weights).ravel(), curves, strict=True)]
    return BiasCalibration(
        kernel=kernel.name,
        weights=weights,
        shift=kernel.shift,
        table=table,
        realised=np.reshape(seen, weights.shape) / full * largest,
        full_response=full,
        points=points,
        provenance=Provenance(source=source),
    )


def _reach(curve: tuple[Floats, Floats], weight: int) -> float:
    """Largest response of the weight's sign, as a positive number; 0 where there is none."""
    return max(0.0, float(curve[1][-1] if weight > 0 else -curve[1][0]))


def _curve(points: Floats, row: int, column: int) -> tuple[Floats, Floats]:
    """(codes, responses) of a sub-pixel, both rising: isotonic regression, those out of order become their mean."""
    own = points[(points[:, 0] == row) & (points[:, 1] == column)]
    blocks: list[tuple[float, float, int]] = []
    for code, response in own[np.argsort(own[:, 2], kind="stable"), 2:].tolist():
        block = (code, response, 1)
        while blocks and (block[1] <= blocks[-1][1] or block[0] <= blocks[-1][0]):
            before = blocks.pop()
            count = before[2] + block[2]
            parts = [(before[at] * before[2] + block[at] * block[2]) / count for at in (0, 1)]
            block = (parts[0], parts[1], count)
        blocks.append(block)
    codes, responses = (np.array([block[at] for block in blocks]) for at in (0, 1))
    if len(blocks) < 2 or not responses[0] <= 0 <= responses[-1]:
        raise CalibrationError(
            f"sub-pixel {row},{column} has {len(own)} points, and none on either side of response 0: measure it at "
            "biases from none to full, with the bias's sign"
        )
    return codes, responses
