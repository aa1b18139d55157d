"""Event formats that the edge pixels are also written in: EVT 3.0 words and Timepix3 packets.

what is kept -> [events] -> peers (length), decode (bytes for their decoders)

EVT 3.0, 16 bits a word (Prophesee's documentation): the type in bits 15:12, below it

    0 ADDR_Y       row, for the words that follow
    2 ADDR_X       column (10:0) and polarity (11): one event
    3 VECT_BASE_X  column and polarity that vectors begin at
    4 VECT_12      a bit for each of 12 pixels from the base, which then moves 12 on;  5 VECT_8: the same of 8
    6 TIME_LOW, 8 TIME_HIGH   12 bits of time each

A frame has the two time words and ADDR_Y for each row that has an event. Behind it come, where the fewest words are
wanted, the shortest mixture of single events and vectors. A camera does not search for that. It is taken here to go by
aligned groups of 32 pixels of one polarity, which is what Prophesee documents for EVT 2.1: one event becomes ADDR_X,
more of them a base and VECT_12, VECT_12, VECT_8 up to the last one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sim.golden.fixed_point import Mask

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, TIME_LOW, TIME_HIGH = 0, 2, 3, 4, 6, 8
WORD_BITS = 16
TIME_WORDS = 2
LARGEST = 2048
"""Rows and columns that EVT 3.0 can address; larger images are counted as if it could."""
_GROUP = 32
_SKIP, _SINGLE, _BASE = 0, 1, 2


@dataclass(frozen=True)
class _Plan:
    """The shortest mixture of words for each row of a mask.

    words : int[rows], without ADDR_Y.
    outside : uint8[rows, columns], what to do at a column without a base there: skip it, a single event, a base.
    inside : bool[rows, columns], whether a base there is followed by a vector; else it is given up.
    """

    words: npt.NDArray[np.int32]
    outside: npt.NDArray[np.uint8]
    inside: Mask


def _plan(kept: Mask) -> _Plan:
    """From the last column to the first: the fewest words for the rest of the row, in either state."""
    rows, columns = kept.shape
    outside, inside = np.zeros((rows, columns), np.uint8), np.zeros((rows, columns), np.bool_)
    # Words for the rest of the row from each of the next columns, with the base there; none behind the row's end.
    with_base = [np.zeros(rows, np.int32) for _ in range(12)]
    without = np.zeros(rows, np.int32)
    for column in reversed(range(columns)):
        single = 1 + without
        vectors = 1 + with_base[11]  # VECT_8 moves the base less far, for a word as well
        based = kept[:, column] & (1 + vectors < single)
        outside[:, column] = np.where(kept[:, column], np.where(based, _BASE, _SINGLE), _SKIP)
        without = np.where(kept[:, column], np.where(based, 1 + vectors, single), without)
        inside[:, column] = vectors < without
        with_base = [np.minimum(without, vectors), *with_base[:-1]]
    return _Plan(without, outside, inside)


def evt3_words(kept: Mask) -> int:
    """Words of ONE frame, bool[rows, columns], all of one polarity."""
    return TIME_WORDS + int(_plan(kept).words.sum() + kept.any(axis=1).sum())


def evt3_words_signed(positive: Mask, negative: Mask) -> int:
    """Words of ONE frame whose polarity is the sign: a vector holds events of one polarity only."""
    words = _plan(positive).words.sum() + _plan(negative).words.sum()
    return TIME_WORDS + int(words + (positive | negative).any(axis=1).sum())


def evt3_camera_words(positive: Mask, negative: Mask) -> int:
    """Words of ONE frame as a camera is taken to group them; polarity is the sign."""
    words = 0
    for kept in (positive, negative):
        rows, columns = kept.shape
        groups = np.pad(kept, ((0, 0), (0, -columns % _GROUP))).reshape(rows, -1, _GROUP)
        count = groups.sum(axis=2)
        last = _GROUP - 1 - groups[:, :, ::-1].argmax(axis=2)
        vectors = 2 + (last >= 12).astype(int) + (last >= 24)
        words += int(np.where(count > 1, vectors, count).sum())
    return TIME_WORDS + words + int((positive | negative).any(axis=1).sum())


def evt3_bytes(kept: Mask, time: int = 0) -> bytes:
    """ONE frame of at most 2048 x 2048 pixels as a decoder reads it; every event has polarity 1."""
    if max(kept.shape) > LARGEST:
        raise ValueError(f"EVT 3.0 addresses {LARGEST} rows and columns, not {kept.shape}")
    plan, rows = _plan(kept), kept.any(axis=1)
    polarity, columns = 1 << 11, kept.shape[1]
    words = [TIME_HIGH << 12 | (time >> 12) & 0xFFF, TIME_LOW << 12 | time & 0xFFF]
    padded = np.pad(kept, ((0, 0), (0, 12)))
    for row in np.flatnonzero(rows):
        words.append(ADDR_Y << 12 | int(row))
        outside, inside = plan.outside[row].tolist(), plan.inside[row].tolist()
        flags = padded[row].tolist()
        column, based = 0, False
        while column < columns:
            if based and inside[column]:
                bits = sum(flag << place for place, flag in enumerate(flags[column : column + 12]))
                words.append(VECT_12 << 12 | bits)
                column += 12
            elif outside[column] == _BASE:
                words.append(VECT_BASE_X << 12 | polarity | column)
                based = True
            else:
                based = False
                if outside[column] == _SINGLE:
                    words.append(ADDR_X << 12 | polarity | column)
                column += 1
    return np.array(words, "<u2").tobytes()


TPX3_CHIP = 256
_TPX3_CHUNK = 8000


def tpx3_bytes(values: npt.NDArray[np.int16]) -> bytes:
    """Timepix3's readout of one chip: a hit for every value that is not 0, its size (10 bits) as time over threshold.

    An image int16[rows, columns] is read as so many readouts of 256 x 256 pixels, one behind the other in time, each
    behind a pulse of the time-to-digital converter. A hit takes 8 bytes.
    """
    packets = []
    clock = 0
    for top in range(0, values.shape[0], TPX3_CHIP):
        for left in range(0, values.shape[1], TPX3_CHIP):
            part = values[top : top + TPX3_CHIP, left : left + TPX3_CHIP]
            y, x = (each.astype(np.uint64) for each in np.nonzero(part))
            size = np.minimum(np.abs(part[part != 0]).astype(np.uint64), 1023)
            ticks = clock + 1 + np.arange(len(x), dtype=np.uint64)
            packets.append(_tdc(clock))
            packets.append(_hits(x, y, size, ticks))
            clock += len(x) + 2
    stream = np.concatenate(packets)
    edges = [*range(0, len(stream), _TPX3_CHUNK), len(stream)]
    chunks = [stream[start:end].tobytes() for start, end in pairwise(edges)]
    return b"".join(b"TPX3\0\0" + len(chunk).to_bytes(2, "little") + chunk for chunk in chunks)


def _tdc(clock: int) -> npt.NDArray[np.uint64]:
    """A rising edge at tick `clock` of 25 ns: type 6, event F, ticks of 3.125 ns from bit 9."""
    return np.array([0x6F << 56 | (clock * 8 & 0xFFFFFFFFF) << 9], np.uint64)


def _hits(
    x: npt.NDArray[np.uint64], y: npt.NDArray[np.uint64], size: npt.NDArray[np.uint64], ticks: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Type B: pixel address, 14 bits of ticks, time over threshold, and the higher 16 bits of ticks."""
    one, two, three = (np.uint64(each) for each in (1, 2, 3))
    address = (x & ~one) << np.uint64(8) | (y & ~three) << one | (x & one) << two | y & three
    low, high = ticks & np.uint64(0x3FFF), ticks >> np.uint64(14) & np.uint64(0xFFFF)
    kind = np.uint64(0xB) << np.uint64(60)
    return np.asarray(kind | address << np.uint64(44) | low << np.uint64(30) | size << np.uint64(20) | high, np.uint64)
