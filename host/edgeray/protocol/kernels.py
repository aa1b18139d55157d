"""Convolution kernels: integer weights and a power-of-two scale, as the gateware computes them.

The response at a pixel is round_half_up(sum(weights * neighbourhood) / 2**shift): a correlation, weights laid over the
pixels as the sub-pixel biases are (no flip). A positive weight is a forward bias, a negative one a reverse bias.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.errors import EdgerayError
from edgeray.protocol.packets import WEIGHT_BITS
from edgeray.protocol.registers import BY_NAME, MAX_KERNEL_SIZE

WEIGHT_MIN, WEIGHT_MAX = -(1 << (WEIGHT_BITS - 1)), (1 << (WEIGHT_BITS - 1)) - 1
SHIFT_MAX = BY_NAME["kernel_shift"].maximum


class KernelError(EdgerayError, ValueError):
    """A kernel that no board can hold; names it and the wrong weight."""


@dataclass(frozen=True)
class Kernel:
    """A square kernel of odd size.

    Parameters
    ----------
    name : what users call it.
    weights : rows of integers, WEIGHT_MIN to WEIGHT_MAX.
    shift : the sum is divided by 2**shift, 0 to SHIFT_MAX.
    source : where the weights come from.

    Raises
    ------
    KernelError : not square, of even size, larger than MAX_KERNEL_SIZE, or a weight or shift out of range.
    """

    name: str
    weights: tuple[tuple[int, ...], ...]
    shift: int = 0
    source: str = "user"

    def __post_init__(self) -> None:
        size = len(self.weights)
        if any(len(row) != size for row in self.weights) or size % 2 == 0 or size > MAX_KERNEL_SIZE:
            raise KernelError(f"kernel {self.name!r}: needs 1, 3 or 5 rows of as many weights")
        for weight in self.flat:
            if not isinstance(weight, int) or not WEIGHT_MIN <= weight <= WEIGHT_MAX:
                raise KernelError(
                    f"kernel {self.name!r}: weight {weight} is not an integer from {WEIGHT_MIN} to {WEIGHT_MAX}"
                )
        if not 0 <= self.shift <= SHIFT_MAX:
            raise KernelError(f"kernel {self.name!r}: shift {self.shift} is not between 0 and {SHIFT_MAX}")

    @property
    def size(self) -> int:
        return len(self.weights)

    @property
    def flat(self) -> tuple[int, ...]:
        return tuple(weight for row in self.weights for weight in row)

    @property
    def array(self) -> npt.NDArray[np.int64]:
        """Weights as int64[size, size]."""
        return np.array(self.weights, dtype=np.int64)

    def padded(self, size: int) -> "Kernel":
        """The same kernel with a border of zeros, for a board built for `size`; KernelError where it does not fit."""
        margin, odd = divmod(size - self.size, 2)
        if margin < 0 or odd:
            raise KernelError(f"kernel {self.name!r} is {self.size}x{self.size}; this board convolves {size}x{size}")
        weights = np.pad(self.array, margin).tolist()
        return Kernel(self.name, tuple(map(tuple, weights)), self.shift, self.source)

    @classmethod
    def quantise(cls, name: str, weights: npt.ArrayLike, source: str = "user") -> "Kernel":
        """The kernel nearest to real-valued `weights` (float[n, n]), with the largest shift that still fits.

        Raises KernelError where a weight is not finite or is over WEIGHT_MAX even without a scale.
        """
        try:
            real = np.asarray(weights, dtype=float)
        except (TypeError, ValueError):
            raise KernelError(f"kernel {name!r}: needs a square of finite numbers") from None
        if real.ndim != 2 or not np.isfinite(real).all():
            raise KernelError(f"kernel {name!r}: needs a square of finite numbers")
        # What is far too large stays so at any scale, and no longer overflows.
        real = np.clip(real, 2 * WEIGHT_MIN, 2 * WEIGHT_MAX)
        for shift in range(SHIFT_MAX, -1, -1):
            scaled = np.rint(real * 2**shift)
            if scaled.max(initial=0) <= WEIGHT_MAX and scaled.min(initial=0) >= WEIGHT_MIN:
                return cls(name, tuple(tuple(map(int, row)) for row in scaled), shift, source)
        raise KernelError(f"kernel {name!r}: a weight is outside {WEIGHT_MIN} to {WEIGHT_MAX}")


_PAPER = "in-X-ray-detector computing with a CsPbBr3 single-crystal detector"
_KIRSCH = "R. Kirsch, Comput. Biomed. Res. 4, 315 (1971)"
_COMPASS = ("n", "nw", "w", "sw", "s", "se", "e", "ne")
# The eight outer weights in the order of _COMPASS, as positions (row, column).
_RING = ((0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2))


def _kirsch(direction: int) -> Kernel:
    """Three neighbours around `direction` weigh 5, the other five -3; scaled by 1/16."""
    weights = [[0, -3, 0] for _ in range(3)]
    for step, (row, column) in enumerate(_RING):
        weights[row][column] = 5 if (step - direction) % 8 in (7, 0, 1) else -3
    weights[1][1] = 0
    return Kernel(f"kirsch-{_COMPASS[direction]}", tuple(map(tuple, weights)), 4, _KIRSCH)


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel("identity", ((0, 0, 0), (0, 1, 0), (0, 0, 0)), 0, _PAPER + ": the kernel of plain imaging"),
        Kernel("laplacian", ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), 3, _PAPER + ": centre forward, eight at -1/8"),
        Kernel("laplacian-4", ((0, -1, 0), (-1, 4, -1), (0, -1, 0)), 2, "5-point stencil"),
        Kernel("log",
               ((0, 0, -1, 0, 0), (0, -1, -2, -1, 0), (-1, -2, 16, -2, -1), (0, -1, -2, -1, 0), (0, 0, -1, 0, 0)),
               4, "Laplacian of Gaussian, the usual 5x5 integer approximation"),
        # 57/512 is 1/9 to 0.2 %; 56 in the centre makes the sum exactly 512, so that a flat field stays as it is.
        Kernel("mean", ((57, 57, 57), (57, 56, 57), (57, 57, 57)), 9, _PAPER + ": mean filtering"),
        Kernel("gaussian", ((1, 2, 1), (2, 4, 2), (1, 2, 1)), 4, "binomial [1 2 1] x [1 2 1]"),
        Kernel("sobel-x", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), 2, "I. Sobel, G. Feldman (1968)"),
        Kernel("sobel-y", ((-1, -2, -1), (0, 0, 0), (1, 2, 1)), 2, "I. Sobel, G. Feldman (1968)"),
        Kernel("prewitt-x", ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)), 2, "J. M. S. Prewitt (1970)"),
        Kernel("prewitt-y", ((-1, -1, -1), (0, 0, 0), (1, 1, 1)), 2, "J. M. S. Prewitt (1970)"),
        *(_kirsch(direction) for direction in range(8)),
    )
}  # fmt: skip
