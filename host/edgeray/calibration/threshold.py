"""The threshold that noise stays under, predicted from the pixels' noise and checked on the board.

calibration, kernel -> [predict] -> threshold, rate of false edges
board, same exposure as the calibration's -> edge frames -> [check] -> rate measured, with its interval
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeray import settings_file
from edgeray.calibration.errors import CalibrationError
from edgeray.calibration.noise import Responses, responses, shrunk
from edgeray.calibration.provenance import Provenance, expose
from edgeray.calibration.statistics import interval, tail
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.registers import BY_NAME, Convolution, ReadoutMode, ThresholdMode
from edgeray.series import FrameKind

if TYPE_CHECKING:
    from edgeray.calibration.calibration import Calibration
    from edgeray.device import Device

SIGMAS = 5.0
COUNTED = 100
"""False edges that a check should see: it also looks at a lower threshold, where there are so many."""
NIMAGES = 1000
MODEL = 0.25
"""What a prediction may be off by, as part of it, beside the counts' own scatter: pixels' noise is known from a series,
and not quite a Gaussian."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """False edges over one threshold.

    predicted : rate, a kernel position and frame.
    count, trials : false edges seen, of so many positions and frames.
    low, high : 99 % interval of the rate measured.
    """

    threshold: int
    predicted: float
    count: int
    trials: int
    low: float
    high: float

    @property
    def measured(self) -> float:
        """Rate."""
        return self.count / self.trials

    @property
    def agrees(self) -> bool:
        """The prediction, give or take MODEL of it, lies in the interval."""
        return self.low <= self.predicted * (1 + MODEL) and self.predicted * (1 - MODEL) <= self.high


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold:
    """The threshold of one kernel.

    kernel, weights, shift : name, int64[n, n] and scale of the kernel.
    stride, positive : of the readout; whether only positive responses are edges.
    kind : DARK or FLAT: what noise it stays under.
    sigmas : as asked for.
    threshold : codes, the value for `edge_threshold`.
    noise : noise of a response, median over the positions, codes.
    largest_noise : the largest of them.
    predicted : rate of false edges, a position and frame, at `threshold`.
    checks : measured on a board, from the lowest threshold up; empty where it was not.
    provenance : of the check's series, else of the prediction.
    """

    kernel: str
    weights: npt.NDArray[np.int64]
    shift: int
    stride: int
    positive: bool
    kind: str
    sigmas: float
    threshold: int
    noise: float
    largest_noise: float
    predicted: float
    checks: tuple[Check, ...]
    provenance: Provenance

    @property
    def name(self) -> str:
        """What it is called in a calibration: its kernel's name, with `_flat` where it is for flat frames."""
        return self.kernel if self.kind == FrameKind.DARK.name else f"{self.kernel}_{self.kind.lower()}"

    @property
    def agrees(self) -> bool | None:
        """All checks agree; None where there is none."""
        return all(one.agrees for one in self.checks) if self.checks else None


def expected(calibration: "Calibration", kernel: Kernel, stride: int, kind: FrameKind) -> Responses:
    """Responses of `kernel` to the noise of dark (flat) frames that the calibration corrects.

    Raises CalibrationError where the calibration has no such frames.
    """
    step = calibration.flat if kind == FrameKind.FLAT else calibration.dark
    if step is None:
        raise CalibrationError(
            f"this calibration has no {kind.name.lower()}, whose noise the threshold is to be over: take one first"
        )
    table, detector = calibration.correction_table(), calibration.detector
    noise = shrunk(step.noise, calibration.good, step.provenance.nimages - 1)
    settings = settings_file.parse(step.provenance.settings, detector, "the calibration's settings")
    roundings = 2 if settings.cds_enabled else 1
    return responses(
        step.mean, noise, table, detector, kernel, stride, step=step.step, phase=step.phase, roundings=roundings
    )


def lowest(found: Responses, sigmas: float, *, positive: bool) -> int:
    """The threshold, codes: `sigmas` of the median response's noise, more where false edges would be too many for that.

    Pixels with more noise than the median, what is left of their differences and whole codes make more of them; it is
    raised until their mean rate is that of a Gaussian beyond so many standard deviations.

    Raises CalibrationError for sigmas that are not over 0, or where no threshold is high enough.
    """
    if not 0 < sigmas < np.inf:
        raise CalibrationError(f"a threshold takes sigmas over 0, not {sigmas:g}")
    mean = found.mean if positive else np.abs(found.mean)
    least = max(1, math.ceil(float(np.median(mean + sigmas * found.noise))))
    most = BY_NAME["edge_threshold"].maximum
    allowed = float(tail(sigmas)) * (1 if positive else 2)
    thresholds = range(least, most + 1)
    place = bisect_left(thresholds, True, key=lambda one: found.rate(one, positive=positive) <= allowed)
    if place == len(thresholds):
        raise CalibrationError(f"noise of {sigmas:g} sigma is over the largest threshold, {most} codes")
    return thresholds[place]


