"""The files of the folder: two for each vector, and a page that says how to read them."""

from edgeray.protocol.packets import VERSION
from edgeray.protocol.registers import PROTOCOL_VERSION
from sim.specification.markdown import items, table, text
from sim.vectors import FORMAT, commands, damaged, good
from sim.vectors.vector import to_json

_COUNTS = (
    ("header_bad", "SYNCs with a wrong CRC-8 behind them"),
    ("crc_bad", "right headers with a wrong CRC-32, or cut short by the stream's end"),
    ("unknown_version", "right headers of another version"),
    ("bytes_skipped", "bytes in no intact packet"),
    ("received", "frames, incomplete ones included"),
    ("incomplete", "frames with rows missing, or without their last packet"),
    ("undecodable", "frames that no META told how to read"),
    ("malformed", "intact packets that contradict META or themselves"),
    ("late", "intact packets of a frame that is over, or of rows that came already"),
    ("triggered", "highest frame number seen, in META or as a frame, plus one"),
    ("dropped", "`dropped` of the latest META"),
)


def files() -> dict[str, bytes]:
    """Name -> contents."""
    found: dict[str, bytes] = {}
    lists: list[list[tuple[str, str]]] = []
    for vectors in ([*good.vectors(), *damaged.vectors(), commands.replies()], commands.exchanges()):
        lists.append([])
        for vector in vectors:
            assert f"{vector.name}.bin" not in found
            found[f"{vector.name}.bin"] = vector.stream
            found[f"{vector.name}.json"] = to_json(vector.expected)
            lists[-1].append((vector.name, vector.description))
    found["README.md"] = _page(*lists).encode()
    return found


def _page(from_board: list[tuple[str, str]], to_board: list[tuple[str, str]]) -> str:
    parts = (
        "# Golden vectors of the wire format",
        text(
            f"""Streams of the format that [docs/wire-format.md](../../docs/wire-format.md) describes, for whoever
            writes a decoder: `NAME.bin` are the bytes, `NAME.json` is what comes out of them. Format `{FORMAT}`,
            packet version {VERSION}, protocol version {PROTOCOL_VERSION}. Written by `python -m sim.vectors
            tests/vectors`; do not edit. What comes out is what went into the golden encoder, less what the vector
            damages: no decoder was asked.""",
        ),
        "## From the board",
        text("`direction` is `from board`. A decoder reads the whole stream, to its end, and finds:"),
        items(
            """`metas`: the META packets that are none malformed, in order: every field but `reserved`, and
            `kernel_weights` row by row.""",
            """`frames`: the frames, in the order in which they end. `meta` is the place in `metas` of the one in
            force; `complete` says that all rows came, and the last packet; `wire_bytes` counts the bytes of the
            frame's packets, envelope included, META and packets that were late excluded; `rows_received` has a `1`
            for every row that came. `values` are responses or pixels row by row, 0 where nothing is kept or the
            row did not come; `kept` has a `1` for every pixel that is kept in a row that came. Audit frames also
            have `pixels` and `pixel_rows_received`.""",
            "`replies`, where there are some: sequence, address, status and value of each.",
            "`counts`:",
        ),
        table(("count", "of what"), ((f"`{name}`", meaning) for name, meaning in _COUNTS)),
        items(*(f"`{name}`: {description}" for name, description in from_board)),
        "## To the board",
        text(
            """`direction` is `to board`. `commands` are those that come whole, in order with the
            words behind their headers; `replies` what a board answers to them whose registers have their reset values
            and whose settings nobody applies; `errors` how many it throws away."""
        ),
        items(*(f"`{name}`: {description}" for name, description in to_board)),
    )
    return "\n\n".join(parts) + "\n"
