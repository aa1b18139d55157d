"""The stages that drive chips: no limit is broken at any clock frequency, and what they cannot do is refused."""

from dataclasses import replace
from math import floor

import numpy as np
import pytest

from edgeray.protocol.detector import GeometryError
from hdl.ad7476a import AD7476A
from hdl.bias import Bias
from hdl.max11123 import MAX11123, MAX11125
from hdl.params import Params
from hdl.timing import PADS_AND_BOARD, clocks
from sim.golden.bias import bias
from sim.golden.stack import StackError
from testbench.chips import ad7476a, ltc2668, max11125

PARAMS = Params(rows=4, columns=4, guard_ring=0, sample_bits=8)
FREQUENCIES = [*range(12_000_000, 150_500_000, 500_000), 16_666_667, 33_333_333, 66_666_667]
TOLERANCE = 1e-3


@pytest.mark.parametrize("nanoseconds", [1, 9.5, 31.25, 50, 1000])
def test_clocks_last_long_enough_and_no_longer(nanoseconds: float) -> None:
    for frequency in FREQUENCIES:
        count = clocks(nanoseconds, frequency)
        assert count * 1e9 / frequency >= nanoseconds - TOLERANCE
        assert count == 1 or (count - 1) * 1e9 / frequency < nanoseconds


def test_ad7476a_at_every_frequency() -> None:
    for frequency in FREQUENCIES:
        stage = AD7476A(replace(PARAMS, clock_frequency=frequency))
        half = stage.half * 1e9 / frequency
        fall, end, start = 31 * half, 32 * half, stage.halves * half
        least = (
            (2 * half, max(ad7476a.SHORTEST_PERIOD, ad7476a.T4 + PADS_AND_BOARD)),
            (half, ad7476a.T2),
            (start - end, ad7476a.T1),
            (start - fall, ad7476a.T8 + ad7476a.QUIET),
            (start - 26 * half, ad7476a.ACQUISITION),
            (start, max(ad7476a.CYCLE, ad7476a.POWER_UP)),
            (2 * half, 2 * ad7476a.APERTURE),
        )
        assert all(time >= limit - TOLERANCE for time, limit in least), frequency
        # No slower than SCLK's divider makes it: a half more than the longest of the limits.
        assert stage.halves <= max(33, floor(max(1000, 26 * half + 250, fall + 86) / half) + 1)


def test_max11125_at_every_frequency() -> None:
    for frequency in FREQUENCIES:
        stage = MAX11125(replace(PARAMS, clock_frequency=frequency))
        half = stage.half * 1e9 / frequency
        lead = (stage.halves - 1) * half
        least = (
            (2 * half, max11125.SHORTEST_PERIOD),
            (half, max11125.TDOT_MAX + PADS_AND_BOARD),
            (half, max(max11125.TCSS, max11125.TDS, max11125.TDH)),
            (lead - 32 * half, max11125.TCSBW),
            (lead - 27 * half, max11125.ACQUISITION),
        )
        assert all(time >= limit - TOLERANCE for time, limit in least), frequency
        assert 2 * half <= max11125.LONGEST_PERIOD


def test_ltc2668_at_every_frequency() -> None:
    for frequency in FREQUENCIES:
        half = Bias(replace(PARAMS, clock_frequency=frequency)).half * 1e9 / frequency
        limits = (ltc2668.T1, ltc2668.T2, ltc2668.T3, ltc2668.T4, ltc2668.T5, ltc2668.T6, ltc2668.T7, ltc2668.T10)
        assert half >= 2 * max(limits) - TOLERANCE


@pytest.mark.parametrize(
    ("stage", "bits", "frequency", "says"),
    [
        (AD7476A, 13, 24_000_000, "sample_bits takes up to 12 with the AD7476A, not 13"),
        (MAX11125, 14, 24_000_000, "sample_bits takes up to 12 with the MAX11125, not 14"),
        (MAX11123, 9, 24_000_000, "sample_bits takes up to 8 with the MAX11123, not 9"),
        (AD7476A, 12, 999_999, "clock_frequency takes 1000000 to 200000000 with the AD7476A, not 999999"),
        (MAX11123, 8, 200_000_001, "with the MAX11123, not 200000001"),
        (Bias, 8, 1, "with the LTC2668, not 1"),
    ],
)
def test_refusals(stage: type, bits: int, frequency: int, says: str) -> None:
    with pytest.raises(GeometryError, match=says):
        stage(replace(PARAMS, sample_bits=bits, clock_frequency=frequency, buffer_bytes=0))


def test_golden_bias_by_hand() -> None:
    codes = bias(
        [[0, 64, -64, 1, -1], [127, -128, 127, -128, 3]],
        zero=np.full((2, 5), 1000),
        span_positive=[[5, 640, 5, 63, 5], [32767, 5, -32768, 5, -1]],
        span_negative=[[5, 5, -640, 5, -63], [5, 32767, 5, -32768, 5]],
    )
    assert codes.tolist() == [[1000, 1640, 360, 1000, 999], [65535, 65535, 0, 0, 999]]


def test_golden_bias_refuses() -> None:
    good = {"zero": [0], "span_positive": [0], "span_negative": [0]}
    assert bias([1], **good).tolist() == [0]
    for wrong in ({"zero": [65536]}, {"span_positive": [32768]}, {"span_negative": [-32769]}, {"zero": [0, 0]}):
        with pytest.raises(StackError):
            bias([1], **{**good, **wrong})
    with pytest.raises(StackError, match="weights"):
        bias([128], **good)
