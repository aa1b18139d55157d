"""Series for the tests of files: a stream with METAs that say what its header says, and the frames in it."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.consumer import Consumer
from edgeray.decoder import Decoder, Frame
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import META, PacketType, meta_payload_size
from edgeray.protocol.registers import PROTOCOL_VERSION, ReadoutMode, register_map_hash
from edgeray.protocol.settings import Settings
from edgeray.series import SeriesHeader
from edgeray.splitter import Splitter
from tests.host_streams import board_packet, frame_packets, responses

DETECTOR = Detector(rows=16, columns=8)
SETTINGS = Settings(edge_threshold=100, meta_period=4, count_time=12_000, frame_time=24_000, nimages=0)
TICK_RATE = 24_000_000
EPOCH = 1_700_000_000.0
SEED = 5


def header(settings: Settings = SETTINGS, detector: Detector = DETECTOR, **more: Any) -> SeriesHeader:
    said: dict[str, Any] = {
        "source": "socket://127.0.0.1:5000", "detector": detector, "settings": settings, "tick_rate": TICK_RATE,
        "protocol_version": PROTOCOL_VERSION, "register_map_hash": register_map_hash(), "nimages": settings.nimages,
        "epoch": EPOCH, "epoch_uncertainty": 0.001,
    }  # fmt: skip
    return SeriesHeader(**{**said, **more})


def meta(image_id: int, settings: Settings = SETTINGS, detector: Detector = DETECTOR, **more: int) -> bytes:
    """The META packet before frame `image_id`, which began after as many `frame_time`s and a thousand ticks."""
    values = {one.name: 0 for one in META}
    for one in META:
        for holder in (settings, detector):
            if hasattr(holder, one.name):
                values[one.name] = int(getattr(holder, one.name))
    values |= {"tick_rate": TICK_RATE, "register_map_hash": register_map_hash(), "image_id": image_id}
    values |= {"timestamp": 1000 + image_id * settings.frame_time, "kernel_shift": settings.kernel.shift, **more}
    weights = np.array(settings.kernel.flat, np.int8).tobytes()
    payload = (META.pack(values) + weights).ljust(meta_payload_size(detector.kernel_size), b"\0")
    return board_packet(PacketType.META, image_id, payload)


def stream(
    count: int, *, settings: Settings = SETTINGS, detector: Detector = DETECTOR, first: int = 0,
    gone: Collection[int] = (), cut: Collection[int] = (), audits: Collection[int] = (),
    without_meta: Collection[int] = (),
) -> bytes:  # fmt: skip
    """Bytes of `count` frames from number `first` on.

    gone : numbers of frames that are not there; cut : of those that lack their first packet; audits : of those that
    carry pixels; without_meta : of those whose META is lost.
    """
    rng, packets = np.random.default_rng([SEED, first]), []
    raw = settings.readout_mode == ReadoutMode.RAW
    shape = settings.frame_shape(detector)
    for image_id in range(first, first + count):
        if image_id % settings.meta_period == 0 and image_id not in without_meta:
            packets.append(meta(image_id, settings, detector, dropped=sum(each < image_id for each in gone)))
        values: Any = responses(rng, detector, 0.2, shape=shape, threshold=settings.edge_threshold)
        pixels = rng.integers(0, detector.full_scale, (detector.rows, detector.columns))
        sent = frame_packets(
            detector, image_id, pixels if raw else values, raw=raw, threshold=settings.edge_threshold,
            log2_rows=3, more=image_id in audits,
        )  # fmt: skip
        if image_id in audits:
            sent += frame_packets(detector, image_id, pixels, raw=True, log2_rows=3)
        if image_id not in gone:
            packets += sent[1:] if image_id in cut else sent
    return b"".join(packets)


def frames_in(octets: bytes) -> list[Frame]:
    splitter, decoder = Splitter(), Decoder()
    return decoder.accept_all(splitter.feed(octets) + splitter.finish()) + decoder.flush()


def ledger_of(frames: Sequence[Frame], triggered: int | None = None) -> Ledger:
    """A confirmed ledger of these frames."""
    last = frames[-1].image_id + 1 if frames else 0
    incomplete = sum(not frame.complete for frame in frames)
    return Ledger(
        triggered=last if triggered is None else triggered, received=len(frames), incomplete=incomplete, confirmed=True
    )


def write(writer: Consumer, frames: Sequence[Frame], *, about: SeriesHeader | None = None, step: int = 7) -> None:
    """A whole series, `step` frames at a time."""
    writer.begin(about or header())
    for start in range(0, len(frames), step):
        writer.take(frames[start : start + step])
    writer.end(ledger_of(frames))


def stack(frames: Sequence[Frame]) -> npt.NDArray[np.int16]:
    return np.stack([frame.values for frame in frames])


class Collected(Consumer):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.ledgers: list[Ledger] = []

    def begin(self, about: SeriesHeader) -> None:
        self.header = about

    def take(self, frames: Sequence[Frame]) -> None:
        self.frames += frames

    def end(self, ledger: Ledger) -> None:
        self.ledgers.append(ledger)
