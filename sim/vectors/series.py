"""A series of frames out of the golden pipeline, packet by packet, with what each packet holds.

scene -> read_out -> [Series] -> packets and their rows -> Vector
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, META, OVERHEAD, SYNC, PacketType
from edgeray.protocol.registers import ReadoutMode
from edgeray.protocol.settings import Settings
from sim.golden.pipeline import Result, read_out
from sim.specification.scene import scene

TICK_RATE = 24_000_000
_FRAME_TICKS = 10_000


class FewRows(Detector):
    """A detector whose board puts no more than eight rows into a packet: frames of several small packets."""

    @property
    def log2_rows(self) -> int:
        return min(3, super().log2_rows)


@dataclass(frozen=True)
class Packet:
    """A packet as sent, and what a decoder finds in it.

    frame : its frame's place in the series.
    rows : of responses, or in an audit frame (`pixels`) of pixels; none in META.
    """

    data: bytes
    type: PacketType
    frame: int
    rows: range
    pixels: bool


@dataclass(frozen=True)
class Series:
    """What the golden pipeline made of a scene; `begins` is its time stamp, in ticks."""

    result: Result
    applied: bool = False
    begins: int = 1000

    @cached_property
    def packets(self) -> list[Packet]:
        """All packets, in order."""
        result, found = self.result, []
        last_id = result.first_image_id + len(result)
        stamps = {image_id: self.begins + image_id * _FRAME_TICKS for image_id in range(result.first_image_id, last_id)}
        raw_readout = result.settings.readout_mode == ReadoutMode.RAW
        for frame, data in enumerate(result.frames(stamps, tick_rate=TICK_RATE, applied=self.applied)):
            while data:
                header = HEADER.unpack(data[len(SYNC) :])
                one, data = data[: OVERHEAD + header["length"]], data[OVERHEAD + header["length"] :]
                kind = PacketType(header["type"])
                pixels = not raw_readout and kind in (PacketType.RAW, PacketType.RAW_STORED)
                height = len(result.pixels[0]) if pixels else len(result.responses[0])
                end = min(height, header["first_row"] + (1 << header["log2_rows"]))
                rows = range(0) if kind == PacketType.META else range(header["first_row"], end)
                found.append(Packet(one, kind, frame, rows, pixels))
        return found

    @property
    def meta(self) -> dict[str, object]:
        """Fields of the first META, and the weights."""
        first = next(packet for packet in self.packets if packet.type == PacketType.META)
        return described(first.data)

    def of(self, *frames: int) -> list[Packet]:
        """Packets of these frames, META included."""
        return [packet for packet in self.packets if packet.frame in frames]


def described(packet: bytes) -> dict[str, object]:
    """Fields of a META packet, and the weights."""
    payload = packet[OVERHEAD - 4 : -4]
    fields: dict[str, object] = dict(META.unpack(payload))
    size = META.unpack(payload)["kernel_size"] ** 2
    weights: npt.NDArray[np.int8] = np.frombuffer(payload, np.int8, size, META.size)
    return {**fields, "kernel_weights": weights.tolist()}


def series(
    detector: Detector,
    settings: Settings,
    *,
    seed: int,
    frames: int = 2,
    noise: int = 2,
    first_image_id: int = 0,
    generation: int = 1,
    applied: bool = False,
) -> Series:
    """Frames of the scene of that seed; `noise` is the scene's."""
    signal = scene(detector.rows, detector.columns, detector.sample_bits, seed=seed, noise=noise, frames=frames)
    return shown(signal, detector, settings, first_image_id=first_image_id, generation=generation, applied=applied)


def shown(
    signal: npt.ArrayLike,
    detector: Detector,
    settings: Settings,
    *,
    first_image_id: int = 0,
    generation: int = 1,
    applied: bool = False,
) -> Series:
    """Frames of these pixels, int[n, rows, columns]."""
    settings = replace(settings, cds_enabled=False)
    result = read_out(
        np.zeros_like(signal),
        signal,
        detector=detector,
        settings=settings,
        generation=generation,
        first_image_id=first_image_id,
    )
    return Series(result, applied)