def predict(
    calibration: "Calibration",
    kernel: Kernel,
    *,
    sigmas: float = SIGMAS,
    stride: int = 1,
    positive: bool = False,
    kind: FrameKind = FrameKind.DARK,
) -> Threshold:
    """The threshold of `kernel` and what it lets through, from the calibration alone. Raises CalibrationError."""
    found = expected(calibration, kernel, stride, kind)
    return _threshold(calibration, found, kernel, sigmas, stride, positive, kind)


def _threshold(
    calibration: "Calibration",
    found: Responses,
    kernel: Kernel,
    sigmas: float,
    stride: int,
    positive: bool,
    kind: FrameKind,
) -> Threshold:
    threshold = lowest(found, sigmas, positive=positive)
    return Threshold(
        kernel=kernel.name,
        weights=kernel.array,
        shift=kernel.shift,
        stride=stride,
        positive=positive,
        kind=kind.name,
        sigmas=sigmas,
        threshold=threshold,
        noise=float(np.median(found.noise)),
        largest_noise=float(found.noise.max()),
        predicted=found.rate(threshold, positive=positive),
        checks=(),
        provenance=Provenance(source="calibration", parents=calibration.checksums),
    )


def measure_threshold(
    device: "Device",
    calibration: "Calibration",
    nimages: int = NIMAGES,
    *,
    kernel: Kernel | None = None,
    sigmas: float = SIGMAS,
    kind: FrameKind = FrameKind.DARK,
    consumers: Sequence[Consumer] = (),
) -> Threshold:
    """Predict the threshold for the board's stride and threshold mode, and count what passes it in `nimages` frames.

    The board gets the calibration's table and has to be exposed as for `kind`. It has its settings again afterwards.

    Parameters
    ----------
    kernel : None is the board's own. Of a sensor that convolves it is only the name.
    sigmas : see `lowest`.
    kind : DARK or FLAT: whose noise it is to stay under.
    consumers : who follow the series, see `Device.capture`.

    Raises CalibrationError, CalibrationMismatch as `Calibration.load_into`; DataIncomplete where too many frames were
    lost; as `Device.capture`.
    """
    settings = device.settings
    kernel = kernel or settings.kernel
    positive = settings.threshold_mode == ThresholdMode.POSITIVE
    found = expected(calibration, kernel, settings.stride, kind)
    result = _threshold(calibration, found, kernel, sigmas, settings.stride, positive, kind)
    enough = COUNTED / (nimages * found.positions)
    thresholds = range(1, result.threshold + 1)
    # So many thresholds have rates that are enough: the last of them.
    low = max(1, bisect_left(thresholds, True, key=lambda one: found.rate(one, positive=positive) < enough))
    counts: dict[int, list[int]] = {low: [], result.threshold: []}

    def take(frame: Frame) -> None:
        sizes = frame.values[frame.kept] if positive else np.abs(frame.values[frame.kept])
        for threshold, seen in counts.items():
            seen.append(int((sizes >= threshold).sum()))

    changes: dict[str, Any] = {
        "readout_mode": ReadoutMode.EDGE,
        "threshold_mode": ThresholdMode.POSITIVE if positive else ThresholdMode.ABSOLUTE,
        "edge_threshold": low,
        "correction_enabled": True,
        "audit_period": 0,
    }
    calibration.load_into(device)
    if calibration.detector.convolution is not Convolution.SENSOR:
        changes["kernel"] = kernel
    provenance = expose(device, nimages, changes, take, calibration.checksums, kind, consumers)
    checks = tuple(
        _check(threshold, found.rate(threshold, positive=positive), counts[threshold], found.positions)
        for threshold in sorted(counts)
    )
    return replace(result, checks=checks, provenance=provenance)


def _check(threshold: int, predicted: float, counts: list[int], positions: int) -> Check:
    """Neighbours under one kernel are over the threshold together: frames, not positions, are independent."""
    count, trials = sum(counts), len(counts) * positions
    dispersion = max(1.0, float(np.var(counts)) / (count / len(counts))) if count else 1.0
    low, high = interval(count, trials, dispersion)
    return Check(threshold=threshold, predicted=predicted, count=count, trials=trials, low=low, high=high)
