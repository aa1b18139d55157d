"""Flat frames: how much of a uniform exposure every pixel shows, and which ones show too little or too much.

board, beam on and nothing in it; dark -> raw frames -> [measure_flat] -> response, dead and wrong pixels
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeray.calibration.dark import AT_RAIL, CLIPPED, NIMAGES, Dark, check_images, check_rails, measure_raw
from edgeray.calibration.errors import CalibrationError, ClippedError
from edgeray.calibration.mask import imaging_area
from edgeray.calibration.provenance import Provenance, check_conditions, checksum, settings_text
from edgeray.calibration.statistics import Floats, Mask, robust
from edgeray.consumer import Consumer
from edgeray.protocol.registers import CORRECTION_ENTRY, GAIN_FRACTION_BITS
from edgeray.series import FrameKind

if TYPE_CHECKING:
    from edgeray.device import Device

DEAD, UNDER, OVER = 0.1, 0.5, 2.0
"""Responses under (over) which a pixel is dead, under-responding, over-responding; 1 is the median pixel's."""
LARGEST_GAIN = CORRECTION_ENTRY["gain"].maximum / (1 << GAIN_FRACTION_BITS)
FULL = 0.25
"""Part of the variance that photons add to a signal, under which a pixel is full: at a rail, or its capacitor."""
WEAKEST = 0.1
"""Relative error of a response from which an exposure is too weak to tell a dead pixel."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Flat:
    """What the array shows under a uniform exposure.

    mean, noise : float64[rows, columns], codes: mean, and standard deviation from frame to frame, dark included.
    response : float64[rows, columns]: mean less dark, in units of its mean over the good imaging pixels; 1 in the guard
        ring and in dead pixels.
    dead, under, over : bool[rows, columns]: imaging pixels that respond less than DEAD, from there to `least`, and more
        than `most`; in units of the median. `over` holds those at full scale, too, and those that are full and so
        fluctuate less than FULL of what their signal should make them.
    least, most : responses that are corrected, not masked.
    level : what response 1 is, codes over dark.
    response_error : standard error of a response, median over the pixels.
    non_uniformity : standard deviation of the good pixels' responses.
    codes_per_quantum, quantum_error : variance that the exposure adds, over its signal: codes that a quantum, an
        absorbed photon with its spread, gives (J. R. Janesick, Photon Transfer, 2007); one standard deviation.
    drift, railed, step, phase : see `Dark`.
    """

    mean: Floats
    noise: Floats
    response: Floats
    dead: Mask
    under: Mask
    over: Mask
    least: float
    most: float
    level: float
    response_error: float
    non_uniformity: float
    codes_per_quantum: float
    quantum_error: float
    drift: float
    railed: int
    step: int
    phase: int
    provenance: Provenance

    @property
    def gain(self) -> Floats:
        """float64[rows, columns]: what the pixels are multiplied with, 1 / response, where a correction holds it."""
        return np.minimum(1 / self.response, LARGEST_GAIN)


def measure_flat(
    device: "Device",
    dark: Dark,
    nimages: int = NIMAGES,
    *,
    least: float = UNDER,
    most: float = OVER,
    consumers: Sequence[Consumer] = (),
) -> Flat:
    """Capture `nimages` raw frames of a uniform exposure and compare the pixels' responses.

    Settings stay as they are but for raw readout without correction, and have to be those of `dark`. `consumers` follow
    the series, see `Device.capture`.

    Raises CalibrationMismatch where they are not; ClippedError where pixels are at full scale; CalibrationError where
    the exposure is too weak, for limits out of order, or fewer than LEAST_IMAGES frames; DataIncomplete where too many
    frames were lost; as `Device.capture`.
    """
    detector = device.detector
    check_images(nimages)
    if not 1 / LARGEST_GAIN < least < 1 < most:
        raise CalibrationError(
            f"the least response that is corrected lies between {1 / LARGEST_GAIN:.3f} (a gain of {LARGEST_GAIN:.2f}, "
            f"the largest there is) and 1, the greatest over 1; not {least:g} and {most:g}"
        )
    check_conditions(dark.provenance.settings, settings_text(device), detector, "the dark of this calibration")
    moments, provenance, drift, railed = measure_raw(
        device, nimages, {"dark": checksum(dark)}, FrameKind.FLAT, consumers
    )
    imaging = imaging_area(detector)
    at_full = imaging & (moments.at_full > AT_RAIL * moments.count)
    if at_full[imaging].mean() > CLIPPED:
        raise ClippedError(
            f"{at_full[imaging].mean():.0%} of the exposed pixels are at full scale: lower the beam's current, or "
            "count_time or pga_gain and take the dark again"
        )
    check_rails(railed, moments.count, detector)
    mean, noise = moments.mean, moments.noise
    signal = mean - dark.mean
    sound = imaging & ~dark.hot & ~dark.noisy
    middle, _ = robust(signal[sound])
    errors = np.sqrt(noise**2 / moments.count + dark.noise**2 / dark.provenance.nimages)
    error = float(np.median(errors[sound]))
    if middle <= 0 or error > WEAKEST * middle:
        raise CalibrationError(
            f"the exposure is too weak: pixels show {middle:.2f} codes over dark, known to {error:.2f}; take more "
            "frames or a stronger beam, or change cds_polarity where exposure lowers the pixels"
        )
    dead = imaging & (signal < DEAD * middle)
    under = imaging & ~dead & (signal < least * middle)
    added = noise**2 - dark.noise**2
    lit = sound & ~dead
    usual = float(np.median(added[lit] / signal[lit])) * signal
    full = ~dead & ~under & (usual > 4 * dark.noise**2) & (added < FULL * usual)
    over = imaging & ((signal > most * middle) | at_full | full)
    good = sound & ~dead & ~under & ~over
    level = float(signal[good].mean())
    response = np.where(imaging & ~dead, signal / level, 1.0)
    # A pixel's response scales its quanta, too.
    quanta = added[good] / (signal * response)[good]
    scatter = np.sqrt(2 * noise**4 / (moments.count - 1) + 2 * dark.noise**4 / (dark.provenance.nimages - 1))
    quantum_errors = scatter[good] / (signal * response)[good]
    return Flat(
        mean=mean,
        noise=noise,
        response=response,
        dead=dead,
        under=under,
        over=over,
        least=least,
        most=most,
        level=level,
        response_error=error / level,
        non_uniformity=float(response[good].std()),
        codes_per_quantum=float(quanta.mean()),
        quantum_error=float(np.sqrt((quantum_errors**2).mean() / good.sum())),
        drift=drift,
        railed=railed,
        step=moments.step,
        phase=moments.phase,
        provenance=provenance,
    )
