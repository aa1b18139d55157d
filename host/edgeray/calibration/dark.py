"""Dark frames: what every pixel shows without X-rays, how much it fluctuates, and which ones are out of line.

board, beam off -> raw frames -> [measure_dark] -> offset, noise, hot and noisy pixels
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeray.calibration.errors import CalibrationError, ClippedError
from edgeray.calibration.mask import imaging_area
from edgeray.calibration.provenance import Provenance, expose
from edgeray.calibration.statistics import Floats, Mask, Moments, pattern, robust
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import BY_NAME, Convolution, ReadoutMode
from edgeray.series import FrameKind

if TYPE_CHECKING:
    from edgeray.device import Device

NIMAGES = 500
"""Frames of a series, unless told otherwise: the noise of each pixel is then known to 3 %, its mean to 4 % of that."""
LEAST_IMAGES = 16
OUTLIER = 6.0
"""Robust standard deviations over the median from which a pixel is hot or noisy: none in 1e9 of a Gaussian."""
LEAST_OFFSET, LEAST_NOISE = 1.0, 0.5
"""Codes under which no pixel is called hot (noisy), however little the others scatter."""
AT_RAIL = 1e-3
"""Part of its frames at a rail from which a pixel's mean and noise are not trusted."""
CLIPPED = 0.01
"""Part of the imaging pixels that may be so."""
NOISIEST = 0.05
"""Noise, as part of full scale, of what is no dark any more."""
RAW = {"readout_mode": ReadoutMode.RAW, "correction_enabled": False, "audit_period": 0}
"""Settings of every series of pixels as the array gives them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dark:
    """What the array shows without X-rays.

    mean, noise : float64[rows, columns], codes: mean, and standard deviation from frame to frame.
    hot : bool[rows, columns]: imaging pixels whose mean, without what its row and column share, is `outlier` robust
        standard deviations over the median of all.
    noisy : bool[rows, columns]: those whose noise is, or that were at a rail.
    outlier : see OUTLIER.
    pedestal : codes that the corrected pixels show without X-rays, so that their noise is not cut off at 0.
    column_pattern, row_pattern : rms of what columns (rows) share, codes.
    drift : mean of the last quarter of the frames less that of the first, median over the pixels, codes.
    railed : pixels of the series with a sample at a rail of the ADC, 65535 or more counted as such.
    step, phase : of the pixels' values, see `Moments`.
    """

    mean: Floats
    noise: Floats
    hot: Mask
    noisy: Mask
    outlier: float
    pedestal: int
    column_pattern: float
    row_pattern: float
    drift: float
    railed: int
    step: int
    phase: int
    provenance: Provenance


def measure_dark(
    device: "Device",
    nimages: int = NIMAGES,
    *,
    outlier: float = OUTLIER,
    pedestal: int | None = None,
    consumers: Sequence[Consumer] = (),
) -> Dark:
    """Capture `nimages` raw frames and find what the pixels show without X-rays; the beam has to be off.

    Settings stay as they are but for raw readout without correction.

    Parameters
    ----------
    outlier : see OUTLIER.
    pedestal : see `Dark`; by default 6 times the noise of all but the noisiest hundredth of the pixels, and half of
        full scale where the sensor convolves.
    consumers : who follow the series, see `Device.capture`.

    Raises ClippedError where pixels are cut off at 0 or full scale; CalibrationError for fewer than LEAST_IMAGES
    frames, a pedestal that is no code, or noise that is no dark's; DataIncomplete where too many frames were lost; as
    `Device.capture`.
    """
    detector = device.detector
    check_images(nimages)
    moments, provenance, drift, railed = measure_raw(device, nimages, {}, FrameKind.DARK, consumers)
    imaging = imaging_area(detector)
    at_rail = AT_RAIL * moments.count
    at_zero, at_full = moments.at_zero > at_rail, moments.at_full > at_rail
    noise = moments.noise
    settings = {name: device.setting(name) for name in ("pga_offset", "pga_gain")}
    if at_zero[imaging].mean() > CLIPPED:
        more = max(math.ceil(8 * float(np.median(noise[imaging]))), (detector.full_scale + 1) >> 6)
        raise ClippedError(
            f"{at_zero[imaging].mean():.0%} of the dark pixels are cut off at 0, so that neither their mean nor their "
            f"noise can be seen: raise pga_offset, which is {settings['pga_offset']}, to "
            f"{settings['pga_offset'] + more} or more, or change cds_polarity where exposure darkens the pixels"
        )
    if at_full[imaging].mean() > CLIPPED:
        raise ClippedError(
            f"{at_full[imaging].mean():.0%} of the dark pixels are at full scale: lower count_time, pga_gain "
            f"({settings['pga_gain']}) or pga_offset ({settings['pga_offset']}), and see that the beam is off"
        )
    check_rails(railed, moments.count, detector)
    columns, rows, rest = pattern(moments.mean, imaging & ~at_full & ~at_zero)
    _, spread = robust(rest[imaging])
    middle, noise_spread = robust(noise[imaging])
    hot = imaging & ((rest > max(outlier * spread, LEAST_OFFSET)) | at_full)
    noisy = imaging & ((noise - middle > max(outlier * noise_spread, LEAST_NOISE)) | at_zero)
    if middle > NOISIEST * detector.full_scale:
        raise CalibrationError(
            f"the pixels fluctuate by {middle:.0f} codes from frame to frame, which is no dark: see that the beam is "
            "off and nothing moves"
        )
    if pedestal is None:
        pedestal = default_pedestal(detector, noise[imaging])
    if not 0 <= pedestal < detector.full_scale:
        raise CalibrationError(f"a pedestal takes 0 to {detector.full_scale - 1} codes, not {pedestal}")
    return Dark(
        mean=moments.mean,
        noise=noise,
        hot=hot,
        noisy=noisy,
        outlier=outlier,
        pedestal=pedestal,
        column_pattern=float(np.sqrt(np.mean(columns[imaging.any(axis=0)] ** 2))),
        row_pattern=float(np.sqrt(np.mean(rows[imaging.any(axis=1)] ** 2))),
        drift=drift,
        railed=railed,
        step=moments.step,
        phase=moments.phase,
        provenance=provenance,
    )


def default_pedestal(detector: Detector, noise: Floats) -> int:
    """Codes that keep dark pixels off 0, or where the sensor convolves the code that stands for no response."""
    if detector.convolution is Convolution.SENSOR:
        return 1 << (detector.sample_bits - 1)
    return math.ceil(6 * float(np.quantile(noise, 0.99)))


def check_images(nimages: int) -> None:
    """Raises CalibrationError for too few frames."""
    if nimages < LEAST_IMAGES:
        raise CalibrationError(f"a noise takes {LEAST_IMAGES} frames or more, not {nimages}")


def check_rails(railed: int, frames: int, detector: Detector) -> None:
    """Raises ClippedError where the ADC was at a rail in too many of the pixels of a series."""
    pixels = CLIPPED * frames * detector.imaging_rows * detector.imaging_columns
    # The counter stops at its largest value.
    if railed >= min(pixels, BY_NAME["railed"].maximum):
        raise ClippedError(
            f"{railed} or more pixels of the series had a sample at a rail of the ADC, which is no pixel's own value: "
            "lower the exposure (beam, count_time), or set the readout chip's reset level inside the ADC's range"
        )


def measure_raw(
    device: "Device", nimages: int, parents: dict[str, str], kind: FrameKind, consumers: Sequence[Consumer]
) -> tuple[Moments, Provenance, float, int]:
    """(moments, provenance, drift, railed) of `nimages` raw frames without correction; see `Dark` and `expose`.

    Raises CalibrationError where the frames are others, as in a recording.
    """
    detector = device.detector
    moments = Moments((detector.rows, detector.columns), detector.full_scale)
    ends = Moments((detector.rows, detector.columns), 0), Moments((detector.rows, detector.columns), 0)
    quarter = nimages // 4

    def take(frame: Frame) -> None:
        # A recording shows what it was recorded with, whatever is asked of it.
        if frame.meta.readout_mode != ReadoutMode.RAW or frame.meta.correction_enabled:
            raise CalibrationError(
                f"the frames of {device.url!r} are not raw pixels without correction, which a calibration is made of: "
                "record them with readout_mode=raw correction_enabled=off"
            )
        moments.take(frame.values)
        if frame.image_id < quarter:
            ends[0].take(frame.values)
        elif frame.image_id >= nimages - quarter:
            ends[1].take(frame.values)

    provenance = expose(device, nimages, RAW, take, parents, kind, consumers)
    drift = float(np.median((ends[1].mean - ends[0].mean)[imaging_area(detector)]))
    return moments, provenance, drift, device.read("railed")
