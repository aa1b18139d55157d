"""Golden models of predictor and entropy code: bits worked out by hand, and a naive decoder that reads them back."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeray.protocol.code import MAX_CODE_BITS
from sim.golden import code as golden_code
from sim.golden import compiled
from sim.golden.code import code
from sim.golden.predict import residuals
from sim.golden.stack import StackError
from testbench.stimulus import images, tile
from tests import naive_code
from tests.golden_cases import Array, reproducible, seeds

BITS = (8, 10, 12, 14)
SHAPES = ((1, 4), (1, 1), (8, 9), (32, 32), (3, 201))


def to_bytes(bits: str) -> bytes:
    """Bytes of bits as they travel, with zeros to a whole byte; blanks are for the reader."""
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))


@pytest.mark.parametrize(
    ("rows", "options", "bits"),
    [
        # Runs: four of one zero, and from then on (J[4] = 1) one of two; the row's end cuts the last one.
        ([[0] * 4], {}, "1 1 1 1"),
        ([[0] * 5], {}, "1 1 1 1 1"),
        ([[0] * 6], {}, "1 1 1 1 1"),
        # A cut run leaves i where it is (4 and 6 before rows 2 and 3), a whole one that ends with the row does not.
        ([[0] * 5] * 3, {}, "1 1 1 1 1  1 1 1  1 1 1"),
        ([[0] * 6] * 3, {}, "1 1 1 1 1  1 1 1  1 1"),
        # m = 4, k = 1 (A[0] = 16): u = 2, low bit 0. Then contexts 3 and 2, where zeros have a flag, then a run.
        ([[3, 0, 0, 0]], {}, "0 00 1 0  0  0  1"),
        ([[-3, 0, 0, 0]], {}, "0 00 1 1  0  0  1"),
        ([[3, 0, 0, 0]], {"positive": True}, "0 0 1 0  0  0  1"),
        # The threshold is taken off: m = 2 (18 - 16) + 1, and e = 3 as above.
        ([[-18, 0, 0, 0]], {"threshold": 16}, "0 00 1 1  0  0  1"),
        # A run of one is broken where J = 1: its length in one bit; i goes down to 3, so the next run is of one again.
        ([[0] * 5 + [1], [0] * 6], {}, "1 1 1 1 0 1 1 0  1 1 1 1"),
        # m = 509 is over nine times 2: ten zeros and nine bits. Contexts 9 and 8 follow, then a run.
        ([[-255, 0, 0, 0]], {}, f"0 {'0' * 10} 101111111  0  0  1"),
        # u = 9 is the last one without: m = 18 and 19 (k = 1), m = 20 escapes. They lead to contexts 5 and 4.
        ([[10, 0, 0]], {}, f"0 {'0' * 9} 1 0  0  0"),
        ([[-10, 0, 0]], {}, f"0 {'0' * 9} 1 1  0  0"),
        ([[11, 0, 0]], {}, f"0 {'0' * 10} 001010000  0  0"),
        # Context 4 with A = 32, k = 2: m = 6 leaves k alone. Its Z is 128, 120, ... and 45 after 18 of them: zeros are
        # rare then, and 6 goes as 7, 0 as 0; Z is 60 - 3 - 2 = 57 then, so that a zero has its flag again.
        ([[4] * 20 + [0]], {}, f"0 0001 0 {'1 01 01 ' * 18} 01 11  1 00"),
    ],
)  # fmt: skip
def test_code_bit_by_bit(rows: list[list[int]], options: dict[str, Any], bits: str) -> None:
    assert code(rows, sample_bits=8, **{"threshold": 1, **options}) == to_bytes(bits)


def test_residuals_number_by_number() -> None:
    rows = [[130, 130, 127, 0], [255, 10, 0, 1]]
    assert residuals(rows, 8).tolist() == [
        [130 - 128, 0, 127 - 130, 0 - 127],
        # West and north are 130, north-east 130: 522 / 4. Then 769 / 4 is 192, and 10 - 192 is 74 modulo 256.
        [255 - 130, 10 - 192 + 256, 0 - (2 * 10 + 127 + 0 + 2) // 4, 1 - 0],
    ]
    assert residuals([[0, 128, 255]], 8).tolist() == [[-128, -128, 127]]


def check(symbols: Array, sample_bits: int, threshold: int, positive: bool = False) -> None:
    payload = code(symbols, sample_bits=sample_bits, threshold=threshold, positive=positive)
    found, lengths = naive_code.symbols(
        payload, *symbols.shape, sample_bits=sample_bits, threshold=threshold, positive=positive
    )
    assert found == symbols.tolist()
    assert max(lengths) <= MAX_CODE_BITS


@reproducible
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(BITS),
    st.sampled_from((1, 2, 16, 255)),
    st.booleans(),
    st.sampled_from((0.0, 0.02, 0.3, 1.0)),
    st.sampled_from((0.001, 0.05, 2.0)),
    seeds,
)
@example((1, 4000), 14, 1, False, 0.002, 2.0, 1)  # long runs, broken by what escapes
def test_random_symbols_come_back(
    shape: tuple[int, int], sample_bits: int, threshold: int, positive: bool, share: float, spread: float, seed: int
) -> None:
    noise, full = np.random.default_rng(seed), (1 << sample_bits) - 1
    sizes = np.minimum(threshold + noise.exponential(spread * full, shape).astype(int), full)
    signs = 1 if positive else noise.choice((-1, 1), shape)
    check(np.where(noise.random(shape) < share, sizes * signs, 0), sample_bits, threshold, positive)


@pytest.mark.parametrize("sample_bits", BITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_extreme_and_real_images_come_back(shape: tuple[int, int], sample_bits: int) -> None:
    chances, full = random.Random(sample_bits), (1 << sample_bits) - 1
    for image in (*images(*shape, sample_bits, chances), *(tile(*shape, sample_bits, chances) for _ in range(3))):
        symbols = residuals(image, sample_bits)
        assert naive_code.pixels(symbols.tolist(), sample_bits) == image.tolist()
        check(symbols, sample_bits, 1)
        # The image as responses: of both signs, and over a threshold.
        for threshold in (1, full // 16):
            kept = np.where(image >= threshold, image, 0)
            check(kept, sample_bits, threshold, positive=True)
            check(kept * np.where(np.indices(shape).sum(axis=0) % 3, 1, -1), sample_bits, threshold)


@reproducible
@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from(BITS), seeds)
def test_random_pixels_come_back(rows: int, columns: int, sample_bits: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 1 << sample_bits, (rows, columns))
    assert naive_code.pixels(residuals(image, sample_bits).tolist(), sample_bits) == image.tolist()


def test_the_longest_code_is_as_long_as_said() -> None:
    # Zeros until a run of 64 costs one bit, 63 more, and then all there is to say of the largest number of 14 bits.
    zeros = 4 * (1 + 2 + 4 + 8) + 2 * (16 + 32 + 64) + 63
    payload = code([[0] * zeros + [-(2**14 - 1)]], sample_bits=14, threshold=1)
    found, lengths = naive_code.symbols(payload, 1, zeros + 1, sample_bits=14, threshold=1)
    assert found[0][-1] == -(2**14 - 1)
    assert max(lengths) == MAX_CODE_BITS == 1 + 6 + 10 + 15


@pytest.mark.skipif(not compiled.COMPILED, reason="numba is not installed, or switched off")
def test_compiled_and_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [(bits, residuals(frame, bits)) for bits in BITS for frame in images(9, 31, bits, random.Random(bits))]
    payloads = [code(symbols, sample_bits=bits, threshold=1) for bits, symbols in frames]
    for name in ("_write", "_rice", "_bit_length"):
        monkeypatch.setattr(golden_code, name, getattr(golden_code, name).py_func)
    assert [code(symbols, sample_bits=bits, threshold=1) for bits, symbols in frames] == payloads


def test_wrong_symbols_and_pixels_are_named() -> None:
    with pytest.raises(StackError, match="symbols wants 0 or 16 and more, not 15"):
        code([[0, -15, 16]], sample_bits=8, threshold=16)
    with pytest.raises(StackError, match=r"symbols takes 0 to 255, but the value at index \(0, 1\) is -16"):
        code([[0, -16]], sample_bits=8, threshold=16, positive=True)
    with pytest.raises(StackError, match="rows and columns of one packet"):
        code([0, 1], sample_bits=8, threshold=1)
    with pytest.raises(StackError, match="pixels takes 0 to 255"):
        residuals([[256]], 8)
    with pytest.raises(StackError, match="rows and columns of one packet"):
        residuals([1, 2], 8)
