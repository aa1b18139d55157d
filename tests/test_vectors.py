"""The golden vectors: the host's decoders give what they say, and the golden models still write them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeray import core
from edgeray.channel import Command
from edgeray.decoder import Decoder, Frame
from edgeray.protocol.packets import REPLY, WRITE_SIZE, CommandType, PacketType, is_command
from edgeray.splitter import Packet, Splitter
from sim.vectors import FORMAT
from sim.vectors.folder import files

FOLDER = Path(__file__).parent / "vectors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
FAST = pytest.param(False, marks=pytest.mark.skipif(core.fast() is None, reason="the fast core is not installed"))


def vector(name: str) -> tuple[bytes, dict[str, Any]]:
    """The bytes and what is expected of them."""
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert expected["format"] == FORMAT
    return (FOLDER / f"{name}.bin").read_bytes(), expected


def of_board(name: str) -> bool:
    return bool(vector(name)[1]["direction"] == "from board")


FROM_BOARD = [name for name in NAMES if of_board(name)]
TO_BOARD = [name for name in NAMES if not of_board(name)]


def plain(frame: Frame) -> dict[str, Any]:
    """A frame as the JSON files say it, with its META in place of a number."""

    def bits(mask: Any) -> str:
        return "".join("1" if each else "0" for each in mask)

    found = {
        "image_id": frame.image_id,
        "generation": frame.generation,
        "meta": {
            name: list(value) if isinstance(value, tuple) else value for name, value in frame.meta.as_dict().items()
        },
        "complete": frame.complete,
        "wire_bytes": frame.wire_bytes,
        "rows_received": bits(frame.rows_received),
        "values": frame.values.tolist(),
        "kept": [bits(row) for row in frame.kept],
    }
    if frame.pixels is not None:
        found |= {"pixel_rows_received": bits(frame.pixel_rows_received), "pixels": frame.pixels.tolist()}
    return found


def replied(packet: Packet) -> dict[str, int]:
    return {"sequence": packet.sequence, "address": packet.address, **REPLY.unpack(packet.payload)}


@pytest.mark.parametrize("chunk", [1, 1 << 20], ids=["byte-by-byte", "in-one-piece"])
@pytest.mark.parametrize("slow", [pytest.param(True), FAST], ids=["reference", "fast"])
@pytest.mark.parametrize("name", FROM_BOARD)
def test_host(name: str, slow: bool, chunk: int) -> None:
    stream, expected = vector(name)
    splitter, decoder = Splitter(plain=slow), Decoder(plain=slow, threads=1)
    frames, replies = list[Frame](), list[dict[str, int]]()

    def take(packets: list[Packet]) -> None:
        replies.extend(replied(packet) for packet in packets if packet.type == PacketType.REPLY)
        frames.extend(decoder.accept_all([packet for packet in packets if packet.type != PacketType.REPLY]))

    for start in range(0, len(stream), chunk):
        take(splitter.feed(stream[start : start + chunk]))
    take(splitter.finish())
    frames += decoder.flush()

    wanted = [{**frame, "meta": expected["metas"][frame["meta"]]} for frame in expected["frames"]]
    assert list(map(plain, frames)) == wanted
    assert replies == expected.get("replies", [])
    counts, ledger = splitter.counts, decoder.ledger
    assert {
        "header_bad": counts.header_bad,
        "crc_bad": counts.crc_bad,
        "unknown_version": counts.unknown_version,
        "bytes_skipped": counts.bytes_skipped,
        "received": ledger.received,
        "incomplete": ledger.incomplete,
        "undecodable": ledger.undecodable,
        "malformed": ledger.malformed,
        "late": ledger.late,
        "triggered": ledger.triggered,
        "dropped": ledger.dropped_on_chip,
    } == expected["counts"]
    assert all(frame.values.dtype == np.int16 for frame in frames)


@pytest.mark.parametrize("name", TO_BOARD)
def test_host_writes_the_commands(name: str) -> None:
    stream, expected = vector(name)
    written = [one for one in expected["commands"] if is_command(one["type"], WRITE_SIZE * len(one["words"]))]
    assert len(written) >= 10
    for one in written:
        words = tuple(one["words"])
        if one["type"] == CommandType.WRITE_BLOCK:
            sent = Command("", one["address"], words=words)
        else:
            sent = Command("", one["address"], *words)
        data = sent.pack(one["sequence"])
        assert data in stream
        stream = stream[stream.index(data) + len(data) :]


def test_vectors_are_what_the_golden_models_write() -> None:
    """A change of the format needs another version, and then new vectors: `python -m sim.vectors tests/vectors`."""
    written, kept = files(), {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    assert sorted(written) == sorted(kept)
    assert [name for name in written if written[name] != kept[name]] == []
    assert sum(map(len, kept.values())) < 400_000
