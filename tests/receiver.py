"""Packets that are known -> frames and ledger that a receiver must make of them, without a look at any payload.

tests.injector -> [expected]: the rules of docs/wire-format.md, "Frames from packets" -> the test
             +--> [lossy]: what follows without rules where packets are missing, and nothing else is wrong
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeray.protocol.packets import HEADER, LATE_FRAMES, REPLY, PacketType
from tests.golden_lines import DROPPED, TRIGGERED, Sent

_SEQUENCES = HEADER["sequence"].maximum + 1
_RESERVED = (PacketType.BLOCK, PacketType.RESULT)


@dataclass(eq=False)
class Arrived:
    """A frame: its number as a receiver knows it, its META, and the packets that its rows came in."""

    image_id: int
    meta: Sent
    sent: list[Sent] = field(default_factory=list)
    complete: bool = False


@dataclass
class Outcome:
    """Frames in the order in which they end, and what the ledger must count; replies in order."""

    frames: list[Arrived] = field(default_factory=list)
    replies: int = 0
    triggered: int = 0
    dropped: int = 0
    undecodable: int = 0
    malformed: int = 0
    late: int = 0
    told: dict[int, int] = field(default_factory=dict)
    """What the board told of its registers: address -> value."""

    @property
    def confirmed(self) -> bool:
        return TRIGGERED in self.told and DROPPED in self.told


def meta_of(one: Sent) -> dict[str, Any]:
    """The fields of a META packet."""
    assert one.meta is not None
    return one.meta


def _told(one: Sent) -> tuple[bytes, int]:
    return one.packet.payload, one.packet.generation


def is_audit(one: Sent, meta: Sent) -> bool:
    return one.packet.type in (PacketType.RAW, PacketType.RAW_STORED) and meta_of(meta)["readout_mode"] == 0


def heights(meta: Sent) -> tuple[int, int]:
    """Rows of a frame, and of an audit frame's pixels."""
    told = meta_of(meta)
    rows, stride = int(told["rows"]), int(told["stride"])
    if stride == 1 or told["readout_mode"] == 1:
        return rows, rows
    return (rows - 2 * int(told["guard_ring"])) // stride, rows


def _is_complete(frame: Arrived) -> bool:
    edges, pixels = heights(frame.meta)
    came = [one for one in frame.sent if not is_audit(one, frame.meta)]
    audit = [one for one in frame.sent if is_audit(one, frame.meta)]
    return sum(len(one.rows) for one in came) == edges and sum(len(one.rows) for one in audit) in (0, pixels)


def expected(whole: Iterable[Sent]) -> Outcome:
    """What a receiver that gets these packets must end with."""
    out = Outcome()
    meta: Sent | None = None
    following, unreadable = 0, -1
    open_: Arrived | None = None

    def end(*, last_came: bool = False) -> None:
        nonlocal open_, following
        if open_ is not None:
            open_.complete = last_came and _is_complete(open_)
            out.frames.append(open_)
            following = open_.image_id + 1
            out.triggered = max(out.triggered, following)
            open_ = None

    for one in whole:
        kind, sequence, generation = one.packet.type, one.packet.sequence, one.packet.generation
        if kind == PacketType.REPLY:
            out.replies += 1
            out.told[one.packet.address] = REPLY.unpack(one.packet.payload)["value"]
        elif kind in _RESERVED or (kind == PacketType.META and one.bad):
            out.malformed += 1
        elif kind == PacketType.META and meta is not None and _told(one) == _told(meta):
            out.late += 1
        elif kind == PacketType.META:
            end()
            meta, following, unreadable = one, meta_of(one)["image_id"], -1
            out.triggered, out.dropped = max(out.triggered, following + 1), meta_of(one)["dropped"]
        elif meta is None or generation != meta.packet.generation:
            end()
            out.undecodable += sequence != unreadable
            unreadable = sequence
        elif one.bad:
            out.malformed += 1
        else:
            here = following if open_ is None else open_.image_id
            ahead = (sequence - here) % _SEQUENCES
            if ahead >= _SEQUENCES - LATE_FRAMES:
                out.late += 1
                continue
            if ahead:
                end()
            if open_ is None:
                open_ = Arrived(here + ahead, meta)
            audit = is_audit(one, meta)
            if any(set(one.rows) & set(other.rows) for other in open_.sent if is_audit(other, meta) == audit):
                out.late += 1
                continue
            open_.sent.append(one)
            if one.packet.last:
                end(last_came=True)
    end()
    return out


def lossy(sent: Sequence[Sent], whole: Iterable[Sent]) -> Outcome:
    """The same where `whole` are some of `sent`, in order: each frame for itself."""
    came = set(map(id, whole))
    out = Outcome()
    meta: Sent | None = None
    frames: dict[int, list[Sent]] = {}
    metas: dict[int, Sent | None] = {}
    for one in sent:
        if one.packet.type == PacketType.META and id(one) in came:
            meta = one
            out.triggered, out.dropped = max(out.triggered, one.image_id + 1), meta_of(one)["dropped"]
        if one.rows:
            frames.setdefault(one.image_id, []).append(one)
            metas.setdefault(one.image_id, meta)
    for image_id, packets in frames.items():
        here, meta = [one for one in packets if id(one) in came], metas[image_id]
        if not here:
            continue
        if meta is None or meta.packet.generation != here[0].packet.generation:
            out.undecodable += 1
            continue
        out.frames.append(Arrived(image_id, meta, here, complete=len(here) == len(packets)))
        out.triggered = max(out.triggered, image_id + 1)
    return out
