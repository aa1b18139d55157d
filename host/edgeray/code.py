"""Reference decoder of the entropy code: one packet's payload -> symbols -> pixels, in plain Python.

payload -> [symbols] -> kernel responses (EDGE)
                 +----> residuals -> [pixels] -> pixels (RAW)

The specification is `edgeray.protocol.code`, whose names these are. `edgeray.fast` does the same faster and is held to
this text; where it cannot be had, this decodes.
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.code import (
    CONTEXTS,
    ESCAPE_ZEROS,
    MEAN_SHIFT,
    PARAMETER_SHIFT,
    RUN_BITS,
    ZEROS_RARE,
    ZEROS_SHIFT,
    ZEROS_START,
    ZEROS_STEP,
    starting_means,
)

Symbols = npt.NDArray[np.int32]


class _NotACode(Exception):
    """The bits at hand are no code of the rows asked for."""


class _Bits:
    """The bits of a payload, least significant first."""

    def __init__(self, payload: bytes) -> None:
        self._payload, self._at, self._end = payload, 0, 8 * len(payload)

    def number(self, count: int) -> int:
        """The next `count` bits as a number. Raises _NotACode where there are fewer."""
        first, self._at = self._at, self._at + count
        if self._at > self._end:
            raise _NotACode
        octets = self._payload[first >> 3 : (self._at + 7) >> 3]
        return int.from_bytes(octets, "little") >> (first & 7) & ((1 << count) - 1)

    def rice(self, parameter: int, sample_bits: int) -> int:
        """Rice(n, parameter)."""
        zeros = 0
        while not self.number(1):
            zeros += 1
            if zeros == ESCAPE_ZEROS:
                return self.number(sample_bits + 1)
        return zeros << parameter | self.number(parameter)

    def end(self) -> None:
        """Raises _NotACode unless what is left is the filling of the last byte."""
        left = self._end - self._at
        if left >= 8 or self.number(left):
            raise _NotACode


def symbols(
    payload: bytes, rows: int, columns: int, *, sample_bits: int, threshold: int, positive: bool
) -> Symbols | None:
    """The symbols of one packet.

    Parameters
    ----------
    rows, columns : pixels that the payload holds, 1 or more each.
    threshold : T of the specification, 1 or more.
    positive : EDGE with threshold_mode POSITIVE: symbols carry no sign.

    Returns
    -------
    int32[rows, columns], codes, -full scale to full scale; None where the payload is not one of so many pixels: too
    short, bytes left over, filled up with other than zeros, a run beyond the row, or a symbol out of range.
    """
    try:
        return _symbols(_Bits(payload), rows, columns, sample_bits, threshold, positive)
    except _NotACode:
        return None


def _symbols(bits: _Bits, rows: int, columns: int, sample_bits: int, threshold: int, positive: bool) -> Symbols:
    full_scale = (1 << sample_bits) - 1
    found = np.zeros((rows, columns), np.int32)
    mean, zeros = list(starting_means(sample_bits)), [ZEROS_START] * CONTEXTS
    run_index = 0
    for row in range(rows):
        column = nearer = farther = 0
        while column < columns:
            context = min((2 * nearer + farther).bit_length(), CONTEXTS - 1)
            parameter = (mean[context] >> PARAMETER_SHIFT).bit_length()
            number: int | None  # m of the specification; None for a symbol that is 0
            if context == 0:
                if bits.number(1):
                    run, left = 1 << RUN_BITS[run_index], columns - column
                    if run <= left:
                        run_index = min(run_index + 1, len(RUN_BITS) - 1)
                    column += min(run, left)
                    continue
                column += bits.number(RUN_BITS[run_index])
                if column >= columns:
                    raise _NotACode
                run_index = max(run_index - 1, 0)
                number = bits.rice(parameter, sample_bits)
            elif parameter and zeros[context] < ZEROS_RARE:
                value = bits.rice(parameter, sample_bits)
                number = value - 1 if value else None
            else:
                number = bits.rice(parameter, sample_bits) if bits.number(1) else None

            over = 0
            if number is not None:
                over = 1 + (number if positive else number >> 1)
                size = threshold + over - 1
                if size > full_scale:
                    raise _NotACode
                found[row, column] = -size if number & 1 and not positive else size
                mean[context] += number - (mean[context] >> MEAN_SHIFT)
            if context:
                zeros[context] += (ZEROS_STEP if number is None else 0) - (zeros[context] >> ZEROS_SHIFT)
            nearer, farther = over, nearer
            column += 1
    bits.end()
    return found


def pixels(residuals: Symbols, sample_bits: int) -> npt.NDArray[np.uint16]:
    """uint16[rows, columns], codes: the pixels of one RAW packet from its residuals, int32[rows, columns]."""
    half, mask = 1 << (sample_bits - 1), (1 << sample_bits) - 1
    found: list[list[int]] = []
    for residual_row in residuals.tolist():
        row: list[int] = []
        north = found[-1] if found else None
        for column, residual in enumerate(residual_row):
            if north is None:
                prediction = row[-1] if row else half
            else:
                west = row[-1] if row else north[0]
                east = north[min(column + 1, len(north) - 1)]
                prediction = (2 * west + north[column] + east + 2) >> 2
            row.append((prediction + residual) & mask)
        found.append(row)
    return np.array(found, np.uint16)
