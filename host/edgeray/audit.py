"""Audit: recomputes what a board's pipeline made of its pixels, and compares.

frames of a live board or a capture file -> audit frames -> [edges of their pixels] = the values sent? -> Audit
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeray.decoder import Frame
from edgeray.edges import edges
from edgeray.errors import AuditError, EdgerayError
from edgeray.protocol.registers import ReadoutMode

if TYPE_CHECKING:
    from edgeray.device import Device

SHOWN = 10
"""Disagreements that are kept one by one; all are counted."""


class Disagreement(NamedTuple):
    """One pixel of which the board sent another response than its raw pixels give; 0 stands for not kept."""

    image_id: int
    row: int
    column: int
    sent: int
    recomputed: int


@dataclass
class Audit:
    """What an audit found.

    frames : audit frames compared.
    pixels : kernel responses compared, kept or not.
    disagreements : of these, those that were not what they should be.
    frames_disagreeing : frames with such ones.
    first : the first of them.
    incomplete : audit frames of which rows did not arrive; they are not compared.
    """

    frames: int = 0
    pixels: int = 0
    disagreements: int = 0
    frames_disagreeing: int = 0
    incomplete: int = 0
    first: list[Disagreement] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Something was compared, and all of it was right."""
        return self.frames > 0 and not self.disagreements

    @property
    def complete(self) -> bool:
        """There was an audit frame, and all of them arrived whole."""
        return self.frames > 0 and not self.incomplete

    def take(self, frame: Frame) -> None:
        """Compare a frame, where it is an audit frame."""
        if frame.pixels is None:
            # All rows came, but not the packet that says so: what was to follow was an audit frame's pixels.
            edge = frame.meta.readout_mode == ReadoutMode.EDGE
            self.incomplete += edge and not frame.complete and bool(frame.rows_received.all())
            return
        if not frame.complete:
            self.incomplete += 1
            return
        values, kept = edges(frame.pixels, frame.meta)
        wrong = np.argwhere((values != frame.values) | (kept != frame.kept)).tolist()
        self.frames += 1
        self.pixels += values.size
        self.disagreements += len(wrong)
        self.frames_disagreeing += bool(wrong)
        self.first += [
            Disagreement(frame.image_id, row, column, int(frame.values[row, column]), int(values[row, column]))
            for row, column in wrong[: SHOWN - len(self.first)]
        ]

    def __str__(self) -> str:
        found = (
            f"{self.disagreements} disagree, in {self.frames_disagreeing} frames" if self.disagreements else "all agree"
        )
        lines = [f"{self.frames} audit frames compared, {self.incomplete} incomplete; {self.pixels} pixels: {found}"]
        lines += [
            f"frame {one.image_id}, row {one.row}, column {one.column}: sent {one.sent}, recomputed {one.recomputed}"
            for one in self.first
        ]
        if self.disagreements > len(self.first):
            lines.append("...")
        return "\n".join(lines)


def audit(frames: Iterable[Frame], *, most: int | None = None) -> Audit:
    """Go through `frames` and compare the audit frames among them, `most` of them at most.

    Frames are those of `edgeray.replay` or of a capture with the setting audit_period (`audit_device`); what these
    raise goes through.
    """
    found = Audit()
    for frame in frames:
        found.take(frame)
        if most is not None and found.frames + found.incomplete >= most:
            break
    return found


def audit_device(device: "Device", nimages: int) -> Audit:
    """Capture `nimages` frames, every one an audit frame, with the settings that the board has, and compare them.

    `device.ledger` says afterwards whether all of them arrived.

    Raises AuditError where the board cannot send audit frames: in raw readout, or because its build has no memory for
    them; and what `Device.capture` raises.
    """
    if not device.read("audit_memory"):
        raise AuditError(f"the build of the board at {device.url!r} has no memory for audit frames")
    if device.setting("readout_mode") == ReadoutMode.RAW:
        raise AuditError(f"the board at {device.url!r} is set to raw readout, in which there is nothing to audit")
    before = device.setting("audit_period")
    device.write("audit_period", 1)
    try:
        with device.capture(nimages) as frames:
            return audit(frames)
    finally:
        # What ended the capture is what the caller is to hear of.
        with contextlib.suppress(EdgerayError):
            device.write("audit_period", before)
