"""Golden models of the stages before the window, against slow loops over single pixels in Python's integers."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeray.correction import CorrectionError, CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import CORRECTION_ENTRY, Polarity
from sim.golden.cds import cds
from sim.golden.correct import correct
from sim.golden.fixed_point import clip, round_half_up
from sim.golden.pga import pga
from sim.golden.sensor import sensor
from sim.golden.stack import StackError
from tests.golden_cases import Array, detectors, image, reproducible, seeds


def limited(value: int, low: int, high: int) -> int:
    return low if value < low else high if value > high else value


@reproducible
@given(st.lists(st.integers(-(2**40), 2**40), min_size=1), st.integers(0, 15))
def test_rounding_is_half_up_of_the_exact_fraction(values: list[int], bits: int) -> None:
    exact = [floor(Fraction(value, 2**bits) + Fraction(1, 2)) for value in values]
    assert round_half_up(np.array(values), bits).tolist() == exact


def test_halves_go_up_on_both_sides_of_zero() -> None:
    assert round_half_up(np.array([-3, -1, 1, 3]), 1).tolist() == [-1, 0, 1, 2]


def test_clip_flags_only_what_it_changed() -> None:
    clipped, changed = clip(np.array([-6, -5, 0, 5, 6]), -5, 5)
    assert clipped.tolist() == [-5, -5, 0, 5, 5]
    assert changed.tolist() == [True, False, False, False, True]


@reproducible
@given(detectors(), seeds, st.booleans(), st.sampled_from(Polarity))
def test_cds(detector: Detector, seed: int, enabled: bool, polarity: Polarity) -> None:
    reset, signal = image(detector, seed), image(detector, seed + 1)
    full = detector.full_scale
    values, railed = cds(reset, signal, sample_bits=detector.sample_bits, enabled=enabled, polarity=polarity)
    for place in np.ndindex(reset.shape):
        r, s = int(reset[place]), int(signal[place])
        if polarity == Polarity.SIGNAL_MINUS_RESET:
            expected = s - r if enabled else s
        else:
            expected = r - s if enabled else full - s
        assert values[place] == expected
        assert railed[place] == (s in (0, full) or (enabled and r in (0, full)))


@reproducible
@given(detectors(), seeds, st.integers(0, 5), st.integers(-(2**15), 2**15 - 1))
def test_pga(detector: Detector, seed: int, gain: int, offset: int) -> None:
    differences = image(detector, seed).astype(int) - image(detector, seed + 1)
    pixels, saturated = pga(differences, sample_bits=detector.sample_bits, gain=gain, offset=offset)
    for place in np.ndindex(differences.shape):
        exact = int(differences[place]) * 2**gain + offset
        assert pixels[place] == limited(exact, 0, detector.full_scale)
        assert saturated[place] == (exact < 0 or exact > detector.full_scale)


def random_table(detector: Detector, seed: int, masked_share: float) -> CorrectionTable:
    """Entries around 0 and 1.0 and at every limit."""
    random = np.random.default_rng(seed)
    shape = (detector.rows, detector.columns)
    offset = np.where(random.random(shape) < 0.2, random.choice((-(2**15), 2**15 - 1), shape), random.integers(-50, 50))
    gain = np.where(random.random(shape) < 0.2, random.choice((0, 4095), shape), random.integers(900, 1150, shape))
    return CorrectionTable(offset, gain, random.random(shape) < masked_share)


def corrected_by_hand(pixels: Array, detector: Detector, table: CorrectionTable) -> tuple[Array, Array]:
    """One frame, pixel after pixel, as the rule is told."""
    result, saturated, last_good = np.zeros(pixels.shape, int), np.zeros(pixels.shape, bool), 0
    ring = detector.guard_ring
    for row in range(detector.rows):
        for column in range(detector.columns):
            if table.masked[row, column]:
                result[row, column] = last_good
                continue
            difference = int(pixels[row, column]) - int(table.offset[row, column])
            exact = floor(Fraction(difference * int(table.gain[row, column]), 1024) + Fraction(1, 2))
            result[row, column] = limited(exact, 0, detector.full_scale)
            saturated[row, column] = exact != result[row, column]
            if ring <= row < detector.rows - ring and ring <= column < detector.columns - ring:
                last_good = int(result[row, column])
    return result, saturated


@reproducible
@given(detectors(), seeds, st.sampled_from((0.0, 0.1, 0.6, 1.0)))
def test_correct(detector: Detector, seed: int, masked_share: float) -> None:
    frames, table = image(detector, seed, frames=2), random_table(detector, seed, masked_share)
    pixels, saturated = correct(frames, detector=detector, enabled=True, table=table)
    for index, frame in enumerate(frames):
        expected, clipped = corrected_by_hand(frame, detector, table)
        assert np.array_equal(pixels[index], expected)
        assert np.array_equal(saturated[index], clipped)


def test_masked_pixels_take_the_last_good_imaging_pixel() -> None:
    detector = Detector(rows=4, columns=5)
    frame = np.arange(10, 30).reshape(1, 4, 5)
    masked = np.zeros((4, 5), bool)
    masked[0, 1] = masked[1, 1] = True  # guard and imaging pixel with nothing good before: the guard's 10 never counts
    masked[1, 3] = masked[1, 4] = masked[2, 1] = True  # a run, over a guard pixel that is good and one that is not
    neutral = CorrectionTable.neutral(detector)
    table = CorrectionTable(neutral.offset, neutral.gain, masked)
    pixels, saturated = correct(frame, detector=detector, enabled=True, table=table)
    assert pixels[0].tolist() == [
        [10, 0, 12, 13, 14],
        [15, 0, 17, 17, 17],
        [20, 17, 22, 23, 24],
        [25, 26, 27, 28, 29],
    ]
    assert not saturated.any()


@pytest.mark.parametrize("enabled", [False, True])
def test_neutral_table_and_disabled_correction_change_nothing(enabled: bool) -> None:
    detector = Detector()
    frames = image(detector, 3, frames=2)
    table = CorrectionTable.neutral(detector) if enabled else random_table(detector, 3, 0.3)
    pixels, saturated = correct(frames, detector=detector, enabled=enabled, table=table)
    assert np.array_equal(pixels, frames)
    assert not saturated.any()


def test_table_entries_are_the_wire_layout_in_raster_order() -> None:
    detector = Detector(rows=3, columns=5)
    table = random_table(detector, 7, 0.5)
    expected = [
        int.from_bytes(CORRECTION_ENTRY.pack({
            "offset": int(table.offset[place]),
            "gain": int(table.gain[place]),
            "reserved": 0,
            "masked": int(table.masked[place]),
        }), "little")
        for place in np.ndindex(table.shape)
    ]  # fmt: skip
    assert table.entries().tolist() == expected
    assert table.entries().dtype == np.uint32


def test_table_is_a_copy_that_stays() -> None:
    offset = np.zeros((3, 4), int)
    table = CorrectionTable(offset, np.ones((3, 4), int), np.zeros((3, 4), bool))
    offset[:] = 9
    assert not table.offset.any()
    with pytest.raises(ValueError, match="read-only"):
        table.gain[0, 0] = 2


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("offset", 2**15, "offset takes -32768 to 32767, but row 2, column 1 has 32768"),
        ("gain", 4096, "gain takes 0 to 4095, but row 2, column 1 has 4096"),
        ("gain", -1, "row 2, column 1 has -1"),
        ("gain", 1.5, "gain wants an array of integers, not of float64"),
        ("masked", 2, "masked wants an array of booleans"),
    ],
)
def test_table_names_the_wrong_pixel(name: str, wrong: float, message: str) -> None:
    neutral = CorrectionTable.neutral(Detector(rows=3, columns=4))
    arrays = {"offset": neutral.offset, "gain": neutral.gain, "masked": neutral.masked}
    array = arrays[name].astype(type(wrong))
    array[2, 1] = wrong
    with pytest.raises(CorrectionError, match=message):
        CorrectionTable(**(arrays | {name: array}))


def test_table_of_wrong_shape() -> None:
    neutral = CorrectionTable.neutral(Detector(rows=3, columns=4))
    with pytest.raises(
        CorrectionError, match=r"gain wants rows and columns as offset has, \(3, 4\), not shape \(4, 3\)"
    ):
        CorrectionTable(neutral.offset, neutral.gain.T, neutral.masked)
    with pytest.raises(CorrectionError, match="not shape"):
        CorrectionTable(neutral.offset[0], neutral.gain[0], neutral.masked[0])
    detector = Detector(rows=4, columns=4)
    with pytest.raises(CorrectionError, match="4 rows and 4 columns is wanted, not one for 3 and 4"):
        correct(image(detector, 0), detector=detector, enabled=True, table=neutral)


def test_stages_refuse_what_cannot_be() -> None:
    detector = Detector()
    table = CorrectionTable.neutral(detector)
    with pytest.raises(StackError, match=r"values takes -4096 to 4095, but the value at index \(0, 1\) is 4096"):
        pga(np.array([[0, 4096]]), sample_bits=12, gain=0, offset=0)
    with pytest.raises(StackError, match="one shape"):
        cds(np.zeros((2, 3), int), np.zeros((3, 2), int), sample_bits=12, enabled=True, polarity=Polarity(0))
    with pytest.raises(StackError, match=r"32 rows and 32 columns, not an array of shape \(31, 32\)"):
        correct(np.zeros((31, 32), int), detector=detector, enabled=False, table=table)


@reproducible
@given(detectors(), seeds)
def test_sensor(detector: Detector, seed: int) -> None:
    pixels, ring = image(detector, seed)[0], detector.guard_ring
    responses, guard = sensor(pixels, detector=detector)
    for row, column in np.ndindex(pixels.shape):
        inside = ring <= row < detector.rows - ring and ring <= column < detector.columns - ring
        expected = int(pixels[row, column]) - 2 ** (detector.sample_bits - 1) if inside else 0
        assert responses[row, column] == expected
        assert guard[row, column] == (not inside)
