"""Payloads as the words that travel to the packet buffer, in both directions."""

from typing import Any

from edgeray.protocol.packets import WORD_BITS
from sim.golden.encode import Payload
from testbench.bench import Bench
from testbench.streams import StreamSink

_WORD = WORD_BITS // 8
_FIELDS = ("type", "length", "first_row", "last")


def words(payload: Payload) -> list[dict[str, int]]:
    """Fields of the words that write `payload`, its end behind them."""
    data, unused = payload.data, dict.fromkeys(_FIELDS, 0)
    written = [
        {"offset": place // _WORD, "data": int.from_bytes(data[place : place + _WORD], "little"), "end": 0, **unused}
        for place in range(0, len(data), _WORD)
    ]
    header: dict[str, Any] = {**vars(payload), "length": len(data)}
    return [*written, {"offset": 0, "data": 0, "end": 1, **{name: int(header[name]) for name in _FIELDS}}]


def written(bench: Bench, sink: StreamSink) -> list[Payload]:
    """Payloads that the packet buffer would hold after all that came; every word of one has to come just once."""
    found: list[Payload] = []
    places: dict[int, int] = {}
    for word in sink.fields():
        if not word["end"]:
            bench.check(word["offset"] not in places, f"word {word['offset']} of payload {len(found)} came twice")
            places[word["offset"]] = word["data"]
            continue
        wanted = range(-(-word["length"] // _WORD))
        bench.check(sorted(places) == list(wanted), f"payload {len(found)}: words {sorted(places)[:9]}, not {wanted}")
        content = b"".join(places[place].to_bytes(_WORD, "little") for place in wanted)
        bench.check(not any(content[word["length"] :]), f"payload {len(found)}: bits behind its end are not 0")
        found.append(Payload(word["type"], word["first_row"], bool(word["last"]), content[: word["length"]]))
        places.clear()
    return found


def check_payloads(bench: Bench, expected: list[Payload], got: list[Payload], what: str) -> None:
    """Compare payloads; the message names the first one and the field that are wrong."""
    bench.check(len(got) == len(expected), f"{what}: {len(got)} payloads, not {len(expected)}")
    for number, (right, there) in enumerate(zip(expected, got, strict=True)):
        for name in ("type", "first_row", "last", "data"):
            one, other = getattr(right, name), getattr(there, name)
            bench.check(one == other, f"{what}: payload {number}: {name}: expected {one!r:.200}, got {other!r:.200}")
