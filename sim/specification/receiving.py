"""Sections of the page: frames, resynchronisation, what a receiver concludes, versions, what the code costs."""

from edgeray.protocol.packets import HEADER, HEADER_END, LATE_FRAMES, META, OVERHEAD, SYNC, VERSION, PacketType
from edgeray.protocol.registers import BY_NAME, PROTOCOL_VERSION
from sim.specification.markdown import items, table, text

_SEQUENCES = HEADER["sequence"].maximum + 1
_GENERATIONS = HEADER["generation"].maximum + 1


def register(name: str) -> str:
    """A register's name and address."""
    return f"`{name}` (`{BY_NAME[name].address:#04x}`)"


def frames() -> list[str]:
    return [
        "## Frames",
        text(
            f"""A series is what happens from one `arm` to its end; its frames are numbered from 0 as they are
            triggered. This number, `image_id`, is in META as a whole and in every packet modulo {_SEQUENCES}
            (`sequence`). The packets of a frame follow each other, from the first row to the last, none of another
            frame between them; replies may stand between any two packets. In order, a frame is:"""
        ),
        items(
            f"""META, where one is due: before the first frame of a series, before the first frame under new
            settings, and before every frame since whose last META {register("meta_period")} frames were sent (0:
            no further ones);""",
            """in EDGE readout, its EDGE\\* packets; in RAW readout, its RAW\\* packets; coded and fixed-width ones
            as it comes;""",
            "in an audit frame, RAW\\* packets behind the EDGE\\* packets.",
            numbered=True,
        ),
        text(
            """`last` is 1 in the last packet of the frame, and in no other. A frame without a kept pixel is sent
            like any other.""",
            f"""`generation` counts, modulo {_GENERATIONS}, how often settings were applied. It changes between two
            frames only, and the first packet of a new generation is a META.""",
        ),
        "### Audit frames",
        text(
            f"""With {register("audit_period")} N > 0 in EDGE readout the first frame of a series that is sent, and
            every N-th sent after it, is an audit frame: behind its EDGE\\* packets, none of which is `last`, come
            RAW\\* packets of the corrected pixels that these responses were computed from, of the whole array,
            under the same `sequence`. With META's kernel a receiver can compute the responses again. Nothing but
            the RAW\\* packets themselves says that a frame is an audit frame. In RAW readout the setting has no
            effect, and a build without the memory ({register("audit_memory")} reads 0) refuses it.""",
        ),
    ]


def resynchronisation() -> list[str]:
    return [
        "## Receiving",
        "### Resynchronisation",
        text(
            """A receiver may get bytes in any chunks. It holds those that it has not decided about, and goes on
            from a place in them:"""
        ),
        items(
            f"""Look for SYNC from there on. What lies before it is skipped. If there is none, everything is
            skipped, but a last byte `{SYNC[0]:#04x}`, which may be the first half of one.""",
            f"Wait for {HEADER_END} bytes from SYNC on. If the CRC-8 is wrong, count `header_bad`; go to step 6.",
            f"If the version is not {VERSION}, count `unknown_version`; go to step 6.",
            """If the payload is longer than the receiver takes, count `header_bad`; go to step 6. The limit may be
            any number: a receiver that knows its detector sets it to the longest payload there is for it, so that
            a false header is found out soon.""",
            f"""Wait for all {OVERHEAD} + L bytes. If the CRC-32 is right, this is a packet; go on behind it, at
            step 1. If not, count `crc_bad`.""",
            f"Skip the {len(SYNC)} bytes of SYNC and nothing else; go on behind them, at step 1.",
            numbered=True,
        ),
        text(
            """So a damaged packet hides no intact one behind it, and every byte is either in one packet or counted
            in `bytes_skipped`. When the stream is over, waiting is in vain: a packet of which the whole header has
            come counts in `crc_bad`, one of which less has come is not counted, and both are left by step 6.""",
            """On a live link noise can look like the header of a long packet, which step 5 would wait for. When
            the line is silent, a receiver should try each later SYNC among the bytes it holds, and go on there if
            an intact packet stands there; the false header counts in `crc_bad`.""",
        ),
    ]


