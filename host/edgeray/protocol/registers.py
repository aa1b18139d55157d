"""The register map: every setting and counter of a board, once.

The gateware's register bank, the host's accessors and the reference page are all generated from `REGISTERS`. Values
travel as 32-bit words; signed ones are sign-extended. Settings are written to a shadow copy and come into force
together, between two frames, when `command.apply` is written: the configuration generation then counts one up.
"""

import zlib
from dataclasses import dataclass
from enum import Enum, IntEnum

from edgeray.protocol.layout import Field, Layout
from edgeray.protocol.packets import META, REPLY, WEIGHT_BITS

PRODUCT_ID = int.from_bytes(b"ERAY", "big")
PROTOCOL_VERSION = 3
MAX_KERNEL_SIZE = 5
GAIN_FRACTION_BITS = 10
"""Fraction bits of the gain in a correction table entry: 1.0 is 1024."""
BIAS_FRACTION_BITS = 6
"""Fraction bits of a weight times a span of the bias table: weight 64 adds one span."""


class TriggerMode(IntEnum):
    """What starts a frame of an armed series."""

    INTERNAL = 0
    EXTERNAL = 1
    SOFTWARE = 2


class Polarity(IntEnum):
    """Sign of correlated double sampling: SIGNAL_MINUS_RESET where charge raises the output, else the other."""

    SIGNAL_MINUS_RESET = 0
    RESET_MINUS_SIGNAL = 1


class ReadoutMode(IntEnum):
    """What a frame holds: EDGE the kernel responses over the threshold, RAW the corrected pixels."""

    EDGE = 0
    RAW = 1


class SampleSource(IntEnum):
    """Where samples come from: the ADC, the memory that the host writes by upload_data, or the pattern generator."""

    ADC = 0
    UPLOADED = 1
    PATTERN = 2


class Convolution(IntEnum):
    """Where the kernel works: DIGITAL in the gateware, SENSOR in the detector, by bias voltages.

    A sensor that convolves shows its kernel responses as pixels: half of the full scale stands for 0.
    """

    DIGITAL = 0
    SENSOR = 1


class ThresholdMode(IntEnum):
    """Which kernel responses q are kept: |q| >= T, q >= T, or every one."""

    ABSOLUTE = 0
    POSITIVE = 1
    OFF = 2


class Access(Enum):
    """CONSTANT and STATUS can be read; SETTING is shadowed until applied; DIRECT acts at once; PULSE reads as 0."""

    CONSTANT = "constant"
    STATUS = "status"
    SETTING = "setting"
    DIRECT = "direct"
    PULSE = "pulse"


@dataclass(frozen=True)
class Register:
    """`count` registers of `bits` bits from `address` on.

    A write outside `minimum` .. `maximum` (inclusive) or, where `choices` is given, outside them, is refused by the
    board; `least` raises the minimum of an unsigned register. `unit` is "" for a pure number; `meaning` is the sentence
    that the reference page prints.
    """

    name: str
    address: int
    bits: int
    access: Access
    unit: str
    meaning: str
    signed: bool = False
    count: int = 1
    reset: int = 0
    least: int = 0
    choices: tuple[int, ...] = ()

    @property
    def minimum(self) -> int:
        return min(self.choices) if self.choices else self.least or self.field.minimum

    @property
    def maximum(self) -> int:
        return max(self.choices) if self.choices else self.field.maximum

    @property
    def field(self) -> Field:
        return Field(self.name, self.bits, self.meaning, self.signed)

    def accepts(self, value: int) -> bool:
        return value in self.choices if self.choices else self.minimum <= value <= self.maximum

    def from_word(self, word: int) -> int:
        """The value that a 32-bit word stands for."""
        return word - (1 << 32) if self.signed and word >> 31 else word


