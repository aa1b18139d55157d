"""One vector: a stream that grows chunk by chunk, and what is expected of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgeray.protocol.packets import SYNC, VERSION, PacketType
from edgeray.protocol.registers import PROTOCOL_VERSION
from sim.golden.fixed_point import Mask
from sim.vectors import FORMAT
from sim.vectors.series import Packet, Series, described

_COUNTS = (
    "header_bad", "crc_bad", "unknown_version", "bytes_skipped",
    "received", "incomplete", "undecodable", "malformed", "late", "triggered", "dropped",
)  # fmt: skip


@dataclass
class Vector:
    """A stream from the board, and what comes out of it.

    `play` sends packets and expects their frames; the other methods put something between them and count what a
    receiver has to count. The order of calls is the order of the stream.
    """

    name: str
    description: str
    chunks: list[bytes] = field(default_factory=list)
    frames: list[dict[str, object]] = field(default_factory=list)
    metas: list[dict[str, object]] = field(default_factory=list)
    replies: list[dict[str, int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))

    def play(self, series: Series, packets: Iterable[Packet] | None = None) -> "Vector":
        """Send `packets` of a series, by default all, and expect their frames with the rows that they hold."""
        sent = list(series.packets if packets is None else packets)
        for index in range(len(series.result)):
            mine = [packet for packet in sent if packet.frame == index]
            for packet in mine:
                self.chunks.append(packet.data)
                if packet.type == PacketType.META:
                    self._meta(packet.data)
            if any(packet.rows for packet in mine):
                self._expect(series, index, mine)
        return self

    def _meta(self, data: bytes) -> None:
        fields = described(data)
        self.metas.append(fields)
        number, dropped = fields["image_id"], fields["dropped"]
        assert isinstance(number, int)
        assert isinstance(dropped, int)
        self.counts["triggered"] = max(self.counts["triggered"], number + 1)
        self.counts["dropped"] = dropped

    def _expect(self, series: Series, index: int, packets: list[Packet]) -> None:
        result = series.result
        whole = [packet for packet in series.of(index) if packet.rows]
        came = [packet for packet in packets if packet.rows]
        rows = _mask(len(result.responses[index]), [packet for packet in came if not packet.pixels])
        frame: dict[str, object] = {
            "image_id": result.first_image_id + index,
            "generation": result.generation % 4,
            "meta": len(self.metas) - 1,
            "complete": len(came) == len(whole),
            "wire_bytes": sum(len(packet.data) for packet in came),
            "rows_received": _bits(rows),
            "values": np.where(rows[:, None] & result.kept[index], result.responses[index], 0).tolist(),
            "kept": [_bits(row) for row in rows[:, None] & result.kept[index]],
        }
        if any(packet.pixels for packet in came):
            pixel_rows = _mask(len(result.pixels[index]), [packet for packet in came if packet.pixels])
            frame["pixel_rows_received"] = _bits(pixel_rows)
            frame["pixels"] = np.where(pixel_rows[:, None], result.pixels[index], 0).tolist()
        self.frames.append(frame)
        self.counts["received"] += 1
        self.counts["incomplete"] += len(came) < len(whole)
        self.counts["triggered"] = max(self.counts["triggered"], result.first_image_id + index + 1)

    def noise(self, data: bytes) -> "Vector":
        """Bytes of no packet, without SYNC."""
        assert SYNC not in data
        return self._skipped(data)

    def unfinished(self, data: bytes) -> "Vector":
        """The beginning of a packet at the stream's end, of less than a header."""
        assert data.count(SYNC) == 1
        return self._skipped(data)

    def damaged(self, data: bytes, count: str) -> "Vector":
        """A packet that is to be counted in `count` and skipped; there is no other SYNC in it."""
        assert data.count(SYNC) == 1
        assert data.startswith(SYNC)
        self.counts[count] += 1
        return self._skipped(data)

    def _skipped(self, data: bytes) -> "Vector":
        assert data[-1:] != SYNC[:1], "its end and what follows would make a SYNC"
        self.counts["bytes_skipped"] += len(data)
        self.chunks.append(data)
        return self

    def forgotten(self, data: bytes, count: str, times: int = 1) -> "Vector":
        """An intact packet, or several, from which no frame comes, to be counted `times` times in `count`."""
        self.counts[count] += times
        self.chunks.append(data)
        return self

    def reply(self, data: bytes, **expected: int) -> "Vector":
        """A REPLY."""
        self.replies.append(expected)
        self.chunks.append(data)
        return self

    @property
    def stream(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def expected(self) -> dict[str, object]:
        """What the JSON file holds."""
        found: dict[str, object] = {**opening(self.name, self.description, "from board", len(self.stream))}
        if self.replies:
            found["replies"] = self.replies
        return {**found, "metas": self.metas, "frames": self.frames, "counts": self.counts}


def opening(name: str, description: str, direction: str, size: int) -> dict[str, object]:
    """What every JSON file begins with."""
    return {
        "format": FORMAT,
        "packet_version": VERSION,
        "protocol_version": PROTOCOL_VERSION,
        "name": name,
        "description": description,
        "direction": direction,
        "bytes": size,
    }


def _mask(rows: int, packets: list[Packet]) -> Mask:
    found = np.zeros(rows, np.bool_)
    for packet in packets:
        found[packet.rows.start : packet.rows.stop] = True
    return found


def _bits(mask: npt.NDArray[np.bool_]) -> str:
    return "".join("1" if each else "0" for each in mask.tolist())


def to_json(expected: dict[str, object]) -> bytes:
    """JSON for people too: a list of numbers, a row of strings and a record of numbers in one line each."""
    return (_lines(expected, "") + "\n").encode()


def _lines(value: object, indent: str) -> str:
    deeper = indent + " "
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        inner = (f"{deeper}{json.dumps(key)}: {_lines(each, deeper)}" for key, each in value.items())
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + ",\n".join(deeper + _lines(each, deeper) for each in value) + f"\n{indent}]"
    return json.dumps(value, separators=(",", ":") if isinstance(value, list) else None)
