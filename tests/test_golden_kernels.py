"""The kernel library and its quantiser."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeray.protocol.kernels import KERNELS, SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from tests.golden_cases import Array, reproducible

SMOOTHING = ("identity", "mean", "gaussian")


def test_library_is_complete() -> None:
    assert {"identity", "laplacian", "laplacian-4", "log", "mean", "gaussian", "sobel-x", "sobel-y"} <= set(KERNELS)
    assert sum(name.startswith("prewitt-") for name in KERNELS) == 2
    assert sum(name.startswith("kirsch-") for name in KERNELS) == 8
    assert all(kernel.source and kernel.source != "user" for kernel in KERNELS.values())


@pytest.mark.parametrize("name", KERNELS)
def test_flat_field_stays_or_vanishes(name: str) -> None:
    kernel = KERNELS[name]
    assert kernel.array.sum() == (2**kernel.shift if name in SMOOTHING else 0)


@pytest.mark.parametrize("name", KERNELS)
def test_response_to_a_full_scale_step_fits(name: str) -> None:
    # Larger ones would clip on any image with a sharp edge. Kirsch gains 15/16, the Sobel kernels 1.
    kernel = KERNELS[name]
    assert max(kernel.array.clip(0).sum(), -kernel.array.clip(max=0).sum()) <= 2**kernel.shift * 2


def test_weights_follow_their_sources() -> None:
    assert KERNELS["laplacian"].array[1, 1] / 2 ** KERNELS["laplacian"].shift == 1
    assert KERNELS["laplacian"].array[0, 0] / 2 ** KERNELS["laplacian"].shift == -1 / 8
    assert np.abs(KERNELS["mean"].array / 512 - 1 / 9).max() < 0.002
    for name in ("sobel", "prewitt"):
        across, down = KERNELS[f"{name}-x"].array, KERNELS[f"{name}-y"].array
        assert np.array_equal(across, down.T)
        assert np.array_equal(across, -across[:, ::-1])
        assert (across[:, 2] > 0).all()  # x counts to the right
    for name in ("laplacian", "laplacian-4", "log", "mean", "gaussian"):
        assert np.array_equal(KERNELS[name].array, np.rot90(KERNELS[name].array))


def test_kirsch_directions_are_rotations_of_each_other() -> None:
    ring = [(0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2)]  # from north against the clock
    north = [KERNELS["kirsch-n"].array[place] for place in ring]
    assert north == [5, 5, -3, -3, -3, -3, -3, 5]
    for turn, direction in enumerate(("n", "nw", "w", "sw", "s", "se", "e", "ne")):
        kernel = KERNELS[f"kirsch-{direction}"].array
        assert [kernel[place] for place in ring] == north[-turn:] + north[:-turn]
        assert kernel[1, 1] == 0
    assert np.array_equal(KERNELS["kirsch-w"].array, np.rot90(KERNELS["kirsch-n"].array))


def test_padded_puts_zeros_around() -> None:
    padded = KERNELS["sobel-x"].padded(5)
    assert np.array_equal(padded.array, np.pad(KERNELS["sobel-x"].array, 1))
    assert (padded.shift, KERNELS["log"].padded(5)) == (2, KERNELS["log"])
    with pytest.raises(ValueError, match="'log' is 5x5; this board convolves 3x3"):
        KERNELS["log"].padded(3)


@pytest.mark.parametrize(
    ("weights", "shift", "first"),
    [
        (np.full((3, 3), 1 / 9), 10, 114),
        (KERNELS["laplacian"].array / 8, 6, -8),
        (np.full((3, 3), 127.0), 0, 127),
        (np.full((3, 3), -128.0), 0, -128),
        (np.full((3, 3), -1.0), 7, -128),  # the most negative weight is one further from 0
        (np.full((3, 3), 1.0), 6, 64),
        (np.full((3, 3), 1e-9), SHIFT_MAX, 0),
    ],
)
def test_quantise_takes_the_largest_shift_that_fits(weights: Array, shift: int, first: int) -> None:
    kernel = Kernel.quantise("mine", weights)
    assert (kernel.shift, kernel.flat[0]) == (shift, first)


@reproducible
@given(arrays(np.float64, (3, 3), elements=st.floats(-128, 127)))
def test_quantise_is_within_half_a_step(weights: Array) -> None:
    kernel = Kernel.quantise("mine", weights)
    assert np.abs(kernel.array / 2**kernel.shift - weights).max() <= 0.5 / 2**kernel.shift
    finer = np.rint(weights * 2 ** (kernel.shift + 1))
    assert kernel.shift == SHIFT_MAX or finer.max() > WEIGHT_MAX or finer.min() < WEIGHT_MIN


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[128, 0, 0]] * 3, "'mine': a weight is outside -128 to 127"),
        ([[0, 0, -129]] * 3, "'mine': a weight is outside"),
        ([[0, float("nan"), 0]] * 3, "'mine': needs a square of finite numbers"),
        ([[0, float("inf"), 0]] * 3, "'mine': needs a square of finite numbers"),
        ([1, 2, 3], "'mine': needs a square"),
        ([[1, 2]] * 2, "'mine': needs 1, 3 or 5 rows"),
        ([[1, 2, 3]] * 2, "'mine': needs 1, 3 or 5 rows"),
        ([[1] * 7] * 7, "'mine': needs 1, 3 or 5 rows"),
    ],
)
def test_quantise_refuses(weights: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Kernel.quantise("mine", weights)
