"""Golden model of the framing: payloads to packets.

encode, meta -> [frame] -> link
"""

from collections.abc import Iterable

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, VERSION, PacketType, packet
from sim.golden.encode import Payload


def frame_packets(payloads: Iterable[Payload], image_id: int, generation: int, detector: Detector) -> bytes:
    """The packets of one frame, one behind the other; a META payload may be among them.

    Parameters
    ----------
    image_id : number of the frame in its series; packets carry it modulo 256.
    generation : configuration generation; packets carry it modulo 4.
    """
    found = []
    for payload in payloads:
        header = HEADER.pack({
            "generation": generation % 4,
            "last": payload.last,
            "type": payload.type,
            "version": VERSION,
            "sequence": image_id % 256,
            "first_row": payload.first_row,
            "log2_rows": 0 if payload.type == PacketType.META else detector.log2_rows,
            "length": len(payload.data),
        })  # fmt: skip
        found.append(packet(header, payload.data))
    return b"".join(found)
