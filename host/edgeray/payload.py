"""Payloads of frames -> arrays, vectorised: STORED and BITMAP of `edgeray.protocol.packets`.

A fixed-width value of at most 25 bits lies within the four bytes from the byte where it starts. So all values come out
of one gather of overlapping 32-bit words and two shifts, whose positions are the same for every frame.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgeray.protocol.packets import WORD_BITS

Values = npt.NDArray[np.int16]
Kept = npt.NDArray[np.bool_]

_WORD = np.dtype("<u4")


@lru_cache(maxsize=32)
def _places(bits: int, most: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint32]]:
    """First byte of each of `most` values, and the left shift that puts its top bit at the top of a 32-bit word."""
    first = np.arange(most, dtype=np.intp) * bits
    return first >> 3, (32 - bits - (first & 7)).astype(np.uint32)


def read_values(data: bytes, count: int, bits: int, *, signed: bool, most: int) -> npt.NDArray[np.integer]:
    """`count` values of `bits` bits each, least significant bit first, from the start of `data`: (u)int32[count].

    `data` holds at least as many bytes; `most` is the largest count that will ever be asked for (positions are cached).
    """
    first, shift = _places(bits, most)
    padded = data + b"\0\0\0"  # the last value's word may reach beyond the end
    words = np.ndarray((len(data),), _WORD, padded, 0, (1,)).take(first[:count])
    words <<= shift[:count]
    if not signed:
        words >>= np.uint32(32 - bits)
        return words
    responses = words.view(np.int32)
    responses >>= np.int32(32 - bits)
    return responses


def stored(payload: bytes, pixels: int, bits: int, *, signed: bool) -> Values | None:
    """int16[pixels] of a STORED payload, or None where its length is not that of `pixels` values."""
    if len(payload) != -(-pixels * bits // 8):
        return None
    return read_values(payload, pixels, bits, signed=signed, most=pixels).astype(np.int16)


def bitmap(payload: bytes, pixels: int, bits: int) -> tuple[Values, Kept] | None:
    """(int16[pixels] with 0 where nothing was kept, bool[pixels]) of a BITMAP payload.

    None where the payload is shorter than its bitmap, marks a pixel beyond the last, or does not hold one value for
    each pixel marked.
    """
    head = -(-pixels // WORD_BITS) * (WORD_BITS // 8)
    if len(payload) < head:
        return None
    marks = np.unpackbits(np.frombuffer(payload, np.uint8, head), bitorder="little").view(np.bool_)
    kept = marks[:pixels]
    count = int(np.count_nonzero(marks))
    if len(payload) != head + -(-count * bits // 8) or (head * 8 > pixels and marks[pixels:].any()):
        return None
    values = np.zeros(pixels, np.int16)
    if count:
        values[kept] = read_values(payload[head:], count, bits, signed=True, most=pixels)
    return values, kept