def conclusions() -> list[str]:
    return [
        "### Frames from packets",
        text(
            """The receiver keeps the META in force with its `generation`, the number `next` of the frame that it
            expects (0 at first), and the frame under way, if any. A frame that ends is *received*, with a mask of
            the rows that came; it is *incomplete* unless all of them came (in an audit frame, of responses and of
            pixels) and the packet with `last` too. For each packet in order:"""
        ),
        items(
            f"""**META** whose payload is none: count `malformed` and forget the packet. One whose payload and
            `generation` are those of META in force has come again: count `late` and forget it. Otherwise the frame
            under way ends, META is in force, and `next` is its `image_id` (for more than
            2^{META["image_id"].bits} frames: the nearest number that is equal modulo 2^{META["image_id"].bits}).""",
            """**EDGE\\*, RAW\\*** without a META in force, or with another `generation` than that META's: the
            settings are not known, nothing can be decoded. The frame under way ends; count `undecodable`, unless
            it was counted for a packet of the same `sequence` last, with no META since.""",
            """**EDGE\\*, RAW\\*** that contradict META: `first_row` beyond the frame, EDGE\\* in RAW readout, a
            payload that is none of those rows; and packets of a reserved type: count `malformed` and forget the
            packet.""",
            f"""Other **EDGE\\*, RAW\\***: with h the number of the frame under way, or `next` if there is none, let
            d = (`sequence` - h) mod {_SEQUENCES}. If d is {_SEQUENCES - LATE_FRAMES} or more, the packet is of a
            frame that is over: count `late` and forget it. If d is not 0, the frame under way ends. Then frame h + d
            is under way. A packet any of whose rows the frame has already is `late`, too. Else its rows are the
            frame's, and with `last` the frame ends.""",
            "**REPLY** has no part in this. One whose payload has another length is ignored.",
        ),
        text(
            """A frame that ends sets `next` to its number plus one; and so does the end of the stream, which ends
            the frame under way. RAW\\* packets in EDGE readout are the pixels of an audit frame. Rows that did not
            come are missing, not 0: a receiver marks them."""
        ),
        "### What was lost",
        table(
            ("what a receiver sees", "what it means"),
            (
                (
                    f"`sequence` goes on by more than one (mod {_SEQUENCES})",
                    "the frames between were dropped on the board or lost on the link",
                ),
                (
                    "META's `dropped` has grown",
                    "the board dropped so many frames of this series before the frame that META precedes",
                ),
                ("a frame with rows missing, or without `last`", "packets of it were lost on the link"),
                (
                    "another `generation` than META's",
                    "settings changed and the META that told so was lost: frames up to the next META cannot be read",
                ),
                (
                    f"META's `image_id` is not `next`, as far as `sequence` tells, but by a multiple of {_SEQUENCES}",
                    f"{_SEQUENCES} frames or more were lost together",
                ),
            ),
        ),
        text(
            f"""The board begins a frame only while its packet buffer has room for all of it and its META, whatever
            they will hold. A trigger that finds no room, or the frame before still under way, is counted in
            {register("triggered")} and {register("dropped")}, its number is skipped, and no packet of it is sent:
            a frame is dropped whole, and never torn. So for a series that is over""",
        ),
        text("triggered = received + dropped + lost on the link,"),
        text(
            f"""where *triggered* and *dropped* are those registers; before they are read, the best a receiver has
            is the highest frame number seen plus one (that of a META counts: its frame was triggered), and the
            `dropped` of the latest META. `sequence` alone is not enough for a gap of {_SEQUENCES - LATE_FRAMES} to
            {_SEQUENCES - 1} frames, behind which packets look late, or for multiples of {_SEQUENCES}, which do not
            show until the next META.""",
            """META's counters (`dropped` and all behind it) are those of the series before its frame, and stay at
            their maximum. A frame's own packets carry no counters.""",
        ),
    ]


def versions() -> list[str]:
    return [
        "## Versions",
        items(
            f"""*Packet version*, {VERSION}, in every header: counts up where the envelope, the header, a payload
            or the code changes for a type that exists already. A receiver skips packets of other versions and
            counts them.""",
            f"""*Protocol version*, {PROTOCOL_VERSION}, in {register("protocol_version")}: counts up with every
            change of packets or registers that an older host or board would misunderstand.""",
            f"""*Register map hash*, in {register("register_map_hash")} and in every META: a CRC-32 over registers
            and the layouts of fields. A host that was made for another hash must not believe that it knows META's
            fields or the addresses; it should refuse, naming both. A decoder made from this page may ignore it as
            long as the packet version is {VERSION}.""",
            f"""Types {PacketType.BLOCK.value} and {PacketType.RESULT.value} are reserved. A receiver counts them
            as malformed and goes on.""",
        ),
    ]
