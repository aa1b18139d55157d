"""Packets: what travels in both directions of the link.

    byte   0-1   2-7      8      9 ...     last 4
          SYNC | HEADER | CRC-8 | payload | CRC-32        CRC-8 over bytes 2-7, CRC-32 over byte 2 to the payload's end

From the board come frames (META, and EDGE to RAW_STORED) and answers (REPLY); to the board go commands in the same
envelope, whose type field is then a `CommandType`. All numbers are little endian, bit fields start at the least
significant bit.

Payloads
    META         the `META` fields, then kernel_size**2 signed 8-bit weights row by row, zeros to a multiple of 4 bytes.
    EDGE         the kernel responses of some rows, those kept, in the entropy code of `edgeray.protocol.code`.
    EDGE_STORED  the same at fixed width: sample_bits + 1 bits of two's complement a pixel, 0 where it was not kept.
    RAW          the corrected pixels of some rows in the same code.
    RAW_STORED   the same at fixed width: sample_bits bits a pixel.
    REPLY        the `REPLY` fields; the header's sequence and address are those of the command.

Rows come from top to bottom, pixels from left to right, bits least significant first, zeros up to a whole byte. A frame
is EDGE packets (of either kind) in edge readout and RAW packets in raw readout; an audit frame is EDGE packets and then
the RAW packets of the same exposure. With threshold_mode OFF every pixel is kept, also where its response is 0.
"""

import zlib
from dataclasses import dataclass
from enum import IntEnum

from edgeray.protocol.layout import Field, Layout

VERSION = 1
SYNC = b"\xe6\x9a"
WORD_BITS = 32
"""Payloads are kept in words of this many bits on the board."""
WEIGHT_BITS = 8
MAX_PAYLOAD = (1 << 16) - 1
LATE_FRAMES = 16
"""Packets of so many frames back are known as late; any other sequence number is that of a frame to come."""


class PacketType(IntEnum):
    """Type of a packet from the board. BLOCK and RESULT are reserved: no gateware sends them yet."""

    META = 0
    EDGE = 1
    RAW = 2
    EDGE_STORED = 3
    RAW_STORED = 4
    BLOCK = 5
    RESULT = 6
    REPLY = 7


class CommandType(IntEnum):
    """Type of a packet to the board: READ has no payload, WRITE has the 4 bytes of the new value.

    WRITE_BLOCK has 1 to `BLOCK_WORDS` such values, which are written to the one register in turn until it refuses one.
    Either with the sequence number of the command executed last is a repetition: answered, not executed.
    """

    READ = 0
    WRITE = 1
    WRITE_BLOCK = 2


class ReplyStatus(IntEnum):
    """What became of a command."""

    OK = 0
    UNKNOWN_ADDRESS = 1
    READ_ONLY = 2
    VALUE_REFUSED = 3
    UNKNOWN_COMMAND = 4


HEADER = Layout(
    "header",
    (
        Field("generation", 2, "configuration generation, modulo 4"),
        Field("last", 1, "1 in the last packet of a frame"),
        Field("type", 3, "PacketType, or CommandType towards the board"),
        Field("version", 2, "version of this layout"),
        Field("sequence", 8, "frame number or command number, modulo 256"),
        Field("first_row", 12, "first row that the payload holds"),
        Field("log2_rows", 4, "rows in the payload, as a power of two; cut at the frame's last row"),
        Field("length", 16, "payload bytes"),
    ),
)
COMMAND_HEADER = Layout(
    "command header",
    (*HEADER.fields[:5], Field("address", 16, "register address"), HEADER.fields[-1]),
)
"""The header of commands and replies: the same bits, with a register address where frames have their rows."""

