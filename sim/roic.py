"""The readout chip and its ADC as numbers: what the two samples of every pixel are when the detector sees a scene.

    scene (codes) -> [ reset level + column pattern + reset noise ] -> reset and signal sample -> gateware (hdl.cds)

The reset level of a pixel in a frame is the same in both samples, as it is in a pixel that is not reset between them:
correlated double sampling removes it exactly, a single sample shows it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.mosaic import Mosaic
from edgeray.protocol.registers import Polarity

SAMPLES = 2
RESET, SIGNAL = range(SAMPLES)


@dataclass(frozen=True, kw_only=True)
class Roic:
    """A readout chip with an ADC of `sample_bits` bits; F = 2**sample_bits - 1 is its full scale.

    Parameters
    ----------
    sample_bits : bits of a sample.
    polarity : RESET_MINUS_SIGNAL where charge lowers the output; levels then count down from F.
    reset_level : mean of the reset sample, codes; None stands for F / 32.
    column_pattern : standard deviation of the fixed offset of a column, codes; None stands for F / 256.
    reset_noise : standard deviation of the reset level of one pixel from frame to frame, codes; None: F / 1024.
    seed : of pattern and noise; the same seed gives the same samples.
    """

    sample_bits: int
    polarity: Polarity = Polarity.SIGNAL_MINUS_RESET
    reset_level: float | None = None
    column_pattern: float | None = None
    reset_noise: float | None = None
    seed: int = 0

    @property
    def full_scale(self) -> int:
        return (1 << self.sample_bits) - 1

    def samples(self, scenes: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Samples uint16[n, 2, rows, columns] of `scenes`, uint16[n, rows, columns], both in codes.

        [:, 0] are the reset samples (1 to F - 1: the reset level itself never rails), [:, 1] the signal samples:
        reset plus scene, clipped at F (with RESET_MINUS_SIGNAL minus scene, clipped at 0).

        Raises ValueError for another shape or type.
        """
        if scenes.ndim != 3 or scenes.dtype != np.uint16:
            raise ValueError(f"scenes are uint16[n, rows, columns], not {scenes.dtype}{list(scenes.shape)}")
        full, (count, rows, columns) = self.full_scale, scenes.shape
        pattern = np.random.default_rng(self.seed).normal(0, _or(self.column_pattern, full / 256), columns)
        base = _or(self.reset_level, full / 32) + pattern
        samples = np.empty((count, SAMPLES, rows, columns), np.uint16)
        for frame in range(count):
            # A generator of its own for every frame: a frame's noise does not depend on how many come before it.
            random = np.random.default_rng((self.seed, frame))
            level = base + random.normal(0, _or(self.reset_noise, full / 1024), (rows, columns))
            reset = np.clip(np.rint(level), 1, full - 1).astype(np.int64)
            signal = np.minimum(reset + scenes[frame], full)
            samples[frame] = reset, signal
        return samples if self.polarity == Polarity.SIGNAL_MINUS_RESET else np.uint16(full) - samples

    def scan(self, mosaic: Mosaic, codes: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """`samples` of every window of an image, uint16[rows, columns] in codes, that is larger than the detector."""
        return self.samples(np.stack([window.astype(np.uint16) for window in mosaic.cut(codes)]))


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
