"""Sections of the page: the rows of a packet, the entropy code, payloads at fixed width."""

from edgeray.protocol.code import (
    CONTEXTS,
    ESCAPE_ZEROS,
    MAX_CODE_BITS,
    MEAN_SHIFT,
    PARAMETER_SHIFT,
    RUN_BITS,
    ZEROS_RARE,
    ZEROS_SHIFT,
    ZEROS_START,
    ZEROS_STEP,
    starting_means,
)
from edgeray.protocol.packets import HEADER
from edgeray.protocol.registers import BY_NAME
from sim.specification.markdown import items, table, text

_CODED_BITS = range(8, 15)
"""Sample bits whose starting values are listed."""


def rows() -> list[str]:
    return [
        "## Rows of a packet",
        text(
            f"""EDGE\\* and RAW\\* packets hold whole rows: from `first_row` on, 2^`log2_rows` of them, or as many
            as the [frame](#shape-of-a-frame) has left where these are fewer. Rows go from top to bottom, pixels
            from left to right. A packet whose `first_row` is not a row of the frame is malformed. All packets of a
            board have the same `log2_rows` (register `rows_per_packet`, address
            `{BY_NAME["rows_per_packet"].address:#04x}`), but a decoder needs nothing but the header, and takes any
            value of 0 to {HEADER["log2_rows"].maximum}. Every packet can be decoded alone: no state is carried
            from one to the next.""",
        ),
    ]


