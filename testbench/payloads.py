"""Payloads as the words that travel to the packet buffer, in both directions."""

import random
from typing import Any

from edgeray.protocol.packets import WORD_BITS
from sim.golden.encode import Payload
from testbench.bench import Bench, params
from testbench.streams import StreamSink

_WORD = WORD_BITS // 8
_FIELDS = ("type", "length", "first_row", "last")
_NAMES = ("has_coded", "coded", "has_fixed", "fixed", "end", "skip", *_FIELDS)
Word = dict[str, int]
"""Fields of one `hdl.layouts.word_layout`."""


def words(payload: Payload, chances: random.Random, other: bytes = b"", skip: bool = False) -> list[Word | None]:
    """Fields of the words that write `payload`, and None for clocks in which nothing comes.

    Parameters
    ----------
    other : what is written beside it and not sent: values at fixed width, or, for `skip`, code.
    skip : the payload is the one at fixed width.
    """
    coded, fixed = ([data[at : at + _WORD] for at in range(0, len(data), _WORD)]
                    for data in ((other, payload.data) if skip else (payload.data, other)))  # fmt: skip
    written: list[Word | None] = []
    since_fixed = 2
    while coded or fixed:
        # Words at fixed width leave a clock between them; both parts come in their own time, sometimes in one clock.
        takes_fixed = bool(fixed) and since_fixed >= 2 and chances.random() < 0.7
        takes_coded = bool(coded) and chances.random() < 0.7
        since_fixed = 1 if takes_fixed else since_fixed + 1
        word = dict.fromkeys(_NAMES, 0)
        for part, takes, left in (("coded", takes_coded, coded), ("fixed", takes_fixed, fixed)):
            if takes:
                word |= {f"has_{part}": 1, part: int.from_bytes(left.pop(0), "little")}
        written.append(word if takes_coded or takes_fixed else None)
    header: dict[str, Any] = {**vars(payload), "length": len(payload.data)}
    fields = {name: int(header[name]) for name in _FIELDS}
    end = {**dict.fromkeys(_NAMES, 0), "end": 1, "skip": int(skip), **fields}
    return [*written, *[None] * (3 - since_fixed), end, None]


def written(bench: Bench, sink: StreamSink) -> list[Payload]:
    """Payloads that the packet buffer would hold after all that came; it comes as the buffer asks for it."""
    found: list[Payload] = []
    parts: dict[str, list[int]] = {"coded": [], "fixed": []}
    most, fixed_at, end_at = max(params().payload_words, params().meta_words), -3, -2
    for word, clock in zip(sink.fields(), sink.offered, strict=True):
        what = f"payload {len(found)}"
        bench.check(clock - end_at >= 2, f"{what} begins {clock - end_at} clocks behind the one before")
        for part, content in parts.items():
            if word[f"has_{part}"]:
                content.append(word[part])
                bench.check(len(content) <= most, f"{what}: more than {most} words")
        if word["has_fixed"] or word["end"]:
            apart = clock - fixed_at
            bench.check(apart >= 2 + word["end"], f"{what}: {apart} clocks behind a word at fixed width comes {word}")
        if word["has_fixed"]:
            fixed_at = clock
        if not word["end"]:
            continue
        chosen, count = parts["fixed" if word["skip"] else "coded"], -(-word["length"] // _WORD)
        bench.check(len(chosen) == count, f"{what}: {len(chosen)} words, not {count}")
        content_bytes = b"".join(one.to_bytes(_WORD, "little") for one in chosen)
        found.append(Payload(word["type"], word["first_row"], bool(word["last"]), content_bytes[: word["length"]]))
        parts, end_at = {"coded": [], "fixed": []}, clock
    bench.check(not parts["coded"] and not parts["fixed"], "words behind the last payload's end")
    return found


def check_payloads(bench: Bench, expected: list[Payload], got: list[Payload], what: str) -> None:
    """Compare payloads; the message names the first one and the field that are wrong."""
    bench.check(len(got) == len(expected), f"{what}: {len(got)} payloads, not {len(expected)}")
    for number, (right, there) in enumerate(zip(expected, got, strict=True)):
        for name in ("type", "first_row", "last", "data"):
            one, other = getattr(right, name), getattr(there, name)
            if one != other and name == "data":
                place = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
                one, other = f"{len(one)} bytes, at {place} {one[place:][:8]!r}", f"{len(other)}, {other[place:][:8]!r}"
            bench.check(one == other, f"{what}: payload {number}: {name}: expected {one}, got {other}")