META = Layout(
    "meta",
    (
        Field("columns", 16, "columns of the detector"),
        Field("rows", 16, "rows of the detector"),
        Field("guard_ring", 8, "pixels around the imaging ones, on each side"),
        Field("kernel_size", 8, "kernel rows and columns"),
        Field("sample_bits", 8, "bits of a sample"),
        Field("convolution", 8, "Convolution: where the kernel works"),
        Field("sample_source", 8, "SampleSource: where the samples come from"),
        Field("readout_mode", 8, "ReadoutMode"),
        Field("threshold_mode", 8, "ThresholdMode"),
        Field("edge_threshold", 16, "threshold, kernel response in codes"),
        Field("kernel_shift", 8, "kernel response = sum of weight * pixel / 2**kernel_shift"),
        Field("stride", 8, "pixels from one kernel position to the next"),
        Field("pga_gain", 8, "gain is 2**pga_gain"),
        Field("pga_offset", 16, "codes added after the gain", signed=True),
        Field("cds_enabled", 8, "1: signal minus reset sample"),
        Field("cds_polarity", 8, "Polarity"),
        Field("correction_enabled", 8, "1: per-pixel offset, gain and mask were applied"),
        Field("image_id", 32, "number of the next frame of this series, from 0"),
        Field("timestamp", 64, "ticks at the start of that frame, from reset of the board"),
        Field("tick_rate", 32, "ticks a second"),
        Field("register_map_hash", 32, "CRC-32 of the register map"),
        Field("count_time", 32, "ticks of integration"),
        Field("frame_time", 32, "ticks from frame to frame; 0 is back to back"),
        Field("dropped", 32, "frames of this series triggered and not sent; stays at its maximum"),
        Field("railed", 16, "pixels of this series with a sample at a rail of the ADC; stays at its maximum"),
        Field("pga_saturated", 16, "pixels of this series clipped after the gain; stays at its maximum"),
        Field("correction_saturated", 16, "pixels of this series clipped by the correction; stays at its maximum"),
        Field("convolution_saturated", 16, "kernel responses of this series clipped; stays at its maximum"),
    ),
)

REPLY = Layout(
    "reply",
    (
        Field("status", 8, "ReplyStatus"),
        Field("value", 32, "the register's value after the command; of a WRITE_BLOCK how many words were written"),
    ),
)

WRITE_SIZE = 4
BLOCK_WORDS = 64
"""Words that one WRITE_BLOCK can write."""
HEADER_END = len(SYNC) + HEADER.size + 1
OVERHEAD = HEADER_END + 4
"""Bytes that a packet adds to its payload."""


def is_command_length(length: int) -> bool:
    """Whether a command's payload can be so many bytes; one of another length is thrown away."""
    return length % WRITE_SIZE == 0 and length <= WRITE_SIZE * BLOCK_WORDS


def is_command(kind: int, length: int) -> bool:
    """Whether a payload of so many bytes is that of a command of this type."""
    if kind in (CommandType.READ, CommandType.WRITE):
        return length == WRITE_SIZE * kind
    return kind == CommandType.WRITE_BLOCK and length > 0 and is_command_length(length)


@dataclass(frozen=True)
class Crc8:
    """CRC-8 of the header: polynomial x^8+x^5+x^3+x^2+x+1 (0x2F), initial value and final XOR 0xFF (AUTOSAR's)."""

    polynomial: int = 0x2F
    initial: int = 0xFF
    final_xor: int = 0xFF

    def table(self) -> bytes:
        rows = []
        for byte in range(256):
            crc = byte
            for _ in range(8):
                crc = ((crc << 1) ^ (self.polynomial if crc & 0x80 else 0)) & 0xFF
            rows.append(crc)
        return bytes(rows)


CRC8 = Crc8()
_CRC8_TABLE = CRC8.table()


def crc8(data: bytes) -> int:
    """CRC-8 of `data` as headers carry it."""
    crc = CRC8.initial
    for byte in data:
        crc = _CRC8_TABLE[crc ^ byte]
    return crc ^ CRC8.final_xor


def packet(header: bytes, payload: bytes) -> bytes:
    """The whole packet around the six bytes of `header` and `payload`; both CRCs are computed here."""
    checked = header + bytes([crc8(header)]) + payload
    return SYNC + checked + zlib.crc32(checked).to_bytes(4, "little")


def meta_payload_size(kernel_size: int) -> int:
    """Bytes of a META payload for a kernel of `kernel_size` rows and columns."""
    size = META.size + kernel_size**2 * WEIGHT_BITS // 8
    return -(-size // 4) * 4
