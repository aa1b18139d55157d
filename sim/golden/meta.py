"""Golden model of META: the payload that says what the frames behind it are."""

from dataclasses import dataclass

import numpy as np

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import META, meta_payload_size
from edgeray.protocol.registers import BY_NAME, register_map_hash
from edgeray.protocol.settings import Settings

COUNTER_MAXIMUM = BY_NAME["railed"].maximum


@dataclass(frozen=True)
class Counters:
    """Counters of a series, in pixels, since it was armed; they stay at COUNTER_MAXIMUM."""

    railed: int = 0
    pga_saturated: int = 0
    correction_saturated: int = 0
    convolution_saturated: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        sums = {name: min(value + getattr(other, name), COUNTER_MAXIMUM) for name, value in vars(self).items()}
        return Counters(**sums)


def payload(
    *,
    detector: Detector,
    settings: Settings,
    image_id: int,
    timestamp: int,
    tick_rate: int,
    counters: Counters,
    dropped: int = 0,
) -> bytes:
    """META before frame `image_id`.

    Parameters
    ----------
    timestamp : ticks at the start of that frame, from reset of the board.
    tick_rate : ticks a second.
    counters, dropped : at the start of that frame.

    Raises ValueError where a value does not fit its field, or the kernel not the detector.
    """
    kernel = settings.kernel.padded(detector.kernel_size)
    fields = {
        "columns": detector.columns,
        "rows": detector.rows,
        "guard_ring": detector.guard_ring,
        "kernel_size": detector.kernel_size,
        "sample_bits": detector.sample_bits,
        "convolution": detector.convolution,
        "sample_source": settings.sample_source,
        "readout_mode": settings.readout_mode,
        "threshold_mode": settings.threshold_mode,
        "edge_threshold": settings.edge_threshold,
        "kernel_shift": kernel.shift,
        "stride": settings.stride,
        "pga_gain": settings.pga_gain,
        "cds_enabled": settings.cds_enabled,
        "cds_polarity": settings.cds_polarity,
        "correction_enabled": settings.correction_enabled,
        "pga_offset": settings.pga_offset,
        "image_id": image_id,
        "timestamp": timestamp,
        "tick_rate": tick_rate,
        "register_map_hash": register_map_hash(),
        "count_time": settings.count_time,
        "frame_time": settings.frame_time,
        "dropped": dropped,
        **vars(counters),
    }
    weights = np.array(kernel.flat, np.int8).tobytes()
    return (META.pack(fields) + weights).ljust(meta_payload_size(detector.kernel_size), b"\0")
