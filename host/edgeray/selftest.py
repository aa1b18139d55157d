"""Self-test: the board shows the pattern that it makes itself, and every pixel and kernel response is compared.

sample_source PATTERN -> raw frames = `edgeray.protocol.pattern`?, frames of edges = `edges` of it? -> SelfTest
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeray.decoder import Frame
from edgeray.edges import edges
from edgeray.ledger import Ledger
from edgeray.payload import Kept, Values
from edgeray.protocol.pattern import LEVEL_BITS, pattern_pixels
from edgeray.protocol.registers import ReadoutMode, SampleSource
from edgeray.protocol.settings import Settings

if TYPE_CHECKING:
    from edgeray.device import Device

FRAMES = 1 << LEVEL_BITS
"""Frames of a mode, unless told otherwise: every pixel shows every level."""
SHOWN = 10
"""Wrong values that are kept one by one; all are counted."""


class Wrong(NamedTuple):
    """One value that is not what the pattern gives; 0 stands for not kept."""

    readout_mode: str
    image_id: int
    row: int
    column: int
    sent: int
    right: int


@dataclass
class SelfTest:
    """What a self-test found.

    frames : frames compared, raw and of edges.
    values : pixels and kernel responses compared.
    wrong : of these, those that were not what they should be.
    first : the first of them.
    ledgers : of the two series, in the order of ReadoutMode's names EDGE, RAW.
    """

    frames: int = 0
    values: int = 0
    wrong: int = 0
    first: list[Wrong] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """All frames arrived whole."""
        return bool(self.frames) and all(one.complete for one in self.ledgers)

    def take(self, frame: Frame) -> None:
        """Compare a frame, where it is whole."""
        if not frame.complete:
            return
        right, kept = expected(frame)
        wrong = np.argwhere((right != frame.values) | (kept != frame.kept)).tolist()
        self.frames += 1
        self.values += right.size
        self.wrong += len(wrong)
        mode = ReadoutMode(frame.meta.readout_mode).name
        self.first += [
            Wrong(mode, frame.image_id, row, column, int(frame.values[row, column]), int(right[row, column]))
            for row, column in wrong[: SHOWN - len(self.first)]
        ]

    def __str__(self) -> str:
        found = f"{self.wrong} are wrong" if self.wrong else "all are right"
        lines = [f"{self.frames} frames of the pattern, {self.values} values compared: {found}"]
        lines += [
            f"{one.readout_mode} frame {one.image_id}, row {one.row}, column {one.column}: "
            f"sent {one.sent}, {one.right} is right"
            for one in self.first
        ]
        if self.wrong > len(self.first):
            lines.append("...")
        return "\n".join(lines)


def expected(frame: Frame) -> tuple[Values, Kept]:
    """Values and which of them are sent, of the frame with this number and these settings."""
    pixels = pattern_pixels(frame.meta.detector, frame.image_id)
    if frame.meta.readout_mode == ReadoutMode.RAW:
        return pixels.astype(np.int16), np.ones(pixels.shape, np.bool_)
    return edges(pixels, frame.meta)


def selftest(device: "Device", nimages: int = FRAMES) -> SelfTest:
    """Let the board make `nimages` frames of edges and as many raw ones of its pattern, and compare them.

    Neither detector nor ADC nor upload is needed. The board has its settings again afterwards.

    Raises what `Device.capture` raises.
    """
    found = SelfTest()
    with device.keeping_settings():
        for mode in ReadoutMode:
            device.configure(Settings(sample_source=SampleSource.PATTERN, readout_mode=mode))
            with device.capture(nimages) as frames:
                for frame in frames:
                    found.take(frame)
            found.ledgers.append(frames.ledger)
    return found