def code() -> list[str]:
    starts = ("B", *(f"A[{c}]" for c in range(CONTEXTS)))
    return [
        "## Entropy code",
        text(
            """EDGE and RAW payloads are a bit stream: the codes of all pixels, then 0 bits up to a whole byte.
            Numbers of fixed width in it come least significant bit first.""",
        ),
        "### Symbols",
        text("Every pixel is one symbol s, which is 0 or lies T or more away from 0."),
        table(
            ("", "EDGE", "EDGE, POSITIVE", "RAW"),
            (
                ("s", "the kernel response, 0 where not kept", "the same, never negative", "the residual, see below"),
                ("T", "`edge_threshold`; 1 where `threshold_mode` is OFF", "`edge_threshold`", "1"),
                ("m, for s other than 0", "2 (abs(s) - T), and 1 more where s < 0", "s - T", "as EDGE"),
                ("back from m", "abs(s) = T + (m >> 1); s < 0 where m is odd", "s = T + m", "as EDGE"),
                (
                    "kept",
                    "where s is not 0; everywhere with OFF",
                    "where s is not 0",
                    "everywhere",
                ),
            ),
        ),
        text(
            """*EDGE, POSITIVE* is an EDGE packet under `threshold_mode` POSITIVE. B is META's `sample_bits`. A
            symbol with abs(s) over 2^B - 1 makes the payload malformed."""
        ),
        "### Residuals of RAW",
        text(
            """A RAW pixel x is predicted from pixels of the same packet: W to the left of it, N above it, E above
            it and one to the right."""
        ),
        table(
            ("place", "prediction p"),
            (
                ("the packet's first pixel", "2^(B - 1)"),
                ("the rest of its first row", "W"),
                ("first column of a later row", "(2 N + N + E + 2) >> 2, as if W were N"),
                ("last column of a later row", "(2 W + N + N + 2) >> 2, as if E were N"),
                ("elsewhere", "(2 W + N + E + 2) >> 2"),
            ),
        ),
        text(
            """s = ((x - p + 2^(B - 1)) mod 2^B) - 2^(B - 1), so that s has B bits; back again x = (p + s) mod 2^B.
            Here, first and last refer to the packet, not the frame: a packet's first row never sees the row above
            it."""
        ),
        "### State",
        text(
            f"""The code adapts. There are {CONTEXTS} contexts c, 0 to {CONTEXTS - 1}, chosen by how far the two
            pixels to the left were over the threshold; context 0 is where both are 0."""
        ),
        table(
            ("state", "what it is", "begins anew", "at"),
            (
                ("A[c], c = 0 ...", f"about 2^{MEAN_SHIFT} times the mean of m", "packet", "the table below"),
                ("Z[c], c = 1 ...", "how often s is 0", "packet", ZEROS_START),
                ("i", f"run index, 0 to {len(RUN_BITS) - 1}: how long runs of zeros are", "packet", 0),
                ("e1, e2", "e of the pixel to the left and of the one before that", "row", 0),
            ),
        ),
        text(
            """Here e = abs(s) - T + 1 where s is not 0, else 0. A[c] begins at:""",
        ),
        table(starts, ((bits, *starting_means(bits)) for bits in _CODED_BITS), right=starts),
        text("The run length table J: run index i counts zeros in groups of 2^J[i]."),
        table(
            ("i", *range_of_equal()),
            (("J[i]", *(str(bits) for bits in sorted(set(RUN_BITS)))),),
        ),
        "### Decoding",
        text(
            """Start with the state above, at the packet's first row. At the start of every row e1 = e2 = 0. For
            each pixel of the row that is not known yet:"""
        ),
        items(
            f"""c = min(bit_length(2 e1 + e2), {CONTEXTS - 1}) and k = bit_length(A[c] >> {PARAMETER_SHIFT}).""",
            f"""**Where c = 0**, read a bit. `1`: the next 2^J[i] pixels are 0; then i counts one up, to
            {len(RUN_BITS) - 1} at most. But where the row has fewer than 2^J[i] pixels left, all those are 0 and i
            stays. e1 and e2 stay 0, A and Z stay; go on with step 1 for the pixel behind them (or the next row).
            `0`: read a number r of J[i] bits: the next r pixels are 0, and the one behind them is not; then i
            counts one down, to 0 at least. Read m = Rice(k) for that pixel, with the k of step 1; go on with step
            4. Where the row ends before that pixel, the payload is malformed.""",
            f"""**Where c > 0**: if k > 0 and Z[c] < {ZEROS_RARE}, zeros are rare: read n = Rice(k); s is 0 where n
            = 0, else m = n - 1. Otherwise read a flag bit: `0` says that s is 0, behind a `1` read m = Rice(k).""",
            f"""Where s is not 0: work out s and e from m, and A[c] = A[c] + m - (A[c] >> {MEAN_SHIFT}), with the c
            of step 1, 0 included.""",
            f"""Where c > 0: Z[c] = Z[c] + w - (Z[c] >> {ZEROS_SHIFT}), where w is {ZEROS_STEP} if s is 0, else 0.""",
            "e2 = e1, then e1 = e (0 where s is 0).",
            numbered=True,
        ),
        text(
            f"""**Rice(k)**: count the 0 bits up to the first `1`, u of them; the `1` is taken as well; read k bits
            as a number r; the result is u 2^k + r. But after {ESCAPE_ZEROS} zeros (no `1` follows) read B + 1
            bits: they are the result.""",
            f"""The payload ends with the last row. It is malformed where its bits do not suffice, where 8 or more
            are left, or where one of those left is 1. No pixel takes more than {MAX_CODE_BITS} bits.""",
        ),
        "### Encoding",
        text(
            f"""An encoder writes what this reads. It counts the zeros in context 0, writes `1` whenever they are
            2^J[i] (i counts up and the count starts anew), and at the end of a row writes `1` where the count is
            not 0 (i and the rest of the state stay). A number n whose n >> k is {ESCAPE_ZEROS} or more goes as
            escape, and no smaller one. Where the payload would take more bytes than the same rows at fixed width,
            those are sent instead; where it takes as many, the code is. So the bytes of a packet follow from its
            pixels alone, and two boards send the same.""",
        ),
    ]


def range_of_equal() -> list[str]:
    """Run indices with one J: "0-3", "4-7", ..."""
    found = []
    for bits in sorted(set(RUN_BITS)):
        first = RUN_BITS.index(bits)
        found.append(f"{first}-{first + RUN_BITS.count(bits) - 1}")
    return found


def stored() -> list[str]:
    return [
        "## Payloads at fixed width",
        text(
            """EDGE_STORED and RAW_STORED payloads are a bit stream of the same rows, one number a pixel, then 0
            bits up to a whole byte."""
        ),
        table(
            ("", "EDGE_STORED", "RAW_STORED"),
            (
                ("bits a pixel", "B + 1, two's complement", "B, unsigned"),
                ("number", "the response, 0 where not kept", "the pixel"),
                ("kept", "where it is not 0; everywhere with `threshold_mode` OFF", "everywhere"),
                ("length in bytes", "(rows x columns x (B + 1) + 7) >> 3", "(rows x columns x B + 7) >> 3"),
            ),
        ),
        text(
            """A payload of another length, with a filling bit that is 1, or with a response that its settings do
            not send (other than 0 and nearer to 0 than T, abs(s) over 2^B - 1, negative under POSITIVE) is
            malformed."""
        ),
    ]
