"""Noise of pixels, carried through correction, kernel and rounding to the responses, and the false edges that it makes.

mean, noise of the pixels, table -> [responses] -> Responses: noise of each, rate of false edges over a threshold

A response over no object is q = floor((S + half) / 2**shift), S = sum of weight * pixel; pixels fluctuate on their own,
as Gaussians in whole codes. Pixels that a kernel sees twice, beyond the imaging area's border or in a masked pixel's
place, count once, with the sum of their weights. Where noise is a few codes, what correction and rounding make of each
code decides how often a threshold is passed: the distribution of S is then computed code by code. Where it is more, S
is a Gaussian.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.calibration.mask import lenders
from edgeray.calibration.statistics import Floats, Mask, tail
from edgeray.correction import CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.registers import GAIN_FRACTION_BITS, Convolution

NARROW = 8.0
"""Noise of a pixel, in steps of its codes, up to which it is gone through code by code."""
_WIDTH = 8.0
"""Standard deviations that are gone through."""
_LEAST = 0.05
"""Noise, in steps, of a pixel that shows one code all the time: it then has that code as its mean."""
_WORK = 1 << 28
"""Numbers gone through code by code: some ten seconds."""
_STRIP = 1 << 20
"""Numbers worked on at a time."""

_NODES = [(node / 2, weight / 2) for node, weight in zip(*np.polynomial.legendre.leggauss(4), strict=True)]
"""Gauss' places and weights of the mean over a step, -1/2 to 1/2."""

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Responses:
    """Kernel responses to noise alone, at every position of the kernel in the imaging area.

    positions : how many there are.
    mean, noise : float64[positions], row by row, codes, rounding included; of a part of the positions, drawn at random,
        where all would take too long.
    distribution : float64[2 * full scale + 1]: part of all responses that are -full scale to full scale; None where the
        noise is not narrow.
    """

    positions: int
    mean: Floats
    noise: Floats
    distribution: Floats | None

    def rate(self, threshold: int, *, positive: bool = False) -> float:
        """False edges a position and frame: part of the responses with |q| >= threshold, or q >= threshold."""
        if self.distribution is not None:
            full = len(self.distribution) >> 1
            upper, lower = self.distribution[full + threshold :], self.distribution[: max(0, full - threshold + 1)]
            return float(upper.sum() + (0 if positive else lower.sum()))
        # Halfway between the last value that is not over the threshold and the first that is.
        rates = tail((threshold - 0.5 - self.mean) / self.noise)
        return float((rates if positive else rates + tail((threshold - 0.5 + self.mean) / self.noise)).mean())


