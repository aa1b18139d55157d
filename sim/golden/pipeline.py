"""Golden model of the whole readout: samples of a series of frames to pixels, responses and the bytes on the link.

samples -> cds -> pga -> correct -+-> window -> convolve -> threshold -+-> encode -> frame -> bytes
                                  |    (or sensor)                     |
                                  +----- raw readout, audit frames ----+
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.correction import CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import Convolution, ReadoutMode
from edgeray.protocol.settings import Settings
from sim.golden import meta
from sim.golden.cds import cds
from sim.golden.convolve import convolve
from sim.golden.correct import correct
from sim.golden.encode import Payload, payloads
from sim.golden.fixed_point import Mask
from sim.golden.frame import frame_packets
from sim.golden.meta import Counters
from sim.golden.pga import pga
from sim.golden.sensor import sensor
from sim.golden.stack import StackError, check_frames, integers
from sim.golden.threshold import threshold
from sim.golden.window import windows

# Frames go through the stages in groups of about this many pixels: little memory, and it stays in the cache.
_GROUP_PIXELS = 1 << 16


class TimestampError(ValueError):
    """A META packet is due before a frame whose start was not given; names the frame."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What a board makes of `n` frames of one series.

    Members
    -------
    detector, settings, generation, first_image_id : as given to `read_out`.
    pixels : uint16[n, rows, columns], codes: corrected pixels.
    responses : int16[n, *settings.frame_shape(detector)], codes: kernel responses; the pixels in raw readout.
    kept : bool of the responses' shape: what is sent.
    guard : bool[frame rows, frame columns]: positions of the guard ring that no kernel sees; all False in raw readout.
    payloads : payloads of each frame, without META; those of an audit frame's pixels behind those of its responses.
    before : counters at the start of each frame.
    counters : counters after the last one.
    """

    detector: Detector
    settings: Settings
    generation: int
    first_image_id: int
    pixels: npt.NDArray[np.uint16]
    responses: npt.NDArray[np.int16]
    kept: Mask
    guard: Mask
    payloads: list[list[Payload]]
    before: list[Counters]
    counters: Counters

    def __len__(self) -> int:
        """Frames."""
        return len(self.payloads)

    def frames(
        self, timestamps: Mapping[int, int], *, tick_rate: int, dropped: int = 0, applied: bool = False
    ) -> Iterator[bytes]:
        """The packets of each frame, those of META before the frame's own.

        META precedes frame 0, the first one after settings were applied, and every frame that meta_period frames were
        sent before since the last META.

        Parameters
        ----------
        timestamps : image_id -> ticks at its start, at least of the frames that META precedes.
        tick_rate : ticks a second.
        dropped : frames of the series dropped before these ones.
        applied : settings were applied since the last META. Without it, and without frames dropped, the last META
            before these frames was where the period put it.

        Raises
        ------
        TimestampError : `timestamps` lacks a frame that META precedes.
        """
        period = self.settings.meta_period
        since = self.first_image_id % period if period else 0
        for index, frame in enumerate(self.payloads):
            image_id, head = self.first_image_id + index, []
            if image_id == 0 or (applied and index == 0) or (period and since % period == 0):
                if image_id not in timestamps:
                    raise TimestampError(f"META precedes frame {image_id}, but timestamps has no start of it")
                data = meta.payload(
                    detector=self.detector,
                    settings=self.settings,
                    image_id=image_id,
                    timestamp=timestamps[image_id],
                    tick_rate=tick_rate,
                    counters=self.before[index],
                    dropped=dropped,
                )
                head, since = [Payload(PacketType.META, 0, False, data)], 0
            since += 1
            yield frame_packets([*head, *frame], image_id, self.generation, self.detector)

    def stream(
        self, timestamps: Mapping[int, int], *, tick_rate: int, dropped: int = 0, applied: bool = False
    ) -> bytes:
        """The bytes of all frames; see `frames`."""
        return b"".join(self.frames(timestamps, tick_rate=tick_rate, dropped=dropped, applied=applied))


def read_out(
    reset: npt.ArrayLike,
    signal: npt.ArrayLike,
    *,
    detector: Detector,
    settings: Settings,
    table: CorrectionTable | None = None,
    generation: int = 1,
    first_image_id: int = 0,
    counters: Counters | None = None,
) -> Result:
    """Read `n` frames of one series out.

    A long series can be done in pieces: give the next one `first_image_id` + `len(result)` and `result.counters`.
    No frame is dropped: in edge readout those whose number is a multiple of audit_period are audit frames.

    Parameters
    ----------
    reset, signal : int[n, rows, columns], codes, 0 to full scale.
    table : correction table; None is the neutral one, which a board starts with.
    generation : configuration generation: times that settings were applied.
    first_image_id : number of the first frame in its series.
    counters : counters at its start; None is all 0.

    Raises
    ------
    StackError : samples that are not integers, not from 0 to full scale, or not a stack of the detector's frames.
    SettingError : settings that the detector cannot do.
    CorrectionError : a table for another detector.
    """
    for _ in settings.registers(detector):
        pass  # raises where a setting is wrong
    first, second = (_stack(samples, name, detector) for samples, name in ((reset, "reset"), (signal, "signal")))
    if first.shape != second.shape:
        raise StackError(f"reset and signal want one shape, not {first.shape} and {second.shape}")
    table = table or CorrectionTable.neutral(detector)

    count, shape = len(first), settings.frame_shape(detector)
    pixels = np.empty(first.shape, np.uint16)
    responses, kept = np.empty((count, *shape), np.int16), np.empty((count, *shape), np.bool_)
    guard = np.zeros(shape, np.bool_)
    audit_period = settings.audit_period if settings.readout_mode == ReadoutMode.EDGE else 0
    encoded: list[list[Payload]] = []
    before, so_far = [], counters or Counters()
    step = max(1, _GROUP_PIXELS // (detector.rows * detector.columns))
    for start in range(0, count, step):
        some = slice(start, start + step)
        values, railed = cds(
            first[some],
            second[some],
            sample_bits=detector.sample_bits,
            enabled=settings.cds_enabled,
            polarity=settings.cds_polarity,
        )
        values, amplified = pga(
            values, sample_bits=detector.sample_bits, gain=settings.pga_gain, offset=settings.pga_offset
        )
        values, corrected = correct(values, detector=detector, enabled=settings.correction_enabled, table=table)
        pixels[some] = values
        masks = {"railed": railed, "pga_saturated": amplified, "correction_saturated": corrected}
        if settings.readout_mode == ReadoutMode.RAW:
            responses[some], kept[some] = values, True
        else:
            if detector.convolution is Convolution.SENSOR:
                responses[some], guard = sensor(values, detector=detector)
            else:
                taps, guard = windows(values, detector=detector, stride=settings.stride)
                responses[some], masks["convolution_saturated"] = convolve(
                    taps, guard, sample_bits=detector.sample_bits, kernel=settings.kernel
                )
            kept[some] = threshold(
                responses[some], guard, mode=settings.threshold_mode, edge_threshold=settings.edge_threshold
            )
        for frame in range(start, start + len(values)):
            audit = bool(audit_period) and (first_image_id + frame) % audit_period == 0
            encoded.append(payloads(responses[frame], kept[frame], detector=detector, settings=settings, more=audit))
            if audit:
                every = np.ones(pixels.shape[1:], np.bool_)
                encoded[-1] += payloads(pixels[frame], every, detector=detector, settings=settings, raw=True)
        counts = {name: mask.sum(axis=(1, 2)).tolist() for name, mask in masks.items()}
        for frame in range(len(values)):
            before.append(so_far)
            so_far += Counters(**{name: each[frame] for name, each in counts.items()})
    return Result(
        detector=detector,
        settings=settings,
        generation=generation,
        first_image_id=first_image_id,
        pixels=pixels,
        responses=responses,
        kept=kept,
        guard=guard,
        payloads=encoded,
        before=before,
        counters=so_far,
    )


def _stack(samples: npt.ArrayLike, name: str, detector: Detector) -> npt.NDArray[np.uint16]:
    """Samples as uint16[n, rows, columns], checked as a whole, so that an error names the frame's index in it."""
    values = integers(samples, name, 0, detector.full_scale)
    if values.ndim != 3:
        raise StackError(
            f"{name} wants a stack of frames, frame by row by column, not an array of shape {values.shape}"
        )
    check_frames(values, name, detector)
    return values.astype(np.uint16)
