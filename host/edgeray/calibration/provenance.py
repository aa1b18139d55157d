"""Where a step of a calibration comes from: the series that it was made of, and whether it holds for other settings.

board -> [expose] -> frames -> a step's statistics; Provenance -> file
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeray import settings_file
from edgeray.calibration.errors import CalibrationMismatch
from edgeray.configuration import Configuration
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.errors import DataIncomplete
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.registers import Convolution, TriggerMode
from edgeray.series import FrameKind

if TYPE_CHECKING:
    from edgeray.device import Device

USABLE = 0.9
"""Part of the frames asked for that has to arrive whole."""
CONDITIONS = (
    "count_time", "row_settle_time", "column_settle_time", "sample_source", "cds_enabled", "cds_polarity", "pga_gain",
    "pga_offset",
)  # fmt: skip
"""Settings that a pixel without X-rays depends on; a calibration holds for theirs alone."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a step of a calibration was made of.

    date : ISO 8601, UTC.
    source : URL of the board, or the file.
    settings : of the board for the series, as a settings file (TOML).
    nimages : frames used.
    ledger : of the series.
    parents : step -> checksum of the steps that it builds on.
    version : of this library.
    """

    source: str
    settings: str = ""
    nimages: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    parents: dict[str, str] = field(default_factory=dict)
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    version: str = field(default_factory=lambda: metadata.version("edgeray"))

    @property
    def complete(self) -> bool:
        """Every frame of the series arrived whole (or there was none)."""
        return not self.nimages or self.ledger.complete


def expose(
    device: "Device",
    nimages: int,
    changes: Mapping[str, Any],
    take: Callable[[Frame], None],
    parents: Mapping[str, str],
    kind: FrameKind,
    consumers: Sequence[Consumer] = (),
) -> Provenance:
    """Capture `nimages` frames with the board's settings but for `changes`, and give the whole ones to `take`.

    A board that waits for triggers by software triggers itself. `consumers` follow the series, too, and are told that
    it is of `kind`. The board has its settings again afterwards.

    Raises DataIncomplete where fewer than USABLE of them arrived whole, and what `Device.capture` raises.
    """
    used = 0
    with device.keeping_settings():
        wanted = replace(device.settings, **changes)
        if wanted.trigger_mode == TriggerMode.SOFTWARE:
            wanted = replace(wanted, trigger_mode=TriggerMode.INTERNAL)
        device.configure(wanted)
        settings = settings_text(device)
        with device.capture(nimages, kind=kind, consumers=consumers) as frames:
            for frame in frames:
                if frame.complete:
                    take(frame)
                    used += 1
        ledger = frames.ledger
    if used < USABLE * nimages:
        raise DataIncomplete(
            f"only {used} of {nimages} frames arrived whole; a calibration wants {USABLE:.0%} of them: {ledger}"
        )
    return Provenance(source=device.url, settings=settings, nimages=used, ledger=ledger, parents=dict(parents))


def check_conditions(made: str, now: str, detector: Detector, what: str) -> None:
    """Raises CalibrationMismatch where `what`, made with the settings `made`, does not hold for the settings `now`.

    Both are settings files' texts. Where the sensor convolves, its bias voltages are a condition too.
    """
    names = (*CONDITIONS, "kernel") if detector.convolution is Convolution.SENSOR else CONDITIONS
    before, after = (_said(text, detector) for text in (made, now))
    different = [
        f"{name} {_shown(before[name])} (now {_shown(after[name])})"
        for name in names
        if not _same(before[name], after[name])
    ]
    if different:
        raise CalibrationMismatch(
            f"{what} was made with {', '.join(different)}: set the board as it was, or make a calibration for its "
            "settings"
        )


def settings_text(device: "Device") -> str:
    """The settings of a board, as a settings file."""
    return settings_file.text(device.settings, device.detector, device.tick_rate)


def checksum(step: Any) -> str:
    """SHA-256 of all that a step, a dataclass, holds, as hexadecimal digits."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if is_dataclass(value):
            value = {one.name: getattr(value, one.name) for one in fields(value)}
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, dict):
            for key in sorted(value):
                digest.update(f"{key}:".encode())
                add(value[key])
        elif isinstance(value, tuple):
            for one in value:
                add(one)
        else:
            # Enumerations and NumPy's numbers count as what they are in a file.
            plain = value if isinstance(value, str) else np.asarray(value).item()
            digest.update(f"{plain!r};".encode())

    add(step)
    return digest.hexdigest()


def _said(text: str, detector: Detector) -> dict[str, Any]:
    configuration: Configuration = settings_file.parse(text, detector, "the calibration's settings")
    return configuration.said


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, Kernel) and isinstance(other, Kernel):
        return one.weights == other.weights
    return bool(one == other)


def _shown(value: Any) -> str:
    return f"{value:g} s" if isinstance(value, float) else str(getattr(value, "name", value))
