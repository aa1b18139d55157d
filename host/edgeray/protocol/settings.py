"""The settings of a readout: one value for every setting register, checked against a detector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from operator import index

from edgeray.protocol.detector import Detector
from edgeray.protocol.errors import EdgerayError
from edgeray.protocol.kernels import KERNELS, Kernel, KernelError
from edgeray.protocol.registers import BY_NAME, Polarity, ReadoutMode, SampleSource, ThresholdMode, TriggerMode


class SettingError(EdgerayError, ValueError):
    """A setting that the board or its detector cannot take; names the setting, the value and the limits."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings in the units of their registers (ticks, codes, frames); see `edgeray.protocol.registers`.

    `kernel` stands for the registers kernel_weights and kernel_shift; every other field is the register of its name.
    """

    trigger_mode: TriggerMode = TriggerMode.INTERNAL
    nimages: int = 1
    count_time: int = 1
    frame_time: int = 0
    reset_time: int = 1
    sample_reset_time: int = 1
    sample_signal_time: int = 1
    gap_time: int = 1
    row_settle_time: int = 0
    column_settle_time: int = 0
    bias_settle_time: int = 0
    sample_source: SampleSource = SampleSource.ADC
    cds_enabled: bool = True
    cds_polarity: Polarity = Polarity.SIGNAL_MINUS_RESET
    pga_gain: int = 0
    pga_offset: int = 0
    correction_enabled: bool = False
    readout_mode: ReadoutMode = ReadoutMode.EDGE
    stride: int = 1
    threshold_mode: ThresholdMode = ThresholdMode.ABSOLUTE
    edge_threshold: int = 16
    meta_period: int = 16
    audit_period: int = 0
    kernel: Kernel = KERNELS["laplacian"]

    def registers(self, detector: Detector) -> Iterator[tuple[int, int]]:
        """(address, value) of every setting register of a board with `detector`.

        Raises SettingError where a value is outside its register, the stride does not fit the detector, or the kernel
        is larger than the board's.
        """
        for one in fields(self):
            if one.name == "kernel":
                continue
            register = BY_NAME[one.name]
            try:
                value = index(getattr(self, one.name))
            except TypeError:
                raise SettingError(f"{one.name} takes a whole number, not {getattr(self, one.name)!r}") from None
            allowed = detector.strides if one.name == "stride" else register.choices
            if not register.accepts(value) or (allowed and value not in allowed):
                limits = ", ".join(map(str, allowed)) if allowed else f"{register.minimum} to {register.maximum}"
                raise SettingError(f"{one.name} takes {limits}, not {value}")
            yield register.address, value
        try:
            kernel = self.kernel.padded(detector.kernel_size)
        except KernelError as error:
            raise SettingError(str(error)) from None
        yield BY_NAME["kernel_shift"].address, kernel.shift
        for place, weight in enumerate(kernel.flat):
            yield BY_NAME["kernel_weights"].address + place, weight

    @classmethod
    def from_registers(cls, values: Mapping[int, int], detector: Detector) -> "Settings":
        """What `registers` gave: address -> value. A kernel of the library has its name again, another is "board".

        Raises SettingError where a register that these settings have is missing, or holds what no setting can be.
        """
        try:
            said = {
                one.name: type(getattr(cls, one.name))(values[BY_NAME[one.name].address])
                for one in fields(cls)
                if one.name != "kernel"
            }
            size, first = detector.kernel_size, BY_NAME["kernel_weights"].address
            flat = [values[first + place] for place in range(size**2)]
            rows = tuple(tuple(flat[row * size : row * size + size]) for row in range(size))
            there = Kernel("board", rows, values[BY_NAME["kernel_shift"].address], "read from the board")
        except KeyError as error:
            raise SettingError(f"the register at {error.args[0]:#x} is missing") from None
        except ValueError as error:
            raise SettingError(f"the board holds what no setting can be: {error}") from None
        known = (one for one in KERNELS.values() if one.size <= size and one.shift == there.shift)
        kernel = next((one for one in known if one.padded(size).weights == rows), there)
        return cls(**said, kernel=kernel)

    def frame_shape(self, detector: Detector) -> tuple[int, int]:
        """(rows, columns) of the frames that these settings make: a raw frame is always the whole array."""
        return detector.frame_shape(1 if self.readout_mode == ReadoutMode.RAW else self.stride)
