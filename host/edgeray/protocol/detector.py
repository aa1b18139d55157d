"""The detector's geometry and what follows from it for frames and packets, for both ends of the wire."""

from dataclasses import dataclass
from math import ceil, log2

from edgeray.protocol.errors import EdgerayError
from edgeray.protocol.packets import HEADER, MAX_PAYLOAD, meta_payload_size
from edgeray.protocol.registers import Convolution


class GeometryError(EdgerayError, ValueError):
    """A detector that no gateware can be made for, or a readout that the detector cannot do; names the value."""


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One pixel array.

    Parameters
    ----------
    rows, columns : pixels of the detector, guard ring included.
    guard_ring : width in pixels of the outer ring that does not image.
    sample_bits : bits of an ADC sample and of a pixel, 8 to 14.
    kernel_size : rows and columns of the kernel, 3 or 5.
    convolution : where the kernel works; in the SENSOR, every pixel is a macro-pixel and shows its kernel response.

    Raises
    ------
    GeometryError : a value outside these limits, or an array without an imaging pixel.
    """

    rows: int = 32
    columns: int = 32
    guard_ring: int = 1
    sample_bits: int = 12
    kernel_size: int = 3
    convolution: Convolution = Convolution.DIGITAL

    def __post_init__(self) -> None:
        self._check("rows", 1, 4096)
        self._check("columns", 4, 4096)
        self._check("guard_ring", 0, 16)
        self._check("sample_bits", 8, 14)
        if self.kernel_size not in (3, 5):
            raise GeometryError(f"kernel_size takes 3 or 5, not {self.kernel_size!r}")
        if self.imaging_rows < 1 or self.imaging_columns < 1:
            raise GeometryError(
                f"guard_ring {self.guard_ring} leaves no imaging pixel in {self.rows} rows of {self.columns}"
            )

    def _check(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or not low <= value <= high:
            raise GeometryError(f"{name} takes {low} to {high}, not {value!r}")

    @property
    def imaging_rows(self) -> int:
        return self.rows - 2 * self.guard_ring

    @property
    def imaging_columns(self) -> int:
        return self.columns - 2 * self.guard_ring

    @property
    def radius(self) -> int:
        """Pixels from a kernel's centre to its edge."""
        return self.kernel_size // 2

    @property
    def full_scale(self) -> int:
        """Largest sample, pixel and magnitude of a kernel response."""
        return (1 << self.sample_bits) - 1

    @property
    def response_bits(self) -> int:
        """Bits of a signed kernel response."""
        return self.sample_bits + 1

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides that this array can be read with: sliding and, in the gateware, macro-pixels that fit."""
        if self.convolution is Convolution.SENSOR:
            return (1,)
        macro = sorted({3, self.kernel_size})
        return (1, *(stride for stride in macro if stride <= min(self.imaging_rows, self.imaging_columns)))

    def frame_shape(self, stride: int) -> tuple[int, int]:
        """(rows, columns) of an edge frame: the whole array for stride 1, else one pixel a complete macro-pixel."""
        if stride not in self.strides:
            raise GeometryError(f"stride takes one of {self.strides} on this detector, not {stride}")
        if stride == 1:
            return self.rows, self.columns
        return self.imaging_rows // stride, self.imaging_columns // stride

    def payload_bytes(self, rows: int) -> int:
        """Bytes of the longest payload that `rows` rows can need: a kernel response a pixel at fixed width."""
        return -(-rows * self.columns * self.response_bits // 8)

    @property
    def log2_rows(self) -> int:
        """Rows of a packet as a power of two: the frame, or less where its payload would fill over 32 KiB."""
        most = HEADER["log2_rows"].maximum
        exponent = min(most, ceil(log2(self.rows)))
        while exponent and self.payload_bytes(min(self.rows, 1 << exponent)) > MAX_PAYLOAD // 2:
            exponent -= 1
        return exponent

    @property
    def rows_per_packet(self) -> int:
        return 1 << self.log2_rows

    @property
    def packet_bytes(self) -> int:
        """Most payload bytes of one packet."""
        return max(self.payload_bytes(min(self.rows, self.rows_per_packet)), meta_payload_size(self.kernel_size))

    @property
    def packets(self) -> int:
        """Packets of a frame of the whole array."""
        return ceil(self.rows / self.rows_per_packet)
