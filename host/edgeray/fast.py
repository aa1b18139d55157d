"""The fast core: splits and decodes many packets at a time, compiled by numba; the extra `fast` installs it.

bytes -> [split] -> places of intact packets -> Splitter
payloads of one kind -> [decode] -> stack of values -> Decoder

It gives what `edgeray.splitter` and `edgeray.code` give, bit for bit, for any bytes; the tests hold it to that. The
compiled functions release the GIL, and `decode` shares packets out among threads. Importing this module compiles them:
some five seconds the first time on a machine; later, from numba's cache, about one. (The cache knows when this file
changed, but not when `edgeray.protocol` did: whoever edits that deletes __pycache__/fast.*.nb*.)
"""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from edgeray.meta import Coding
from edgeray.protocol import code
from edgeray.protocol.packets import CRC8, HEADER, HEADER_END, OVERHEAD, SYNC, VERSION

Octets = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.int16]
Good = npt.NDArray[np.bool_]
_Function = TypeVar("_Function", bound=Callable[..., Any])

_THREAD_BYTES = 1 << 13
"""Payload bytes that are worth a thread of their own: some 100 microseconds of decoding."""
_WORD_BYTES = 8


# Numbers have these types within compiled functions: a mixture of signed and unsigned ones would become a float.
_I: Any = np.int64
_U: Any = np.uint64


def _compiled(signature: str) -> Callable[[_Function], _Function]:
    """Decorator: compile now, for these types."""

    def compile_it(function: _Function) -> _Function:
        compiled: Any
        try:
            compiled = numba.njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:  # there is no directory to cache in
            compiled = numba.njit(signature, nogil=True)(function)
        found: _Function = compiled
        return found

    return compile_it