def responses(
    mean: Floats,
    noise: Floats,
    table: CorrectionTable,
    detector: Detector,
    kernel: Kernel,
    stride: int = 1,
    *,
    step: int = 1,
    phase: int = 0,
    roundings: int = 1,
) -> Responses:
    """Responses of `kernel` to pixels of this mean and noise, float64[rows, columns], codes, behind the correction.

    Positions are those of `detector.frame_shape(stride)` without the guard ring. A sensor that convolves has a kernel
    of one pixel, whose half of full scale is 0. Before the correction pixels are `phase` and multiples of `step`,
    the sum of so many samples that were each rounded to whole ones.
    """
    inside = detector.convolution is Convolution.SENSOR
    weights, shift = (np.ones((1, 1), np.int64), 0) if inside else (kernel.array, kernel.shift)
    zero = 1 << (detector.sample_bits - 1) if inside else 0
    factors, sources = _taps(table.masked, detector, weights, stride)
    offset, gain = (one.ravel().astype(np.int64) for one in (table.offset, table.gain))
    noise = np.maximum(noise.ravel(), _LEAST * step)
    pixels = _Pixels(mean.ravel(), noise, offset, gain, zero, detector.full_scale, step, phase, roundings)
    used = np.zeros(mean.size + 1, np.bool_)
    used[sources[factors != 0]] = True
    means, variances = pixels.moments()
    noise_of_sum = np.sqrt((factors**2 * variances[sources]).sum(axis=0))
    positions = factors.shape[1]
    if float(pixels.noise[used[:-1]].max(initial=0)) <= NARROW * step:
        length = 1 << math.ceil(math.log2(2 * _WIDTH * float(noise_of_sum.max()) + 64))
        most = max(1, _WORK // (length * len(factors)))
        some = np.sort(np.random.default_rng(0).permutation(positions)[:most])
        return _by_code(pixels, factors[:, some], sources[:, some], shift, length, positions)
    unit, divisor = 1 << shift, math.gcd(*weights.ravel().tolist()) or 1
    rounding = max(0.0, 1 - (divisor / unit) ** 2) / 12
    return Responses(
        positions=positions,
        mean=(factors * means[sources]).sum(axis=0) / unit,
        noise=np.sqrt((noise_of_sum / unit) ** 2 + rounding),
        distribution=None,
    )


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels in one row, and behind them the constant 0 that a masked pixel without one before it shows."""

    mean: Floats
    noise: Floats
    offset: _Integers
    gain: _Integers
    zero: int
    full_scale: int
    step: int
    phase: int
    roundings: int

    def shown(self, some: slice | npt.NDArray[np.intp]) -> tuple[_Integers, Floats]:
        """(values behind the correction less `zero`, their probabilities), both [pixels, codes]."""
        mean, noise = self.mean[some, None], self.noise[some, None]
        reach = math.ceil(_WIDTH * float(noise.max()) / self.step) + 1
        middle = np.rint((mean - self.phase) / self.step).astype(np.int64)
        codes = self.phase + self.step * (middle + np.arange(-reach, reach + 1))
        parts = self._chances(codes - mean, noise)
        codes = (np.clip(codes, 0, self.full_scale) - self.offset[some, None]) * self.gain[some, None]
        codes = (codes + (1 << (GAIN_FRACTION_BITS - 1))) >> GAIN_FRACTION_BITS
        return np.clip(codes, 0, self.full_scale) - self.zero, parts / parts.sum(axis=1, keepdims=True)

    def _chances(self, deviations: npt.NDArray[np.floating], noise: Floats) -> Floats:
        """A Gaussian, rounded: what the rounding adds to the noise is evenly spread, with no tails of its own."""
        if noise.max() > NARROW * self.step:
            return np.exp(-0.5 * np.square(deviations / noise))
        added = self.roundings * self.step**2 / 12
        # Noise under a step is no sum of such parts; some Gaussian has to be left.
        gaussian = np.sqrt(np.maximum(noise**2 - added, noise**2 / 8))
        parts = np.zeros(deviations.shape)
        for nodes in itertools.product(_NODES, repeat=self.roundings):
            off, share = sum(node for node, _ in nodes), math.prod(weight for _, weight in nodes)
            parts += share * np.exp(-0.5 * np.square((deviations + off * self.step) / gaussian))
        return parts

    def moments(self) -> tuple[Floats, Floats]:
        """(mean, variance) of every value that is shown, the constant last."""
        means, variances = np.full(self.mean.size + 1, -float(self.zero)), np.zeros(self.mean.size + 1)
        step = max(1, int(_STRIP / (2 * _WIDTH * self.noise.max() / self.step + 4)))
        for start in range(0, self.mean.size, step):
            some = slice(start, start + step)
            values, parts = self.shown(some)
            means[:-1][some] = first = (parts * values).sum(axis=1)
            variances[:-1][some] = (parts * np.square(values - first[:, None])).sum(axis=1)
        return means, variances


def _taps(masked: Mask, detector: Detector, weights: _Integers, stride: int) -> tuple[_Integers, npt.NDArray[np.intp]]:
    """(factors, sources): which pixels count how much, both [taps, positions].

    A source is a pixel's number, row by row, or that after the last for none. None comes twice at a position but
    with the factor 0.
    """
    ring, radius, first = detector.guard_ring, len(weights) // 2, detector.guard_ring + stride // 2
    y = first + stride * np.arange(detector.imaging_rows // stride)
    x = first + stride * np.arange(detector.imaging_columns // stride)
    shown = lenders(detector, masked)
    shown[shown < 0] = shown.size
    places = []
    for down, right in np.ndindex(weights.shape):
        rows = np.clip(y + down - radius, ring, detector.rows - 1 - ring)
        columns = np.clip(x + right - radius, ring, detector.columns - 1 - ring)
        places.append(shown[rows[:, None], columns].ravel())
    sources = np.array(places)
    factors = np.repeat(weights.reshape(-1, 1), sources.shape[1], axis=1)
    for tap in range(1, len(sources)):
        same = sources[:tap] == sources[tap]
        twice = np.flatnonzero(same.any(axis=0))
        factors[same.argmax(axis=0)[twice], twice] += factors[tap, twice]
        factors[tap, twice] = 0
    return factors, sources


def _by_code(
    pixels: _Pixels,
    factors: _Integers,
    sources: npt.NDArray[np.intp],
    shift: int,
    length: int,
    positions: int,
) -> Responses:
    """Responses by the product of the pixels' Fourier transforms: exact to about 1e-14.

    Sums wrap around after `length`; `positions` are all, `factors` of some.
    """
    full = pixels.full_scale
    wave = np.arange(length)
    count = factors.shape[1]
    found, mean, noise = np.zeros(2 * full + 1), np.empty(count), np.empty(count)
    step = max(1, _STRIP // length)
    for start in range(0, count, step):
        some = slice(start, min(start + step, count))
        used, places = np.unique(sources[:, some], return_inverse=True)
        places = places.reshape(sources[:, some].shape)
        transforms, centres = _transforms(pixels, used, length)
        product = np.ones((some.stop - start, length), np.complex128)
        for factor, place in zip(factors[:, some], places, strict=True):
            # The transform of weight times a pixel is the pixel's at weight times the frequency.
            product *= transforms[place[:, None], factor[:, None] * wave % length]
        parts = np.maximum(np.fft.ifft(product, axis=1).real, 0.0)
        parts /= parts.sum(axis=1, keepdims=True)
        base = (factors[:, some] * centres[places]).sum(axis=0)
        sums = base[:, None] + (wave + length // 2) % length - length // 2
        results = np.clip((sums + ((1 << shift) >> 1)) >> shift, -full, full)
        mean[some] = middle = (parts * results).sum(axis=1)
        noise[some] = np.sqrt((parts * np.square(results - middle[:, None])).sum(axis=1))
        found += np.bincount((results + full).ravel(), parts.ravel(), 2 * full + 1)
    return Responses(positions=positions, mean=mean, noise=noise, distribution=found / count)


def _transforms(
    pixels: _Pixels, used: npt.NDArray[np.intp], length: int
) -> tuple[npt.NDArray[np.complex128], _Integers]:
    """(Fourier transform of each used pixel's distribution about its centre, [pixels, length]; centres)."""
    there = used[used < pixels.mean.size]
    chances, centres = np.zeros((len(used), length)), np.full(len(used), -pixels.zero, np.int64)
    if len(there):
        values, parts = pixels.shown(there)
        # The code in the middle is that next to the mean.
        centres[: len(there)] = values[:, values.shape[1] // 2]
        about = (values - centres[: len(there), None]) % length
        np.add.at(chances, (np.arange(len(there))[:, None], about), parts)
    chances[len(there) :, 0] = 1.0
    return np.fft.fft(chances, axis=1), centres


def shrunk(noise: Floats, good: Mask, degrees: int) -> Floats:
    """Noise of the pixels, each drawn towards that of all by as much as its own estimate is uncertain.

    A variance of `degrees` degrees of freedom scatters by sqrt(2 / degrees); what the good pixels' scatter more is
    their own. Rates over a high threshold rise steeply with the noise: without this the pixels whose noise came out too
    large by chance would make the mean rate several times too high (W. James, C. Stein, 1961).
    """
    variance = noise**2
    middle = float(variance[good].mean())
    by_chance = 2 * middle**2 / degrees
    scatter = float(variance[good].var())
    own = max(0.0, 1 - by_chance / scatter) if scatter else 0.0
    return np.sqrt(np.where(good, middle + own * (variance - middle), variance))
