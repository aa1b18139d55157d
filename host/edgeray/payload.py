"""Payloads of frames -> arrays of their rows: many at a time where the fast core is installed.

    EDGE, RAW               -> entropy code, by `edgeray.fast` or, one by one, by `edgeray.code`
    EDGE_STORED, RAW_STORED -> fixed width, by NumPy

A fixed-width value of at most 25 bits lies within the four bytes from the byte where it starts. So all values come out
of one gather of overlapping 32-bit words and two shifts, whose positions are the same for every frame.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeray import code, core
from edgeray.meta import Coding
from edgeray.protocol.code import RUN_BITS

Values = npt.NDArray[np.int16]
Kept = npt.NDArray[np.bool_]

_WORD = np.dtype("<u4")
_LONGEST_RUN = 1 << RUN_BITS[-1]


class Part(NamedTuple):
    """What a packet holds of a frame: so many rows, in the entropy code or, where not `coded`, at fixed width."""

    rows: int
    coding: Coding
    coded: bool


def decode(
    payloads: Sequence[bytes], parts: Sequence[Part | None], *, plain: bool = False, threads: int = 1
) -> list[tuple[Values, Kept] | None]:
    """Values and kept of every payload; None where it is not one of such rows, and where it is no part of a frame.

    Parameters
    ----------
    plain : by the reference decoder even where the fast core is installed.
    threads : of the fast core.

    Returns
    -------
    int16[rows, columns], kernel responses (0 where not kept) or pixels in codes, and bool[rows, columns] of each part;
    views of arrays that parts of one kind share.
    """
    found: list[tuple[Values, Kept] | None] = [None] * len(parts)
    groups: dict[tuple[int, Coding], tuple[list[int], list[bytes]]] = {}
    for index, part in enumerate(parts):
        if part is None:
            continue
        (rows, coding, coded), payload = part, payloads[index]
        if not coded:
            single = stored(payload, rows, coding)
            if single is not None:
                found[index] = single, _kept(single, coding)
        # A bit stands for so many pixels of one row at most: no room is made for what cannot be.
        elif 8 * len(payload) >= rows * -(-coding.columns // _LONGEST_RUN):
            indices, members = groups.setdefault((rows, coding), ([], []))
            indices.append(index)
            members.append(payload)
    fast = None if plain else core.fast()
    for (rows, coding), (indices, members) in groups.items():
        stack, good = fast.decode(members, rows, coding, threads) if fast else _one_by_one(members, rows, coding)
        arrays = zip(stack, _kept(stack, coding), strict=True)
        for index, right, pair in zip(indices, good.tolist(), arrays, strict=True):
            if right:
                found[index] = pair
    return found


def _kept(values: Values, coding: Coding) -> Kept:
    return np.ones(values.shape, np.bool_) if coding.all_kept else values != 0


def _one_by_one(payloads: Sequence[bytes], rows: int, coding: Coding) -> tuple[Values, npt.NDArray[np.bool_]]:
    """As `edgeray.fast.decode`, in plain Python."""
    stack = np.zeros((len(payloads), rows, coding.columns), np.int16)
    good = np.zeros(len(payloads), np.bool_)
    for index, payload in enumerate(payloads):
        symbols = code.symbols(
            payload,
            rows,
            coding.columns,
            sample_bits=coding.sample_bits,
            threshold=coding.threshold,
            positive=coding.positive,
        )
        if symbols is not None:
            stack[index] = code.pixels(symbols, coding.sample_bits) if coding.raw else symbols
            good[index] = True
    return stack, good


@lru_cache(maxsize=32)
def _places(bits: int, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint32]]:
    """First byte of each of `count` values, and the left shift that puts its top bit at the top of a 32-bit word."""
    first = np.arange(count, dtype=np.intp) * bits
    return first >> 3, (32 - bits - (first & 7)).astype(np.uint32)


def stored(payload: bytes, rows: int, coding: Coding) -> Values | None:
    """int16[rows, columns] of an EDGE_STORED or RAW_STORED payload.

    None where its length is not that of its rows, its filling is not zeros, or a value is none that these settings
    send: under the threshold or beyond full scale.
    """
    bits, shape = coding.sample_bits + (not coding.raw), (rows, coding.columns)
    count = rows * coding.columns
    if len(payload) != -(-count * bits // 8):
        return None
    used = count * bits % 8
    if used and payload[-1] >> used:
        return None
    first, shift = _places(bits, count)
    padded = payload + b"\0\0\0"  # the last value's word may reach beyond the end
    words = np.ndarray((len(payload),), _WORD, padded, 0, (1,)).take(first)
    words <<= shift
    if coding.raw:
        words >>= np.uint32(32 - bits)
        return words.astype(np.int16).reshape(shape)
    responses = words.view(np.int32)
    responses >>= np.int32(32 - bits)
    sizes = responses if coding.positive else np.abs(responses)
    if ((responses != 0) & ((sizes < coding.threshold) | (sizes >> coding.sample_bits != 0))).any():
        return None
    return responses.astype(np.int16).reshape(shape)
