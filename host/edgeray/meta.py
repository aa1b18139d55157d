"""META packets: what a frame's numbers mean, as a typed record."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.protocol.packets import META, meta_payload_size
from edgeray.protocol.registers import Polarity, ReadoutMode, ThresholdMode

MAX_SIDE = 4096
"""Rows or columns of the largest array; a META that claims more is malformed."""


@dataclass(frozen=True)
class Meta:
    """Fields of `edgeray.protocol.packets.META` (units there), and the kernel's weights row by row.

    It describes the frames from number `image_id` on; the counters (`dropped` and after) are those before that frame.
    """

    columns: int
    rows: int
    sample_bits: int
    kernel_size: int
    readout_mode: ReadoutMode
    threshold_mode: ThresholdMode
    edge_threshold: int
    kernel_shift: int
    stride: int
    pga_gain: int
    cds_enabled: bool
    cds_polarity: Polarity
    correction_enabled: bool
    pga_offset: int
    image_id: int
    timestamp: int
    tick_rate: int
    register_map_hash: int
    count_time: int
    frame_time: int
    dropped: int
    railed: int
    pga_saturated: int
    correction_saturated: int
    convolution_saturated: int
    kernel_weights: tuple[int, ...]

    @classmethod
    def unpack(cls, payload: bytes) -> "Meta":
        """The record in a META payload. ValueError where the payload contradicts itself or the limits of the format."""
        values: dict[str, Any] = dict(META.unpack(payload))
        size = values["kernel_size"]
        if size not in (3, 5) or len(payload) != meta_payload_size(size):
            raise ValueError(f"META: {len(payload)} bytes do not fit a kernel of {size}x{size}")
        if not (1 <= values["rows"] <= MAX_SIDE and 1 <= values["columns"] <= MAX_SIDE):
            raise ValueError(f"META: no frame has {values['rows']} rows of {values['columns']}")
        if not 8 <= values["sample_bits"] <= 14:
            raise ValueError(f"META: sample_bits takes 8 to 14, not {values['sample_bits']}")
        values["readout_mode"] = ReadoutMode(values["readout_mode"])
        values["threshold_mode"] = ThresholdMode(values["threshold_mode"])
        values["cds_polarity"] = Polarity(values["cds_polarity"])
        values["cds_enabled"] = bool(values["cds_enabled"])
        values["correction_enabled"] = bool(values["correction_enabled"])
        del values["reserved"]
        weights = np.frombuffer(payload, np.int8, size * size, META.size)
        return cls(**values, kernel_weights=tuple(weights.tolist()))

    def as_dict(self) -> dict[str, Any]:
        """Field name -> value, in the order of the wire."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def kernel(self) -> npt.NDArray[np.int8]:
        """Weights as int8[kernel_size, kernel_size]."""
        return np.array(self.kernel_weights, np.int8).reshape(self.kernel_size, self.kernel_size)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the frames."""
        return self.rows, self.columns

    @cached_property
    def value_bits(self) -> int:
        """Bits of one value in a frame's payload: an unsigned pixel or a signed kernel response."""
        return self.sample_bits + (self.readout_mode == ReadoutMode.EDGE)
