"""Parameters of a build: what is fixed when the gateware is made, as opposed to settings that registers hold."""

from dataclasses import dataclass
from math import ceil, log2

from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.packets import WORD_BITS, meta_payload_size

HEADER_WORDS = 2
"""Words of the packet buffer that a packet's header takes."""


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
    roic_pga : the readout chip amplifies by `pga_gain`, which it gets on its own lines; else the gateware does.
    bias_dac : a digital-to-analogue converter sets the bias voltages of the sub-pixels to the kernel's weights.
    upload : a memory for one frame of samples from the host.
    audit : keep the pixels of a frame in a memory, so that audit frames can be sent.
    buffer_bytes : packet buffer, a power of two; 0 stands for the smallest that a frame fits in whatever its pixels.

    Raises
    ------
    GeometryError : a value outside these limits.
    """

    multipliers: int = 0
    adc_latency: int = 1
    clock_frequency: int = 24_000_000
    roic_pga: bool = False
    bias_dac: bool = False
    upload: bool = False
    audit: bool = True
    buffer_bytes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("multipliers", 0, self.kernel_size**2)
        self._check("adc_latency", 0, 16)
        self._check("clock_frequency", 1, 2**32 - 1)
        if not self.multipliers:
            object.__setattr__(self, "multipliers", self.kernel_size**2)
        least = self.frame_words(audit=self.audit) * WORD_BITS // 8
        if not self.buffer_bytes:
            object.__setattr__(self, "buffer_bytes", 1 << ceil(log2(least)))
        if self.buffer_bytes & (self.buffer_bytes - 1) or self.buffer_bytes < least:
            raise GeometryError(f"buffer_bytes must be a power of two of at least {least}, not {self.buffer_bytes}")

    @property
    def payload_words(self) -> int:
        """Words of a packet's longest payload."""
        return ceil(self.payload_bytes(min(self.rows, self.rows_per_packet)) * 8 / WORD_BITS)

    @property
    def meta_words(self) -> int:
        """Words of a META payload."""
        return meta_payload_size(self.kernel_size) * 8 // WORD_BITS

    def frame_words(self, *, audit: bool) -> int:
        """Words of the packet buffer that a frame and its META can take, an audit frame with its pixels.

        A packet has its header and room for its payload twice, in code and at fixed width.
        """
        packets = self.packets * (2 if audit else 1)
        return HEADER_WORDS + self.meta_words + packets * (HEADER_WORDS + 2 * self.payload_words)

    @property
    def steps(self) -> int:
        """Clocks that the convolution takes for one pixel."""
        return ceil(self.kernel_size**2 / self.multipliers)