def _load_word(typing: Any, octets: Any, place: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        word = builder.load(address, align=1)
        return word if sys.byteorder == "little" else builder.bswap(word)

    return types.uint64(types.Array(types.uint8, 1, "C"), types.int64), emit


def _count_trailing_zeros(typing: Any, value: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


def _count_bits(typing: Any, value: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(ir.IntType(64), 64), zeros)

    return types.int64(types.int64), emit


# Instructions that NumPy has no name for.
_load: Any = intrinsic(_load_word)
"""_load(octets, place): the eight bytes from `place` on as a number, wherever that is."""
_trailing_zeros: Any = intrinsic(_count_trailing_zeros)
"""_trailing_zeros(number): zeros below its lowest one; 64 where it has none."""
_bit_length: Any = intrinsic(_count_bits)
"""_bit_length(number)"""

_ONE = np.uint64(1)
_RUN_BITS = np.array(code.RUN_BITS, np.int64)
_LAST_RUN = len(code.RUN_BITS) - 1
_LAST_CONTEXT = code.CONTEXTS - 1


@_compiled("Tuple((int64, int64))(uint64, int64, int64)")
def _rice(word: np.uint64, parameter: int, sample_bits: int) -> tuple[int, int]:
    """The number at the start of `word`, and its bits."""
    zeros = _trailing_zeros(word)
    if zeros < code.ESCAPE_ZEROS:
        low = _I((word >> _U(zeros + 1)) & ((_ONE << _U(parameter)) - _ONE))
        return zeros << parameter | low, zeros + 1 + parameter
    value = _I((word >> _U(code.ESCAPE_ZEROS)) & ((_ONE << _U(sample_bits + 1)) - _ONE))
    return value, code.ESCAPE_ZEROS + sample_bits + 1


@_compiled("boolean(uint8[::1], int64, int64, int64, int64, int64, int64[::1], int64, boolean, int16[::1])")
def _symbols(
    octets: Octets,
    first: int,
    stop: int,
    rows: int,
    columns: int,
    sample_bits: int,
    means: Numbers,
    threshold: int,
    positive: bool,
    values: Values,
) -> bool:
    """`edgeray.code.symbols` of the bytes `first` to `stop`, behind which eight more can be read; `values` holds zeros.

    Every code begins before the payload's end and fits a word, so nothing beyond those eight bytes is ever looked at; a
    symbol out of range ends it, so that no mean grows beyond what a shift can take.
    """
    mean, zeros = means.copy(), np.full(code.CONTEXTS, code.ZEROS_START, np.int64)
    parameter = np.empty(code.CONTEXTS, np.int64)
    for context in range(code.CONTEXTS):
        parameter[context] = _bit_length(mean[context] >> code.PARAMETER_SHIFT)
    full_scale, sign = (1 << sample_bits) - 1, 0 if positive else 1
    run_index, at, end = 0, 8 * first, 8 * stop
    row_end = 0
    for _ in range(rows):
        place, row_end = row_end, row_end + columns
        nearer, activity = 0, 0  # e1, and 2 e1 + e2
        while place < row_end:
            if at >= end:
                return False
            word = _load(octets, at >> 3) >> _U(at & 7)
            context = 0
            if activity == 0:
                run_bits = _RUN_BITS[run_index]
                if word & _ONE:
                    at += 1
                    place += 1 << run_bits
                    if place <= row_end:
                        run_index = min(run_index + 1, _LAST_RUN)
                    continue
                word >>= _ONE
                place += _I(word & ((_ONE << _U(run_bits)) - _ONE))
                if place >= row_end:
                    return False
                run_index = max(run_index - 1, 0)
                number, length = _rice(word >> _U(run_bits), parameter[0], sample_bits)
                at += 1 + run_bits + length
            else:
                context = min(_bit_length(activity), _LAST_CONTEXT)
                rarity = zeros[context]
                zeros[context] = rarity - (rarity >> code.ZEROS_SHIFT)
                if parameter[context] > 0 and rarity < code.ZEROS_RARE:
                    number, length = _rice(word, parameter[context], sample_bits)
                    number -= 1
                elif word & _ONE:
                    number, length = _rice(word >> _ONE, parameter[context], sample_bits)
                    length += 1
                else:
                    number, length = -1, 1
                at += length
                if number < 0:
                    zeros[context] += code.ZEROS_STEP
                    activity, nearer = nearer, 0
                    place += 1
                    continue
            mean[context] += number - (mean[context] >> code.MEAN_SHIFT)
            parameter[context] = _bit_length(mean[context] >> code.PARAMETER_SHIFT)
            over = (number >> sign) + 1
            size = threshold + over - 1
            if size > full_scale:
                return False
            values[place] = -size if number & sign else size
            activity, nearer = nearer + 2 * over, over
            place += 1
    left = end - at
    return 0 <= left < 8 and (left == 0 or (_load(octets, at >> 3) >> _U(at & 7)) & ((_ONE << _U(left)) - _ONE) == 0)


@_compiled("void(int16[::1], int64, int64, int64)")
def _pixels(values: Values, rows: int, columns: int, sample_bits: int) -> None:
    """`edgeray.code.pixels`, in place."""
    mask, west = (1 << sample_bits) - 1, 1 << (sample_bits - 1)
    for place in range(columns):
        west = (west + values[place]) & mask
        values[place] = west
    for row in range(1, rows):
        first = row * columns
        north = _I(values[first - columns])
        west = north
        for place in range(first, first + columns):
            east = _I(values[place - columns + 1]) if place < first + columns - 1 else north
            west = (((2 * west + north + east + 2) >> 2) + values[place]) & mask
            values[place] = west
            north = east


@_compiled(
    "void(uint8[::1], int64[::1], int64, int64, int64, int64, int64, int64[::1], int64, boolean, boolean,"
    " int16[:, ::1], boolean[::1])"
)
def _decode(
    octets: Octets,
    starts: Numbers,
    first: int,
    stop: int,
    rows: int,
    columns: int,
    sample_bits: int,
    means: Numbers,
    threshold: int,
    positive: bool,
    raw: bool,
    stack: Values,
    good: Good,
) -> None:
    """Payloads `first` to `stop`; number n is the bytes from starts[n] to starts[n + 1]."""
    for number in range(first, stop):
        begin, end, values = starts[number], starts[number + 1], stack[number]
        good[number] = _symbols(octets, begin, end, rows, columns, sample_bits, means, threshold, positive, values)
        if raw and good[number]:
            _pixels(values, rows, columns, sample_bits)


def decode(payloads: Sequence[bytes], rows: int, coding: Coding, threads: int = 1) -> tuple[Values, Good]:
    """Decode packets of one kind in the entropy code.

    Parameters
    ----------
    rows : of each packet.
    threads : at most so many work on them, the caller's among them; less where there is little to do.

    Returns
    -------
    int16[n, rows, columns], kernel responses or pixels in codes, and bool[n], whether payload n is one of such rows;
    where not, its values mean nothing.
    """
    count, columns = len(payloads), coding.columns
    octets = np.frombuffer(bytearray().join([*payloads, bytes(_WORD_BYTES)]), np.uint8)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(map(len, payloads), np.int64, count), out=starts[1:])
    means = _means(coding.sample_bits)
    stack, good = np.zeros((count, rows * columns), np.int16), np.empty(count, np.bool_)

    def work(first: int, stop: int) -> None:
        _decode(
            octets, starts, first, stop, rows, columns, coding.sample_bits, means, coding.threshold, coding.positive,
            coding.raw, stack, good,
        )  # fmt: skip

    parts = min(threads, int(starts[-1]) // _THREAD_BYTES, count)
    if parts <= 1:
        work(0, count)
        return stack.reshape(count, rows, columns), good
    # Shares of as many bytes each: a packet's time follows its bits.
    edges = np.searchsorted(starts[1:], np.arange(1, parts) * (starts[-1] / parts)).tolist()
    shares = list(zip([0, *edges], [*edges, count], strict=True))
    under_way = [_pool(threads - 1).submit(work, *share) for share in shares[1:]]
    work(*shares[0])
    for one in under_way:
        one.result()
    return stack.reshape(count, rows, columns), good


@cache
def _means(sample_bits: int) -> Numbers:
    return np.array(code.starting_means(sample_bits), np.int64)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, "edgeray")


if hasattr(os, "register_at_fork"):
    # The threads stay with the parent.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _crc32_tables() -> npt.NDArray[np.uint32]:
    """uint32[8, 256]: row n is what a byte does to zlib's CRC-32 when n more follow it."""
    polynomial, zero = np.uint32(0xEDB88320), np.uint32(0)
    tables = np.zeros((8, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        tables[0] = tables[0] >> 1 ^ np.where(tables[0] & 1, polynomial, zero)
    for row in range(1, 8):
        tables[row] = tables[row - 1] >> 8 ^ tables[0][tables[row - 1] & 255]
    return tables


_CRC32 = _crc32_tables()
_CRC8 = np.frombuffer(CRC8.table(), np.uint8).copy()
_CRC8_INITIAL, _CRC8_FINAL = CRC8.initial, CRC8.final_xor
_SYNC_FIRST, _SYNC_SECOND = SYNC
_SYNC_SIZE, _CRC_SIZE = len(SYNC), 4
_VERSION_AT, _VERSION_MASK = HEADER.offset("version"), HEADER["version"].maximum
_LENGTH_AT, _LENGTH_MASK = HEADER.offset("length"), HEADER["length"].maximum


@_compiled("uint64(uint8[::1], int64, int64)")
def _crc32(octets: Octets, first: int, stop: int) -> Any:
    """zlib.crc32 of octets[first:stop]."""
    crc, low = _U(0xFFFFFFFF), _U(255)
    while first + 8 <= stop:
        word = _load(octets, first) ^ crc
        crc = _U(0)
        for place in range(8):
            crc ^= _CRC32[7 - place, (word >> _U(8 * place)) & low]
        first += 8
    while first < stop:
        crc = (crc >> _U(8)) ^ _CRC32[0, (crc ^ octets[first]) & low]
        first += 1
    return crc ^ _U(0xFFFFFFFF)


@_compiled("Tuple((int64, int64, int64))(uint8[::1], boolean, int64, int64[:, ::1], int64[::1])")
def _split(octets: Octets, ending: bool, max_payload: int, found: Numbers, counts: Numbers) -> tuple[int, int, int]:
    """(packets, bytes done with, bytes needed behind them); see `split`."""
    end = len(octets)
    start, needed, packets = 0, HEADER_END, 0
    while True:
        sync = start
        while sync + 1 < end and not (octets[sync] == _SYNC_FIRST and octets[sync + 1] == _SYNC_SECOND):
            sync += 1
        if sync + 1 >= end:
            keep = 1 if not ending and end > start and octets[end - 1] == _SYNC_FIRST else 0
            counts[3] += end - start - keep
            return packets, end - keep, needed
        counts[3] += sync - start
        start = sync

        wanted, right = HEADER_END, False  # bytes of the packet as far as is known; it is a good one
        if end - sync >= HEADER_END:
            header = 0
            crc = _CRC8_INITIAL
            for place in range(HEADER_END - 1 - _SYNC_SIZE):
                octet = octets[sync + _SYNC_SIZE + place]
                header |= _I(octet) << (8 * place)
                crc = _CRC8[crc ^ octet]
            length = header >> _LENGTH_AT & _LENGTH_MASK
            if crc ^ _CRC8_FINAL != octets[sync + HEADER_END - 1]:
                counts[0] += 1
                wanted = 0
            elif header >> _VERSION_AT & _VERSION_MASK != VERSION:
                counts[2] += 1
                wanted = 0
            elif length > max_payload:
                counts[0] += 1
                wanted = 0
            else:
                wanted = OVERHEAD + length
                stop = sync + wanted
                if stop <= end:
                    sent = _U(0)
                    for place in range(_CRC_SIZE):
                        sent |= _U(octets[stop - _CRC_SIZE + place]) << _U(8 * place)
                    right = _crc32(octets, sync + _SYNC_SIZE, stop - _CRC_SIZE) == sent
                    if not right:
                        counts[1] += 1
                        wanted = 0
        if right:
            found[packets, 0], found[packets, 1], found[packets, 2] = header, sync + HEADER_END, stop - _CRC_SIZE
            packets += 1
            start = stop
        elif wanted and not ending:
            return packets, start, wanted
        else:
            counts[1] += 1 if wanted and end - sync >= HEADER_END else 0
            counts[3] += _SYNC_SIZE
            start += _SYNC_SIZE


def split(held: bytearray, ending: bool, max_payload: int) -> tuple[Numbers, int, int, list[int]]:
    """Find the intact packets in `held`, as `edgeray.splitter.Splitter` does.

    Returns
    -------
    int64[n, 3]: of each packet the header as a number, and the first byte of its payload and the one behind the last;
    how many bytes are done with; how many the packet begun behind them needs; and what to add to the `SkipCounts`, in
    the order of its members.
    """
    found, counts = np.empty((len(held) // OVERHEAD, 3), np.int64), np.zeros(4, np.int64)
    packets, start, needed = _split(np.frombuffer(held, np.uint8), ending, max_payload, found, counts)
    return found[:packets], start, needed, counts.tolist()
