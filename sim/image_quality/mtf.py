"""Presampled modulation transfer function from the image of a slanted edge.

edge image -> edge line -> oversampled edge spread -> line spread -> window -> FFT -> MTF

The method of ISO 12233 (slanted edge) as IEC 62220-1 takes it to X-ray detectors: an edge that is a few degrees off the
pixel grid meets every row at another place within a pixel, so that the rows together sample the edge finer than the
pixels are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal.windows import hann

from sim.image_quality.errors import ImageQualityError, numbers, positive

Values = npt.NDArray[np.float64]

OVERSAMPLING = 4
"""Bins of the edge spread a pixel, as ISO 12233 has it."""
LEAST_PIXELS = 16
_FITS = 3


@dataclass(frozen=True, eq=False)
class Mtf:
    """Modulation transfer along the normal of an edge.

    Parameters
    ----------
    frequency_per_mm : float[n], line pairs a millimetre, from 0 to 2 / pixel pitch.
    mtf : float[n], 1 at frequency 0.
    angle_deg : of the edge against the rows or columns of the grid.
    distance_mm, edge_spread : float[m], the oversampled edge, across it.
    """

    frequency_per_mm: Values
    mtf: Values
    angle_deg: float
    distance_mm: Values
    edge_spread: Values

    def at(self, frequency_per_mm: npt.ArrayLike) -> Values:
        """Modulation transfer at frequencies within the range, between the points linearly."""
        return np.interp(np.asarray(frequency_per_mm, np.float64), self.frequency_per_mm, self.mtf)

    def frequency_at(self, mtf: float = 0.5) -> float:
        """First frequency, line pairs a millimetre, where the transfer falls under `mtf`; NaN where it never does."""
        under = np.flatnonzero(self.mtf < mtf)
        if not len(under) or not under[0]:
            return float("nan")
        last = under[0]
        (high, low), (first, second) = self.mtf[last - 1 : last + 1], self.frequency_per_mm[last - 1 : last + 1]
        return float(first + (high - mtf) / (high - low) * (second - first))


def slanted_edge(image: npt.ArrayLike, pixel_pitch_mm: float, *, oversampling: int = OVERSAMPLING) -> Mtf:
    """The MTF that the image of one straight edge shows.

    The response must be linear in the dose. The edge may rise or fall, and run along the rows or along the columns.

    Parameters
    ----------
    image : float[rows, columns], 16 a side or more, an edge across the whole of it and nothing else.
    pixel_pitch_mm : distance of two pixels.
    oversampling : bins of the edge spread a pixel.

    Raises
    ------
    ImageQualityError : another shape, no edge, an edge that leaves the image, or one so little slanted that it stays
        within one pixel: the rows then all sample the same places.
    """
    values = numbers(image, "the image of an edge", 2)
    pitch_mm = positive(pixel_pitch_mm, "pixel_pitch_mm")
    if min(values.shape) < LEAST_PIXELS or oversampling < 1:
        raise ImageQualityError(
            f"the image of an edge wants {LEAST_PIXELS} pixels a side and an oversampling of 1 at least, "
            f"not {values.shape} and {oversampling}"
        )
    across, along = (np.abs(np.diff(values.mean(axis=axis))).sum() for axis in (0, 1))
    if along > across:
        values = values.T
    slope, place = _edge_line(values)
    rows, columns = values.shape
    if abs(slope) * rows < 1:
        raise ImageQualityError(
            f"the edge is off the grid by {np.degrees(np.arctan(slope)):.2f} degrees and crosses less than one pixel "
            f"in {rows} rows; slant it by 1.5 to 5 degrees"
        )
    y, x = np.mgrid[:rows, :columns]
    # In pixels, along the edge's normal.
    distance = (x - (place + slope * y)) / np.hypot(1, slope)
    found = _bins(distance, values, oversampling)
    if found is None:
        raise ImageQualityError(f"the slant of the edge leaves bins of a {oversampling}th pixel empty: slant it more")
    spread, places = found
    line = np.gradient(spread)
    line *= hann(len(line), sym=True)
    transfer = np.abs(np.fft.rfft(line))
    frequency = np.fft.rfftfreq(len(line), 1 / oversampling)  # cycles a pixel
    wanted = frequency <= min(2, oversampling / 2)
    frequency, transfer = frequency[wanted], transfer[wanted] / transfer[0]
    # What the central difference and the width of a bin took away.
    transfer /= np.maximum(np.sinc(2 * frequency / oversampling) * np.sinc(frequency / oversampling), 0.1)
    return Mtf(
        np.asarray(frequency / pitch_mm, np.float64),
        transfer,
        float(np.degrees(np.arctan(slope))),
        places * pitch_mm,
        spread,
    )


def _edge_line(values: Values) -> tuple[float, float]:
    """(slope, column in row 0) of the edge: a line through the centroids of every row's gradient.

    Around the line of the fit before, a window keeps noise far from the edge out of the centroids.
    """
    gradient = np.diff(values, axis=1)
    contrast = values[:, -1].mean() - values[:, 0].mean()
    if not contrast:
        raise ImageQualityError("the image has no edge: both of its ends are equally bright")
    gradient *= np.sign(contrast)
    rows, columns = gradient.shape
    y, x = np.arange(rows), np.arange(columns) + 0.5
    weights = np.broadcast_to(hann(columns + 2)[1:-1], gradient.shape)
    slope, place = 0.0, float("nan")
    for fit in range(_FITS):
        mass = gradient * weights
        total = mass.sum(axis=1)
        good = total > 0.1 * np.abs(contrast) * (weights.max() if fit else 0.1)
        if good.sum() < rows / 2:
            raise ImageQualityError("the image has no edge that can be followed from row to row")
        centroid = (mass * x).sum(axis=1)[good] / total[good]
        slope, place = (float(each) for each in np.polyfit(y[good], centroid, 1))
        line = place + slope * y
        half = max(4.0, columns / 2 ** (fit + 2))
        inside = np.clip((x - line[:, None]) / half, -1, 1)
        weights = 0.5 * (1 + np.cos(np.pi * inside))
    if not (0 < place < columns and 0 < place + slope * (rows - 1) < columns):
        raise ImageQualityError("the edge leaves the image at its sides; it must run from the first row to the last")
    return slope, place


def _bins(distance: Values, values: Values, oversampling: int) -> tuple[Values, Values] | None:
    """(mean value, distance in pixels) of bins of 1 / oversampling pixel around the edge; None where one is empty.

    The range is what all rows reach, the same on either side of the edge.
    """
    reach = min(-distance[:, 0].max(), distance[:, -1].min())
    half = int(reach * oversampling)
    index = np.floor(distance * oversampling + 0.5).astype(int) + half
    inside = (index >= 0) & (index <= 2 * half)
    counts = np.bincount(index[inside], minlength=2 * half + 1)
    if half < 2 * oversampling or not counts.all():
        return None
    spread, places = (np.bincount(index[inside], each[inside], 2 * half + 1) / counts for each in (values, distance))
    # The pixels of a bin do not lie evenly in it: their mean is the edge where they are, not in the bin's middle.
    middle = np.arange(-half, half + 1) / oversampling
    return np.interp(middle, places, spread), middle
