"""Parameters of a build: what is fixed when the gateware is made, as opposed to settings that registers hold."""

from dataclasses import dataclass
from math import ceil, log2

from edgeray.protocol.detector import Detector, GeometryError


@dataclass(frozen=True, kw_only=True)
class Params(Detector):
    """A detector and the size of the gateware that reads it.

    Parameters
    ----------
    rows, columns, guard_ring, sample_bits, kernel_size : see `Detector`.
    multipliers : multipliers of the convolution, 1 (a pixel takes kernel_size**2 clocks) to kernel_size**2 (a pixel a
        clock); 0 stands for the latter.
    adc_latency : clocks from a conversion strobe to its sample at the port.
    clock_frequency : clocks a second, the tick rate that frames carry.
    buffer_bytes : packet buffer, a power of two; 0 stands for the smallest that holds two full packets.

    Raises
    ------
    GeometryError : a value outside these limits.
    """

    multipliers: int = 0
    adc_latency: int = 1
    clock_frequency: int = 24_000_000
    buffer_bytes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("multipliers", 0, self.kernel_size**2)
        self._check("adc_latency", 0, 16)
        self._check("clock_frequency", 1, 2**32 - 1)
        if not self.multipliers:
            object.__setattr__(self, "multipliers", self.kernel_size**2)
        if not self.buffer_bytes:
            object.__setattr__(self, "buffer_bytes", 1 << ceil(log2(2 * self.packet_bytes)))
        if self.buffer_bytes & (self.buffer_bytes - 1) or self.buffer_bytes < 2 * self.packet_bytes:
            raise GeometryError(
                f"buffer_bytes must be a power of two of at least {2 * self.packet_bytes}, not {self.buffer_bytes}"
            )

    @property
    def steps(self) -> int:
        """Clocks that the convolution takes for one pixel."""
        return ceil(self.kernel_size**2 / self.multipliers)
