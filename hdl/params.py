"""Parameters of a build: what is fixed when the gateware is made, as opposed to settings that registers hold."""

from dataclasses import dataclass
from math import ceil, log2

from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.packets import WORD_BITS, meta_payload_size
from edgeray.protocol.registers import BY_NAME

_LEAST_PACKETS = 16
"""Packets that the buffer has headers for, where a frame does not need more."""


@dataclass(frozen=True, kw_only=True)
class Params(Detector):
    """A detector and the size of the gateware that reads it.

    Parameters
    ----------
    rows, columns, guard_ring, sample_bits, kernel_size : see `Detector`.
    multipliers : multipliers of the convolution, 1 (a pixel takes kernel_size**2 + 1 clocks) to kernel_size**2 (a pixel
        a clock); 0 stands for the latter.
    adc_latency : clocks from a conversion strobe to its sample at the port.
    clock_frequency : clocks a second, the tick rate that frames carry.
    roic_pga : the readout chip amplifies by `pga_gain`, which it gets on its own lines; else the gateware does.
    bias_dac : a digital-to-analogue converter sets the bias voltages of the sub-pixels to the kernel's weights.
    upload : a memory for one frame of samples from the host.
    audit : keep the pixels of a frame in a memory, so that audit frames can be sent.
    byte_clocks : clocks that the link takes for a byte at least: 1, 2, 4 or 8; with more of them the sender is smaller.
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
    byte_clocks: int = 1
    buffer_bytes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("multipliers", 0, self.kernel_size**2)
        self._check("adc_latency", 0, 16)
        self._check("clock_frequency", 1, 2**32 - 1)
        if self.byte_clocks not in (1, 2, 4, 8):
            raise GeometryError(f"byte_clocks must be 1, 2, 4 or 8, not {self.byte_clocks}")
        if not self.multipliers:
            object.__setattr__(self, "multipliers", self.kernel_size**2)
        least = 2 * self.coded_words(audit=self.audit) * WORD_BITS // 8
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

    def frame_packets(self, *, audit: bool) -> int:
        """Packets of a frame without its META, of an audit frame with its pixels."""
        return self.packets * (2 if audit else 1)

    def fixed_words(self, *, audit: bool) -> int:
        """Words of the packet buffer that a frame can take at fixed width."""
        return self.frame_packets(audit=audit) * self.payload_words

    def coded_words(self, *, audit: bool) -> int:
        """Words of the packet buffer that a frame and its META can take in code."""
        return self.meta_words + self.fixed_words(audit=audit)

    @property
    def ring_words(self) -> int:
        """Words that the packet buffer holds in code, and as many at fixed width."""
        return self.buffer_bytes * 8 // WORD_BITS // 2

    @property
    def buffer_packets(self) -> int:
        """Packets that the buffer has headers for, a power of two: two frames of any build."""
        return max(_LEAST_PACKETS, 1 << ceil(log2(2 * (1 + self.frame_packets(audit=self.audit)))))

    @property
    def steps(self) -> int:
        """Groups that the convolution cuts a pixel's weights into; it takes a group a clock."""
        return ceil(self.kernel_size**2 / self.multipliers)

    @property
    def uart_divisor(self) -> int:
        """The register of that name after reset: 1 Mbaud, as nearly as this clock can make it."""
        return max(BY_NAME["uart_divisor"].least, round(self.clock_frequency / 1_000_000))

    @property
    def is_pipelined(self) -> bool:
        """More registers, for a faster clock; a build with one multiplier has fewer, for fewer logic cells."""
        return self.multipliers > 1