def _choices(values: type[IntEnum]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


_CONSTANT, _STATUS, _SETTING = Access.CONSTANT, Access.STATUS, Access.SETTING
_DIRECT, _PULSE = Access.DIRECT, Access.PULSE

COMMAND_BITS = Layout(
    "command",
    (
        Field("arm", 1, "start a series: counters and image_id from 0"),
        Field("disarm", 1, "end the series after the frame under way"),
        Field("trigger", 1, "one frame, where trigger_mode is SOFTWARE"),
        Field("apply", 1, "take over all settings together, between two frames"),
        Field("reserved", 4, "0"),
    ),
)
STATE_BITS = Layout(
    "state",
    (
        Field("armed", 1, "a series is under way"),
        Field("busy", 1, "a frame is being exposed, read or processed"),
        Field("apply_pending", 1, "settings wait for the end of the frame"),
        Field("unsent", 1, "packets of frames wait in the buffer; where 0, all of them precede this reply"),
        Field("reserved", 4, "0"),
    ),
)
CORRECTION_ENTRY = Layout(
    "correction entry",
    (
        Field("offset", 16, "codes subtracted from the pixel", signed=True),
        Field("gain", 12, f"factor in units of 2**-{GAIN_FRACTION_BITS}"),
        Field("reserved", 3, "0"),
        Field("masked", 1, "1: replaced by the last unmasked imaging pixel before it in the frame, 0 without one"),
    ),
)

BIAS_ENTRY = Layout(
    "bias entry",
    (Field("value", 16, "DAC code of weight 0, unsigned, or span: signed codes a 64th of which a weight of 1 adds"),),
)

LAYOUTS = (META, REPLY, COMMAND_BITS, STATE_BITS, CORRECTION_ENTRY, BIAS_ENTRY)
"""What `register_map_hash` covers beside the registers."""

REGISTERS: tuple[Register, ...] = (
    Register("product_id", 0x00, 32, _CONSTANT, "", "'ERAY' in ASCII"),
    Register("protocol_version", 0x01, 16, _CONSTANT, "", "version of packets and registers"),
    Register("register_map_hash", 0x02, 32, _CONSTANT, "", "CRC-32 of the register map"),
    Register("tick_rate", 0x03, 32, _CONSTANT, "Hz", "ticks a second: the clock of all times here"),
    Register("detector_columns", 0x04, 16, _CONSTANT, "pixel", "columns of the detector"),
    Register("detector_rows", 0x05, 16, _CONSTANT, "pixel", "rows of the detector"),
    Register("guard_ring", 0x06, 8, _CONSTANT, "pixel", "width of the outer ring that does not image"),
    Register("sample_bits", 0x07, 8, _CONSTANT, "bit", "bits of a sample"),
    Register("kernel_size", 0x08, 8, _CONSTANT, "pixel", "kernel rows and columns"),
    Register("multipliers", 0x09, 8, _CONSTANT, "", "multipliers of the convolution"),
    Register("buffer_bytes", 0x0A, 32, _CONSTANT, "byte", "packet buffer"),
    Register("rows_per_packet", 0x0B, 16, _CONSTANT, "pixel", "rows in one packet"),
    Register("audit_memory", 0x0C, 1, _CONSTANT, "", "1: this build can send audit frames"),
    Register("convolution", 0x0D, 1, _CONSTANT, "", "DIGITAL or SENSOR: where the kernel works"),
    Register("upload_memory", 0x0E, 1, _CONSTANT, "", "1: this build has a memory for uploaded samples"),
    Register("bias_dac", 0x0F, 1, _CONSTANT, "", "1: this build sets the sub-pixels' bias voltages"),
    Register("command", 0x10, COMMAND_BITS.bits, _PULSE, "", "arm 1, disarm 2, trigger 4, apply 8"),
    Register("table_index", 0x11, 24, _DIRECT, "", "entry that the next write of a *_data register goes to"),
    Register("correction_data", 0x12, 32, _PULSE, "", "correction entry number table_index, which then counts one up"),
    Register("uart_divisor", 0x13, 16, _DIRECT, "tick", "ticks a bit of the UART, from its next byte on",
             least=2, reset=24),
    Register("upload_data", 0x14, 32, _PULSE, "",
             "reset (low half) and signal sample of pixel table_index, which then counts one up"),
    Register("bias_data", 0x15, 32, _PULSE, "",
             "bias entry table_index, which then counts one up: 4 * sub-pixel + 0 code of weight 0, + 1 span of"
             " positive weights, + 2 span of negative ones"),
    Register("state", 0x20, STATE_BITS.bits, _STATUS, "", "armed 1, busy 2, apply pending 4, unsent 8"),
    Register("triggered", 0x21, 32, _STATUS, "frame", "frames triggered in this series, dropped or not, modulo 2**32"),
    Register("dropped", 0x22, 32, _STATUS, "frame", "frames triggered and not sent in this series"),
    Register("railed", 0x23, 16, _STATUS, "pixel", "pixels of this series with a sample at a rail of the ADC"),
    Register("pga_saturated", 0x24, 16, _STATUS, "pixel", "pixels of this series clipped after the gain"),
    Register("correction_saturated", 0x25, 16, _STATUS, "pixel", "pixels of this series clipped by the correction"),
    Register("convolution_saturated", 0x26, 16, _STATUS, "pixel", "kernel responses of this series clipped"),
    Register("generation", 0x27, 16, _STATUS, "", "configuration generation: settings taken over so far, modulo 2**16"),
    Register("command_errors", 0x28, 16, _STATUS, "",
             "commands thrown away since reset: wrong CRC, version or length, or half sent"),
    Register("image_id", 0x29, 32, _STATUS, "", "number of the frame in flight, or of the last one"),
    Register("ticks_low", 0x2A, 32, _STATUS, "tick", "time since reset of the board: low half"),
    Register("ticks_high", 0x2B, 32, _STATUS, "tick", "the same: high half"),
    Register("trigger_mode", 0x40, 2, _SETTING, "", "INTERNAL, EXTERNAL (rising edge) or SOFTWARE",
             choices=_choices(TriggerMode), reset=TriggerMode.INTERNAL),
    Register("nimages", 0x41, 32, _SETTING, "frame", "frames of a series; 0 is until disarmed", reset=1),
    Register("count_time", 0x42, 32, _SETTING, "tick", "integration: from sample-reset to sample-signal", reset=1),
    Register("frame_time", 0x43, 32, _SETTING, "tick", "frame period of internal triggers; 0 is back to back"),
    Register("reset_time", 0x44, 16, _SETTING, "tick", "width of the reset strobe", reset=1),
    Register("sample_reset_time", 0x45, 16, _SETTING, "tick", "width of the sample-reset strobe", reset=1),
    Register("sample_signal_time", 0x46, 16, _SETTING, "tick", "width of the sample-signal strobe", reset=1),
    Register("gap_time", 0x47, 16, _SETTING, "tick", "least time with no strobe between two of them", reset=1),
    Register("row_settle_time", 0x48, 16, _SETTING, "tick", "row select to first conversion"),
    Register("column_settle_time", 0x49, 16, _SETTING, "tick", "column select to conversion; 0 is a pixel a tick"),
    Register("bias_settle_time", 0x4A, 32, _SETTING, "tick", "from the bias voltages' change to the next frame"),
    Register("cds_enabled", 0x50, 1, _SETTING, "", "1: correlated double sampling, 0: signal sample alone", reset=1),
    Register("cds_polarity", 0x51, 1, _SETTING, "", "SIGNAL_MINUS_RESET or RESET_MINUS_SIGNAL"),
    Register("pga_gain", 0x52, 3, _SETTING, "", "gain is 2**pga_gain: 1 to 32", choices=tuple(range(6))),
    Register("pga_offset", 0x53, 16, _SETTING, "code", "added after the gain", signed=True),
    Register("correction_enabled", 0x54, 1, _SETTING, "", "1: per-pixel offset, gain and mask"),
    Register("sample_source", 0x57, 2, _SETTING, "", "ADC, UPLOADED or PATTERN", choices=_choices(SampleSource)),
    Register("readout_mode", 0x58, 1, _SETTING, "", "EDGE or RAW", choices=_choices(ReadoutMode)),
    Register("stride", 0x59, 3, _SETTING, "pixel", "1 slides the kernel, 3 (or the kernel's size) reads macro-pixels",
             choices=(1, 3, 5), reset=1),
    Register("kernel_shift", 0x5A, 4, _SETTING, "", "response = sum of weight * pixel / 2**kernel_shift", reset=3),
    Register("threshold_mode", 0x5B, 2, _SETTING, "", "ABSOLUTE, POSITIVE or OFF", choices=_choices(ThresholdMode)),
    Register("edge_threshold", 0x5C, 16, _SETTING, "code", "least kernel response that is sent", least=1, reset=16),
    Register("meta_period", 0x5D, 16, _SETTING, "frame",
             "a META packet after every this many frames sent; 0 only at a series' start and new settings", reset=16),
    Register("audit_period", 0x5E, 16, _SETTING, "frame",
             "the first frame of a series and every this many after it carry their raw pixels too; 0 none"),
    Register("kernel_weights", 0x60, WEIGHT_BITS, _SETTING, "", "row by row; a smaller kernel uses the first ones",
             signed=True, count=MAX_KERNEL_SIZE**2),
)  # fmt: skip

BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}
BY_ADDRESS: dict[int, Register] = {one.address + place: one for one in REGISTERS for place in range(one.count)}


def register_map_hash() -> int:
    """CRC-32 over every register and every layout of fields: changes whenever host and board could disagree."""
    text = ";".join(
        f"{r.name},{r.address},{r.count},{r.bits},{r.signed},{r.access.value},{r.least},{r.choices}" for r in REGISTERS
    )
    words = ";".join(
        f"{layout.name},{field.name},{field.bits},{field.signed}" for layout in LAYOUTS for field in layout
    )
    return zlib.crc32(f"{PROTOCOL_VERSION};{text};{words}".encode())
