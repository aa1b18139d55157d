"""Golden model of the entropy code: the symbols of one packet to the bits of its payload.

threshold (edge readout), predict (raw readout) -> [code] -> encode

The specification is `edgeray.protocol.code`; the names here are its letters, written out.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeray.protocol.code import (
    CONTEXTS,
    ESCAPE_ZEROS,
    MAX_CODE_BITS,
    MEAN_SHIFT,
    PARAMETER_SHIFT,
    RUN_BITS,
    ZEROS_RARE,
    ZEROS_SHIFT,
    ZEROS_START,
    ZEROS_STEP,
    starting_means,
)
from sim.golden.compiled import compiled
from sim.golden.stack import StackError, integers

_Numbers: TypeAlias = npt.NDArray[np.int64]


def code(symbols: npt.ArrayLike, *, sample_bits: int, threshold: int, positive: bool = False) -> bytes:
    """The payload of ONE packet, zeros up to a whole byte behind its last code.

    Parameters
    ----------
    symbols : int[rows, columns], codes, -full scale to full scale: 0, or threshold away from it or more.
    threshold : T of the specification, 1 or more: META's edge_threshold, or 1 for residuals and where all are kept.
    positive : no symbol is negative (threshold_mode POSITIVE), so none carries a sign.

    Raises
    ------
    StackError : symbols that are not integers, not in that range, not rows and columns, or nearer to 0 than threshold.
    """
    full_scale = (1 << sample_bits) - 1
    values = integers(symbols, "symbols", 0 if positive else -full_scale, full_scale)
    if values.ndim != 2:
        raise StackError(f"symbols wants the rows and columns of one packet, not an array of shape {values.shape}")
    sizes = np.abs(values[values != 0])
    if threshold < 1 or (sizes.size and sizes.min() < threshold):
        raise StackError(f"symbols wants 0 or {max(1, threshold)} and more, not {sizes.min(initial=threshold)}")
    payload = np.zeros(-(-values.size * MAX_CODE_BITS // 8) + 1, np.uint8)
    means, run_bits = np.array(starting_means(sample_bits), np.int64), np.array(RUN_BITS, np.int64)
    bits = _write(values, means, run_bits, sample_bits, threshold, positive, payload)
    return payload[: -(-bits // 8)].tobytes()


@compiled
def _write(
    symbols: _Numbers,
    mean: _Numbers,
    run_bits: _Numbers,
    sample_bits: int,
    threshold: int,
    positive: bool,
    payload: npt.NDArray[np.uint8],
) -> int:
    """Writes the code of every symbol into `payload`, which holds zeros; returns its length in bits."""
    rows, columns = symbols.shape
    zeros = np.full(CONTEXTS, ZEROS_START)
    run_index, place = 0, 0
    for row in range(rows):
        nearer, farther, run = 0, 0, 0
        for column in range(columns):
            symbol = int(symbols[row, column])
            size = abs(symbol) - threshold
            over = size + 1 if symbol else 0
            number = size if positive else 2 * size + (symbol < 0)
            context = min(_bit_length(2 * nearer + farther), CONTEXTS - 1)
            parameter = _bit_length(mean[context] >> PARAMETER_SHIFT)

            bits, length = 0, 0
            if context == 0:
                if symbol == 0:
                    run += 1
                    if run == 1 << run_bits[run_index]:
                        bits, length, run = 1, 1, 0
                        run_index = min(run_index + 1, len(run_bits) - 1)
                    elif column == columns - 1:
                        bits, length = 1, 1
                else:
                    bits, length = run << 1, 1 + run_bits[run_index]
                    run, run_index = 0, max(run_index - 1, 0)
                    tail, tail_length = _rice(number, parameter, sample_bits)
                    bits, length = bits | tail << length, length + tail_length
            elif parameter and zeros[context] < ZEROS_RARE:
                bits, length = _rice(number + 1 if symbol else 0, parameter, sample_bits)
            elif symbol:
                tail, tail_length = _rice(number, parameter, sample_bits)
                bits, length = 1 | tail << 1, 1 + tail_length
            else:
                length = 1

            if symbol:
                mean[context] += number - (mean[context] >> MEAN_SHIFT)
            if context:
                zeros[context] += (0 if symbol else ZEROS_STEP) - (zeros[context] >> ZEROS_SHIFT)
            nearer, farther = over, nearer

            # `bits` has 32 bits at most and begins in the byte of `place`.
            bits <<= place & 7
            for octet in range(place >> 3, (place + length + 7) >> 3):
                payload[octet] |= bits & 255
                bits >>= 8
            place += length
    return place


@compiled
def _rice(number: int, parameter: int, sample_bits: int) -> tuple[int, int]:
    """(bits, their count) of one number."""
    high = number >> parameter
    if high < ESCAPE_ZEROS:
        low = number & ((1 << parameter) - 1)
        return (1 | low << 1) << high, high + 1 + parameter
    return number << ESCAPE_ZEROS, ESCAPE_ZEROS + sample_bits + 1


@compiled
def _bit_length(number: int) -> int:
    count = 0
    while number >> count:
        count += 1
    return count
