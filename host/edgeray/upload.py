"""Loads what a board keeps in memories: the samples that it shows in the place of its ADC's, its correction table.

uint16[rows, columns] twice -> WRITE_BLOCKs -> upload memory; CorrectionTable -> writes -> correction memory
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeray.channel import Channel, Command
from edgeray.errors import DeviceTimeout, UploadError
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import BLOCK_WORDS
from edgeray.protocol.registers import BY_NAME
from edgeray.protocol.settings import SettingError
from edgeray.replay_channel import ReplayChannel

CORRECTION_BLOCK = 256

_INDEX, _UPLOAD, _CORRECTION = (BY_NAME[name].address for name in ("table_index", "upload_data", "correction_data"))
_AnyChannel = Channel | ReplayChannel


class CorrectionEntries(Protocol):
    """What `Device.load_correction` takes: anything with the words of a correction table."""

    def entries(self) -> npt.NDArray[np.uint32]:
        """uint32[rows * columns], one `CORRECTION_ENTRY` a pixel in raster order."""


def load_correction(channel: _AnyChannel, detector: Detector, table: CorrectionEntries) -> None:
    """See `Device.load_correction`."""
    entries, pixels = table.entries(), detector.rows * detector.columns
    if entries.shape != (pixels,):
        raise SettingError(
            f"a correction table for this detector has {pixels} entries, not an array of shape {entries.shape}"
        )
    words = entries.tolist()
    for start in range(0, pixels, CORRECTION_BLOCK):
        _load_block(channel, start, words[start : start + CORRECTION_BLOCK])


def _load_block(channel: _AnyChannel, start: int, words: list[int]) -> None:
    """Load entries from `start` on.

    The board counts the entry's number up by itself, so that after a lost entry all that follow would go to the
    wrong place. Many are under way at once and none is repeated; where one is lost, the block is written again, an
    entry at a time.
    """
    seat = Command("table_index", _INDEX, start)
    channel.run([seat])
    try:
        channel.run([Command("correction_data", _CORRECTION, word) for word in words], tries=1)
    except DeviceTimeout:
        channel.run([seat, *(Command("correction_data", _CORRECTION, word, once=True) for word in words)])


def upload(
    channel: _AnyChannel, detector: Detector, reset: npt.NDArray[np.uint16], signal: npt.NDArray[np.uint16]
) -> None:
    """See `Device.upload`."""
    pairs = _samples(detector, "signal", signal).astype(np.uint32) << 16 | _samples(detector, "reset", reset)
    words = pairs.ravel().tolist()
    try:
        taken = _upload(channel, words)
    except DeviceTimeout:
        # One was lost, and what came after it went to the wrong pixels: again, each when the one before is there.
        channel.run([Command("table_index", _INDEX, 0)])
        channel.write_block(_UPLOAD, words, name="upload_data")
        (taken,) = channel.run([Command("table_index", _INDEX)])
    if taken != len(words):
        raise UploadError(f"the board took the samples of {taken} pixels instead of {len(words)}; upload them again")


def _upload(channel: _AnyChannel, words: list[int]) -> int:
    """Send all blocks at once, none of them twice; returns how many words the board took."""
    blocks = [tuple(words[start : start + BLOCK_WORDS]) for start in range(0, len(words), BLOCK_WORDS)]
    commands = [
        Command("table_index", _INDEX, 0),
        *(Command("upload_data", _UPLOAD, words=block) for block in blocks),
        Command("table_index", _INDEX),
    ]
    return channel.run(commands, tries=1)[-1]


def _samples(detector: Detector, name: str, samples: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """`samples` where they are a frame of this detector; UploadError calls them by their name."""
    shape, full = (detector.rows, detector.columns), detector.full_scale
    if samples.dtype != np.uint16 or samples.shape != shape:
        raise UploadError(
            f"{name} samples of this detector are uint16{list(shape)}, not {samples.dtype}{list(samples.shape)}"
        )
    if samples.max() > full:
        row, column = np.argwhere(samples > full)[0]
        raise UploadError(
            f"{name} samples are 0 to {full}, but that of row {row}, column {column} is {samples[row, column]}"
        )
    return samples
