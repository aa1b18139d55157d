"""META packets: what a frame's numbers mean, as a typed record."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import SHIFT_MAX
from edgeray.protocol.packets import META, meta_payload_size
from edgeray.protocol.registers import Convolution, Polarity, ReadoutMode, SampleSource, ThresholdMode


@dataclass(frozen=True, eq=False, slots=True)
class Coding:
    """How packets of one kind hold the rows of a frame; the terms are those of `edgeray.protocol.code`.

    rows, columns : of the frame.
    sample_bits : of a pixel; a kernel response has a sign bit more.
    raw : pixels, else kernel responses.
    threshold, positive : T, and whether no symbol carries a sign.
    all_kept : every value was kept, also where it is 0.

    METAs that differ in numbers alone share one, so that it is its own key where packets are sorted by it.
    """

    rows: int
    columns: int
    sample_bits: int
    raw: bool = True
    threshold: int = 1
    positive: bool = False
    all_kept: bool = True


@dataclass(frozen=True)
class Meta:
    """Fields of `edgeray.protocol.packets.META` (units there), and the kernel's weights row by row.

    It describes the frames from number `image_id` on; the counters (`dropped` and after) are those before that frame.
    """

    columns: int
    rows: int
    guard_ring: int
    kernel_size: int
    sample_bits: int
    convolution: Convolution
    sample_source: SampleSource
    readout_mode: ReadoutMode
    threshold_mode: ThresholdMode
    edge_threshold: int
    kernel_shift: int
    stride: int
    pga_gain: int
    pga_offset: int
    cds_enabled: bool
    cds_polarity: Polarity
    correction_enabled: bool
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
        if len(payload) < _SIZE:
            raise ValueError(f"META: {len(payload)} bytes are fewer than {_SIZE}")
        word = int.from_bytes(payload[:_SIZE], "little")
        # From one META of a series to the next only numbers change: what the settings imply is worked out once.
        settings = _settings(word & _SETTINGS, payload[_SIZE:])
        meta: Meta = object.__new__(cls)
        meta.__dict__.update(settings.__dict__)
        meta.__dict__.update({name: word >> shift & mask for name, shift, mask in _NUMBERS})
        return meta

    def as_dict(self) -> dict[str, Any]:
        """Field name -> value, in the order of the wire."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def kernel(self) -> npt.NDArray[np.int8]:
        """Weights as int8[kernel_size, kernel_size]."""
        return np.array(self.kernel_weights, np.int8).reshape(self.kernel_size, self.kernel_size)

    @cached_property
    def detector(self) -> Detector:
        """The pixel array."""
        return Detector(
            rows=self.rows,
            columns=self.columns,
            guard_ring=self.guard_ring,
            sample_bits=self.sample_bits,
            kernel_size=self.kernel_size,
            convolution=self.convolution,
        )

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the frames."""
        return self.raw_shape if self.readout_mode == ReadoutMode.RAW else self.detector.frame_shape(self.stride)

    @property
    def raw_shape(self) -> tuple[int, int]:
        """(rows, columns) of pixels: those of raw readout, and of audit frames."""
        return self.rows, self.columns

    @cached_property
    def edge_coding(self) -> Coding | None:
        """Of EDGE and EDGE_STORED packets; None in raw readout, which has none."""
        if self.readout_mode == ReadoutMode.RAW:
            return None
        off = self.threshold_mode == ThresholdMode.OFF
        positive = self.threshold_mode == ThresholdMode.POSITIVE
        threshold = 1 if off else self.edge_threshold
        return Coding(*self.shape, self.sample_bits, raw=False, threshold=threshold, positive=positive, all_kept=off)

    @cached_property
    def raw_coding(self) -> Coding:
        """Of RAW and RAW_STORED packets."""
        return Coding(*self.raw_shape, self.sample_bits)


_SIZE = META.size
_NUMBERS = tuple(
    (name, META.offset(name), META[name].maximum)
    for name in ("image_id", "timestamp", "dropped", "railed", "pga_saturated", "correction_saturated",
                 "convolution_saturated")
)  # fmt: skip
"""(name, shift, mask) of the fields that differ from one META of a series to the next; all unsigned."""
_SETTINGS = ((1 << META.bits) - 1) & ~sum(mask << shift for _, shift, mask in _NUMBERS)
_KINDS: dict[str, Callable[[int], int]] = {
    "convolution": Convolution,
    "sample_source": SampleSource,
    "readout_mode": ReadoutMode,
    "threshold_mode": ThresholdMode,
    "cds_enabled": bool,
    "cds_polarity": Polarity,
    "correction_enabled": bool,
}


@lru_cache(maxsize=8)
def _settings(word: int, weights: bytes) -> Meta:
    """The record of a META that holds `word`, with 0 for `_NUMBERS`, and then `weights`. ValueError as for `unpack`."""
    values: dict[str, Any] = META.unpack(word.to_bytes(_SIZE, "little"))
    size = values["kernel_size"]
    if _SIZE + len(weights) != meta_payload_size(size):
        raise ValueError(f"META: {len(weights)} bytes of weights do not fit a kernel of {size}x{size}")
    for name, kind in _KINDS.items():
        values[name] = kind(values[name])
    kernel = np.frombuffer(weights, np.int8, size * size)
    meta = Meta(**values, kernel_weights=tuple(kernel.tolist()))
    if meta.edge_threshold < 1:
        raise ValueError("META: edge_threshold takes 1 or more, not 0")
    if meta.kernel_shift > SHIFT_MAX:
        raise ValueError(f"META: kernel_shift takes 0 to {SHIFT_MAX}, not {meta.kernel_shift}")
    # A detector or a stride that cannot be raises here; all METAs of a series then share what follows from them.
    _ = meta.detector, meta.shape, meta.edge_coding, meta.raw_coding
    return meta
