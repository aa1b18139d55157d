"""A series whose frames are made of uploaded samples: radiographs through a board that has no detector.

samples of frame n -> upload -> trigger -> frame n -> samples of frame n + 1 -> ...
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeray.closing import Closing
from edgeray.decoder import Frame
from edgeray.errors import DeviceTimeout, EdgerayError, UploadError
from edgeray.ledger import Ledger
from edgeray.protocol.registers import STATE_BITS, SampleSource, TriggerMode

if TYPE_CHECKING:
    from edgeray.device import Device

SAMPLES = 2
_AT_WORK = sum(1 << STATE_BITS.offset(name) for name in ("busy", "apply_pending", "unsent"))


class Injection(Closing, Iterator[Frame]):
    """Iterator over frames, each of which is uploaded, triggered and read when it is asked for; a context manager.

    `Device.inject` makes one and describes the parameters. As in a capture, what the link damages is yielded
    incomplete, and what it loses not at all; the ledger counts it.

    Members
    -------
    ledger : Ledger, confirmed when the iteration is over.
    """

    def __init__(
        self, device: "Device", samples: npt.NDArray[np.uint16], timeout: float, record: BinaryIO | None
    ) -> None:
        if samples.ndim != 4 or samples.shape[1] != SAMPLES or not len(samples):
            raise UploadError(
                f"samples of a series are [frames, {SAMPLES}, rows, columns], at least of one frame, "
                f"not {list(samples.shape)}"
            )
        self._device, self._samples, self._timeout, self._next = device, samples, timeout, 0
        # The first one before anything is changed: where a board cannot, or the samples are wrong, that is all.
        device.upload(*samples[0])
        with ExitStack() as ends:
            ends.enter_context(device.keeping_settings())
            device.write("trigger_mode", TriggerMode.SOFTWARE)
            device.write("sample_source", SampleSource.UPLOADED)
            self._capture = ends.enter_context(device.capture(len(samples), timeout=timeout, record=record))
            self._ends = ends.pop_all()

    @property
    def ledger(self) -> Ledger:
        return self._capture.ledger

    def __next__(self) -> Frame:
        try:
            while self._next < len(self._samples) and not self._capture.ready:
                self._expose()
            return next(self._capture)
        except StopIteration:
            self.close()
            raise
        except BaseException:
            # What ended the series is what the caller is to hear of.
            with suppress(EdgerayError):
                self.close()
            raise

    def _expose(self) -> None:
        """Have the board make the next frame; returns when all of it has left the board."""
        number = self._next
        if number:
            self._device.upload(*self._samples[number])
        else:
            self._wait("has not taken its settings over")
        self._device.trigger()
        self._next += 1
        self._wait(f"is still busy with frame {number}")

    def _wait(self, doing: str) -> None:
        """Wait until the board would take a trigger."""
        end = time.monotonic() + self._timeout
        while self._device.read("state") & _AT_WORK:
            if time.monotonic() >= end:
                raise DeviceTimeout(f"the board {doing}", self._timeout)

    def close(self) -> None:
        """End the series and put the settings back."""
        self._ends.close()
