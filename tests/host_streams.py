"""Writes streams for the host's tests.

Values at fixed width are packed with Python integers, bit by bit; those in the entropy code come from the golden model.
Nothing is shared with the decoder but the layouts.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.decoder import Decoder, Frame
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, META, VERSION, PacketType, meta_payload_size, packet
from edgeray.protocol.registers import register_map_hash
from edgeray.splitter import Splitter
from sim.golden.code import code
from sim.golden.predict import residuals

SEED = 20240607
Array = npt.NDArray[Any]


def pack_values(values: Iterable[int], bits: int) -> bytes:
    word = count = 0
    for value in values:
        word |= (int(value) & ((1 << bits) - 1)) << (count * bits)
        count += 1
    return word.to_bytes(-(-count * bits // 8), "little")


def board_packet(kind: int, sequence: int, payload: bytes, **fields: int) -> bytes:
    header = {"generation": 0, "last": 0, "version": VERSION, "first_row": 0, "log2_rows": 0, **fields}
    return packet(HEADER.pack({**header, "type": kind, "sequence": sequence % 256, "length": len(payload)}), payload)


def meta_packet(detector: Detector, image_id: int, *, generation: int = 0, **more: int) -> bytes:
    """META of sliding edge readout with threshold 1 and weights from -4 on, unless told otherwise."""
    values = dict.fromkeys((one.name for one in META), 0)
    values |= {
        name: getattr(detector, name) for name in ("rows", "columns", "guard_ring", "kernel_size", "sample_bits")
    }
    values |= {"stride": 1, "edge_threshold": 1, "tick_rate": 24_000_000, "image_id": image_id & 0xFFFFFFFF}
    values |= {"register_map_hash": register_map_hash(), **more}
    weights = np.arange(detector.kernel_size**2, dtype=np.int8) - 4
    payload = (META.pack(values) + weights.tobytes()).ljust(meta_payload_size(detector.kernel_size), b"\0")
    return board_packet(PacketType.META, image_id, payload, generation=generation)


def frame_packets(
    detector: Detector, image_id: int, values: Array, *, raw: bool = False, stored: bool = False, threshold: int = 1,
    positive: bool = False, generation: int = 0, log2_rows: int | None = None, more: bool = False,
) -> list[bytes]:  # fmt: skip
    """EDGE packets, or RAW ones, of a frame; at fixed width where `stored`; none is the last where `more` follow."""
    packets, bits = [], detector.sample_bits
    exponent = detector.log2_rows if log2_rows is None else log2_rows
    step = 1 << exponent
    for first in range(0, len(values), step):
        part = values[first : first + step]
        if stored:
            payload = pack_values(part.ravel(), bits if raw else bits + 1)
        elif raw:
            payload = code(residuals(part, bits), sample_bits=bits, threshold=1)
        else:
            payload = code(part, sample_bits=bits, threshold=threshold, positive=positive)
        kinds = (PacketType.RAW, PacketType.RAW_STORED) if raw else (PacketType.EDGE, PacketType.EDGE_STORED)
        last = int(first + step >= len(values) and not more)
        fields = {"generation": generation, "last": last, "first_row": first, "log2_rows": exponent}
        packets.append(board_packet(kinds[stored], image_id, payload, **fields))
    return packets


def responses(
    rng: np.random.Generator, detector: Detector, density: float, *, shape: tuple[int, int] | None = None,
    threshold: int = 1, positive: bool = False,
) -> Array:  # fmt: skip
    """int64 of `shape` (the detector's by default): kernel responses, about `density` of them over the threshold."""
    size = (detector.rows, detector.columns) if shape is None else shape
    # Small and large ones, at the limits too.
    scale = rng.choice([0, 3, detector.full_scale], size)
    values = np.minimum(threshold + rng.integers(0, scale, endpoint=True), detector.full_scale)
    if not positive:
        values *= rng.choice([-1, 1], size)
    return np.where(rng.random(size) < density, values, 0)


def series(count: int, detector: Detector | None = None, *, log2_rows: int | None = None) -> list[bytes]:
    """Packets of a series: META, then `count` frames with a META before every fourth."""
    detector, packets = detector or Detector(), []
    rng = np.random.default_rng(SEED)
    for image_id in range(count):
        if image_id % 4 == 0:
            packets.append(meta_packet(detector, image_id))
        packets += frame_packets(detector, image_id, responses(rng, detector, 0.3), log2_rows=log2_rows)
    return packets


def decode(chunks: Iterable[bytes], *, plain: bool = False) -> tuple[list[Frame], Splitter, Decoder]:
    """Frames of a stream, packet by packet."""
    splitter, decoder, frames = Splitter(plain=plain), Decoder(plain=plain), []
    for chunk in chunks:
        for one in splitter.feed(chunk):
            frames += decoder.accept(one)
    for one in splitter.finish():
        frames += decoder.accept(one)
    return frames + decoder.flush(), splitter, decoder


def ids(frames: Sequence[Frame]) -> list[int]:
    return [frame.image_id for frame in frames]
