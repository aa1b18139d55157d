"""The two checksums of a packet.

byte, bit by bit or whole -> [Checksums] -> CRC-8 of the header, CRC-32 of header, CRC-8 and payload
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import CRC8

CRC32_POLYNOMIAL = 0xEDB88320
"""Reflected: the bit of x**31 is the lowest one, as bytes are sent."""
_CRC32_BITS = 32
_BYTE = 8


class Checksums(wiring.Component):
    """Both checksums, of a byte that is held for 8 / `bits` clocks with `enable`; `step` counts them.

    Where the bytes of the CRC-32 itself come, each is compared with its next byte, and it is not computed any more.

    Parameters
    ----------
    bits : of the byte, taken in a clock: 1, 2, 4 or 8.

    Members
    -------
    start : both begin anew
    enable : take the byte's part number `step`
    byte, step : see above; parts count from the byte's lowest bit
    in_header : the byte is one that CRC-8 covers, or CRC-8 itself
    in_crc32 : the byte is one of the CRC-32
    crc8 : as it is sent
    crc32 : its next byte, as it is sent
    crc8_right : what came ends with its CRC-8
    crc32_right : so far all that came of the CRC-32 was right
    """

    def __init__(self, bits: int = _BYTE):
        self._bits = bits
        super().__init__({
            "start": In(1),
            "enable": In(1),
            "byte": In(_BYTE),
            "step": In(range(_BYTE // bits)),
            "in_header": In(1),
            "in_crc32": In(1),
            "crc8": Out(_BYTE),
            "crc32": Out(_BYTE),
            "crc8_right": Out(1),
            "crc32_right": Out(1),
        })  # fmt: skip
        # Here, so that a proof can look at it.
        initial = {"crc8": CRC8.initial, "crc32": (1 << _CRC32_BITS) - 1}
        self.registers = Signal(data.StructLayout({"crc8": _BYTE, "crc32": _CRC32_BITS}), init=initial)

    def elaborate(self, platform):
        m = Module()
        crc8, crc32, right = self.registers.crc8, self.registers.crc32, Signal(init=1)
        part, reversed_part = (byte.word_select(self.step, self._bits) for byte in (self.byte, self.byte[::-1]))
        next_crc8, next_crc32 = crc8, crc32
        # CRC-8 takes the byte's highest bit first, CRC-32 its lowest.
        for bit in reversed_part:
            fed = (bit ^ next_crc8[-1]).replicate(_BYTE)
            # A name for each step: without, the expression of the next one doubles.
            following = Signal(_BYTE)
            m.d.comb += following.eq(Cat(0, next_crc8[:-1]) ^ (fed & CRC8.polynomial))
            next_crc8 = following
        for bit in part:
            fed = (bit ^ next_crc32[0]).replicate(_CRC32_BITS)
            following = Signal(_CRC32_BITS)
            m.d.comb += following.eq(Cat(next_crc32[1:], 0) ^ (fed & CRC32_POLYNOMIAL))
            next_crc32 = following
        with m.If(self.start):
            m.d.sync += [crc8.eq(CRC8.initial), crc32.eq((1 << _CRC32_BITS) - 1), right.eq(1)]
        with m.Elif(self.enable):
            with m.If(self.in_header):
                m.d.sync += crc8.eq(next_crc8)
            with m.If(~self.in_crc32):
                m.d.sync += crc32.eq(next_crc32)
            with m.Elif(self.step == _BYTE // self._bits - 1):
                m.d.sync += [crc32.eq(crc32 >> _BYTE), right.eq(right & (self.byte == self.crc32))]
        m.d.comb += [
            self.crc8.eq(crc8 ^ CRC8.final_xor),
            self.crc32.eq(~crc32),
            self.crc8_right.eq(crc8 == _CRC8_RESIDUE),
            self.crc32_right.eq(right),
        ]
        return m


def _crc8_residue() -> int:
    """The register after anything that ends with its CRC-8."""
    register = CRC8.initial
    return CRC8.table()[register ^ register ^ CRC8.final_xor]


_CRC8_RESIDUE = _crc8_residue()
