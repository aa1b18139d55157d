"""The two checksums of a packet, as `amaranth.lib.crc` computes them."""

from amaranth.lib import crc
from amaranth.lib.crc import catalog

from edgeray.protocol.packets import CRC8

crc8_algorithm = crc.Algorithm(
    crc_width=8,
    polynomial=CRC8.polynomial,
    initial_crc=CRC8.initial,
    reflect_input=False,
    reflect_output=False,
    xor_output=CRC8.final_xor,
)
crc32_algorithm = catalog.CRC32_ISO_HDLC
