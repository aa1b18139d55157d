"""Calibrations without a board: steps made of maps that a test puts in."""

import dataclasses
from typing import Any

import numpy as np

from edgeray import settings_file
from edgeray.calibration import Calibration, Dark, Flat, Provenance
from edgeray.calibration.provenance import checksum
from edgeray.calibration.statistics import Floats
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.settings import Settings

TICK_RATE = 24_000_000


def provenance(detector: Detector, frames: int = 400, settings: Settings | None = None, **parents: str) -> Provenance:
    """Of a series that arrived whole."""
    return Provenance(
        source="socket://127.0.0.1:1",
        settings=settings_file.text(settings or Settings(), detector, TICK_RATE),
        nimages=frames,
        ledger=Ledger(triggered=frames, received=frames, confirmed=True),
        parents=parents,
    )


def dark(detector: Detector, mean: Floats, noise: Floats, **changes: Any) -> Dark:
    """Without hot or noisy pixels but for `changes`."""
    none = np.zeros(mean.shape, np.bool_)
    made = Dark(
        mean=mean, noise=noise, hot=none, noisy=none, outlier=6.0, pedestal=10, column_pattern=0.0, row_pattern=0.0,
        drift=0.0, railed=0, step=1, phase=0, provenance=provenance(detector),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def flat(detector: Detector, base: Dark, response: Floats, level: float, noise: Floats, **changes: Any) -> Flat:
    """Without bad pixels but for `changes`."""
    none = np.zeros(response.shape, np.bool_)
    made = Flat(
        mean=base.mean + response * level, noise=noise, response=response, dead=none, under=none, over=none, least=0.5,
        most=2.0, level=level, response_error=0.0, non_uniformity=0.0, codes_per_quantum=1.0, quantum_error=0.0,
        drift=0.0, railed=0, step=1, phase=0, provenance=provenance(detector, dark=checksum(base)),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def calibration(detector: Detector, seed: int) -> Calibration:
    """Offsets, noise and gains that differ from pixel to pixel."""
    random = np.random.default_rng(seed)
    shape = (detector.rows, detector.columns)
    base = dark(detector, random.uniform(30, 60, shape), random.uniform(0.8, 1.2, shape))
    response = random.uniform(0.85, 1.15, shape)
    exposed = flat(detector, base, response, 1000.0, random.uniform(20, 30, shape))
    return Calibration(detector=detector).with_dark(base).with_flat(exposed)
