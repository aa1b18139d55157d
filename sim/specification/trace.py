"""The entropy code, walked through pixel by pixel: what the worked examples show.

symbols -> [trace] -> one Step a pixel, whose bits are those of `sim.golden.code`
"""

from collections.abc import Iterator
from typing import NamedTuple

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
from sim.golden.code import code


class Step(NamedTuple):
    """One pixel: its place, its symbol, the state before it, what is written, and the bits of that in their order.

    zeros, parameter : None in run mode where they play no part.
    run, run_index : None outside run mode.
    """

    row: int
    column: int
    symbol: int
    e1: int
    e2: int
    context: int
    mean: int
    zeros: int | None
    parameter: int
    run: int | None
    run_index: int | None
    what: str
    bits: str


def trace(symbols: npt.NDArray[np.integer], *, sample_bits: int, threshold: int, positive: bool = False) -> list[Step]:
    """The steps of one packet's symbols, int[rows, columns]; see `sim.golden.code.code`, whose payload they make up."""
    steps = list(walk(symbols.tolist(), sample_bits, threshold, positive))
    written = "".join(step.bits for step in steps)
    expected = code(symbols, sample_bits=sample_bits, threshold=threshold, positive=positive)
    if to_bytes(written) != expected:
        raise AssertionError("the walk through the code does not write what the golden model writes")
    return steps


def to_bytes(bits: str) -> bytes:
    """Bits in the order in which they are written, with zeros to a whole byte."""
    return bytes(int(bits[place : place + 8][::-1].zfill(8), 2) for place in range(0, len(bits), 8))


def walk(rows: list[list[int]], sample_bits: int, threshold: int, positive: bool) -> Iterator[Step]:
    """The steps of these symbols, whatever their range: also of a code that no board sends."""
    mean, zeros, i = list(starting_means(sample_bits)), [ZEROS_START] * CONTEXTS, 0
    for y, row in enumerate(rows):
        e1 = e2 = run = 0
        for x, s in enumerate(row):
            m = abs(s) - threshold if positive else 2 * (abs(s) - threshold) + (s < 0)
            c = min((2 * e1 + e2).bit_length(), CONTEXTS - 1)
            k = (mean[c] >> PARAMETER_SHIFT).bit_length()
            mean_before, zeros_before, run_before, i_before = mean[c], zeros[c], run, i
            if c:
                what, bits = _in_context(s, m, k, zeros[c], sample_bits)
            elif s:
                what, bits = _rice(m, k, sample_bits)
                length = f", {run} in {RUN_BITS[i]} bits" if RUN_BITS[i] else ""
                what, bits = f"run ends: `0`{length}, {what}", "0" + _number(run, RUN_BITS[i]) + bits
                run, i = 0, max(i - 1, 0)
            else:
                run += 1
                whole, last = run == 1 << RUN_BITS[i], x == len(row) - 1
                what, bits = ("whole run" if whole else "row ends", "1") if whole or last else ("", "")
                if whole:
                    run, i = 0, min(i + 1, len(RUN_BITS) - 1)
            zeros_shown, run_shown, i_shown = (zeros_before, None, None) if c else (None, run_before, i_before)
            yield Step(y, x, s, e1, e2, c, mean_before, zeros_shown, k, run_shown, i_shown, what, bits)
            if s:
                mean[c] += m - (mean[c] >> MEAN_SHIFT)
            if c:
                zeros[c] += (0 if s else ZEROS_STEP) - (zeros[c] >> ZEROS_SHIFT)
            e1, e2 = abs(s) - threshold + 1 if s else 0, e1


def _in_context(s: int, m: int, k: int, zeros: int, sample_bits: int) -> tuple[str, str]:
    if k and zeros < ZEROS_RARE:
        what, bits = _rice(m + 1 if s else 0, k, sample_bits)
        return f"zeros rare: {what}", bits
    if not s:
        return "flag `0`", "0"
    what, bits = _rice(m, k, sample_bits)
    return f"flag `1`, {what}", "1" + bits


def _rice(n: int, k: int, sample_bits: int) -> tuple[str, str]:
    if n >> k < ESCAPE_ZEROS:
        return f"Rice({n}, {k})", "0" * (n >> k) + "1" + _number(n, k)
    return f"Rice({n}, {k}), escape", "0" * ESCAPE_ZEROS + _number(n, sample_bits + 1)


def _number(value: int, bits: int) -> str:
    """The low `bits` bits of `value`, least significant first."""
    return "".join(str(value >> place & 1) for place in range(bits))
