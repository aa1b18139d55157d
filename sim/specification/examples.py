"""Section of the page: worked examples, every byte and bit of which the golden model computed.

sim.golden, trace -> [examples] -> page
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.code import ZEROS_RARE
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import (
    COMMAND_HEADER,
    HEADER,
    HEADER_END,
    META,
    OVERHEAD,
    REPLY,
    SYNC,
    VERSION,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
    packet,
)
from edgeray.protocol.registers import BY_NAME, ReadoutMode, Register, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.golden import meta
from sim.golden.encode import Payload, payloads
from sim.golden.frame import frame_packets
from sim.golden.predict import residuals
from sim.specification.markdown import dump, octets, table, text
from sim.specification.scene import scene
from sim.specification.trace import Step, trace

_Array = npt.NDArray[np.integer]

_TICK_RATE = 24_000_000
_IMAGE_ID, _GENERATION = 300, 5
_THRESHOLD = 4
_PART = 12
"""Bytes in a line of a table."""
# A run that ends inside a row and one that the row's end cuts, an escape, and one context long enough at work for its
# zeros to become rare.
_RESPONSES = np.array([
    [0, 0, 0, 0, 0, 0, 0, 5, -7, 0, 0, 0, 0, 0],
    [-60, 31, -42, 35, 29, -38, 32, 37, -41, 28, 33, 40, -34, 36],
    [33, 30, -42, 33, 28, -30, 36, 29, -35, 0, 32, 4, 0, 0],
])  # fmt: skip
_PIXELS = np.array([
    [130, 131, 131, 130, 129, 129, 150, 155],
    [131, 131, 130, 130, 131, 133, 152, 155],
    [131, 130, 130, 131, 130, 135, 153, 154],
])  # fmt: skip
_NOISE = np.array([[-255, 9, 255, -128]])


def examples() -> list[str]:
    return [
        "## Worked examples",
        text("All of them were computed when this page was written. Bytes are in hexadecimal."),
        *_meta(),
        *_edge(),
        *_raw(),
        *_stored(),
        *_command(),
        *_block(),
    ]


def _framed(payload: Payload, detector: Detector) -> bytes:
    return frame_packets([payload], _IMAGE_ID, _GENERATION, detector)


def _bytes(data: bytes, names: dict[str, str], rows: list[tuple[str, bytes, str]]) -> str:
    """A packet, byte by byte: `rows` are the parts of its payload, name, bytes and meaning."""
    layout = COMMAND_HEADER if "address" in names else HEADER
    fields = layout.unpack(data[len(SYNC) :])
    described = ", ".join(f"{name} {names.get(name) or fields[name]}" for name in fields)
    groups = [
        ("SYNC", data[: len(SYNC)], ""),
        ("header", data[len(SYNC) : HEADER_END - 1], described),
        ("CRC-8", data[HEADER_END - 1 : HEADER_END], f"of bytes {len(SYNC)} to {HEADER_END - 2}"),
        *rows,
        (
            "CRC-32",
            data[-4:],
            f"of bytes {len(SYNC)} to {len(data) - 5}: `{int.from_bytes(data[-4:], 'little'):#010x}`",
        ),
    ]
    assert b"".join(part for _, part, _ in groups) == data
    lines, place = [], 0
    for name, whole, meaning in groups:
        for part in (whole[start : start + _PART] for start in range(0, len(whole), _PART)):
            where = f"{place}-{place + len(part) - 1}" if len(part) > 1 else str(place)
            lines.append((where, f"`{octets(part)}`", name, meaning))
            place += len(part)
    return table(("byte", "bytes", "what", "value"), lines)


def _meta() -> list[str]:
    detector, settings = (
        Detector(),
        Settings(edge_threshold=20, pga_gain=1, pga_offset=-3, count_time=_TICK_RATE // 1000),
    )
    data = meta.payload(
        detector=detector,
        settings=settings,
        image_id=_IMAGE_ID,
        timestamp=_TICK_RATE * 60 + 12345,
        tick_rate=_TICK_RATE,
        counters=meta.Counters(railed=7, convolution_saturated=1),
        dropped=2,
    )
    found, fields = _framed(Payload(PacketType.META, 0, False, data), detector), META.unpack(data)
    rows, group, start = [], [], 0
    for field in META:
        group.append(f"{field.name} {fields[field.name]}")
        end = META.offset(field.name) + field.bits
        if end % 8 == 0:
            rows.append(("payload", data[start : end // 8], ", ".join(group)))
            group, start = [], end // 8
    size = detector.kernel_size**2
    rows += [
        ("weights", data[start : start + size], " ".join(map(str, settings.kernel.padded(detector.kernel_size).flat))),
        ("filling", data[start + size :], ""),
    ]
    return [
        "### A META packet",
        text(
            f"""Of a detector of {detector.rows}x{detector.columns} at {detector.sample_bits} bits, before frame
            {_IMAGE_ID} under generation {_GENERATION}; {len(found)} bytes:"""
        ),
        dump(found),
        _bytes(found, {}, rows),
    ]


def _edge() -> list[str]:
    rows, columns = _RESPONSES.shape
    detector = Detector(rows=rows, columns=columns, guard_ring=0, sample_bits=8)
    settings = Settings(edge_threshold=_THRESHOLD)
    (payload,) = payloads(_RESPONSES, _RESPONSES != 0, detector=detector, settings=settings)
    assert payload.type == PacketType.EDGE
    steps = trace(_RESPONSES, sample_bits=8, threshold=_THRESHOLD)
    assert all(any(word in step.what for step in steps) for word in ("ends", "whole", "row ends", "escape", "rare"))
    found = _framed(payload, detector)
    return [
        "### An EDGE packet",
        text(
            f"""{rows} rows of {columns} responses at {detector.sample_bits} bits; `threshold_mode` ABSOLUTE, T =
            {_THRESHOLD}; 0 where not kept:"""
        ),
        _numbers(_RESPONSES),
        text(f"The packet, {len(found)} bytes, the last one of frame {_IMAGE_ID} under generation {_GENERATION}:"),
        dump(found),
        _bytes(found, {"type": "1 (EDGE)"}, [("payload", payload.data, "")]),
        text(
            f"""Pixel by pixel, the state before it and the bits that it adds, in the order of the stream, that is,
            each byte from bit 0 upwards. In context 0, *run* counts the zeros not yet written. Z[c] below
            {ZEROS_RARE} makes zeros rare where k > 0."""
        ),
        _steps(steps),
        _end(steps, payload.data),
    ]


def _raw() -> list[str]:
    rows, columns = _PIXELS.shape
    detector = Detector(rows=rows, columns=columns, guard_ring=0, sample_bits=8)
    settings = Settings(readout_mode=ReadoutMode.RAW)
    every = np.ones(_PIXELS.shape, np.bool_)
    (payload,) = payloads(_PIXELS, every, detector=detector, settings=settings)
    assert payload.type == PacketType.RAW
    symbols = residuals(_PIXELS, 8)
    steps = trace(symbols, sample_bits=8, threshold=1)
    found = _framed(payload, detector)
    predicted = ((_PIXELS - symbols) % 256).ravel().tolist()
    extra = [(x, p) for x, p in zip(_PIXELS.ravel().tolist(), predicted, strict=True)]
    return [
        "### A RAW packet",
        text(f"{rows} rows of {columns} pixels at {detector.sample_bits} bits:"),
        _numbers(_PIXELS),
        text(f"The packet, {len(found)} bytes:"),
        dump(found),
        _bytes(found, {"type": "2 (RAW)"}, [("payload", payload.data, "")]),
        text("Pixel x, its prediction p, its residual s, and the rest as above:"),
        _steps(steps, extra),
        _end(steps, payload.data),
    ]


def _stored() -> list[str]:
    rows, columns = _NOISE.shape
    detector = Detector(rows=rows, columns=columns, guard_ring=0, sample_bits=8)
    settings = Settings(edge_threshold=1, threshold_mode=ThresholdMode.ABSOLUTE)
    (payload,) = payloads(_NOISE, _NOISE != 0, detector=detector, settings=settings)
    assert payload.type == PacketType.EDGE_STORED
    coded = "".join(step.bits for step in trace(_NOISE, sample_bits=8, threshold=1))
    found, bits = _framed(payload, detector), detector.response_bits
    numbers = [
        (value, f"{value & (1 << bits) - 1:#05x}", f"{value & (1 << bits) - 1:0{bits}b}"[::-1])
        for value in _NOISE[0].tolist()
    ]
    return [
        "### An EDGE_STORED packet",
        text(
            f"""One row of {columns} responses at {detector.sample_bits} bits, T = 1. Its code would take
            {len(coded)} bits, {-(-len(coded) // 8)} bytes; at fixed width it takes {columns} x {bits} bits,
            {len(payload.data)} bytes:"""
        ),
        dump(found),
        _bytes(found, {"type": "3 (EDGE_STORED)"}, [("payload", payload.data, "")]),
        table(("response", f"in {bits} bits", "bits, least significant first"), numbers, right=("response",)),
    ]


def _command() -> list[str]:
    register, value = BY_NAME["edge_threshold"], 20
    return [
        "### A command and its reply",
        text(f"WRITE of {value} to `{register.name}`, {OVERHEAD + WRITE_SIZE} bytes to the board:"),
        *_sent(CommandType.WRITE, register, 42, value),
        text(f"The board's answer, {OVERHEAD + REPLY.size} bytes, which is {OVERHEAD} and the payload's {REPLY.size}:"),
        *_answered(register, 42, ReplyStatus.OK, value, str(value)),
    ]


def _block() -> list[str]:
    register, values = BY_NAME["edge_threshold"], (20, 0, 30)
    return [
        "### A block of which a value is refused",
        text(
            f"""WRITE_BLOCK of {", ".join(map(str, values))} to `{register.name}`, which takes no 0. One would not
            do this but to the register of a memory; here it shows what becomes of the values behind the 0."""
        ),
        *_sent(CommandType.WRITE_BLOCK, register, 43, *values),
        text(f"One value was written, and nothing after the one refused; the register now holds {values[0]}:"),
        *_answered(register, 43, ReplyStatus.VALUE_REFUSED, 1, "1 value written"),
    ]


def _sent(kind: CommandType, register: Register, sequence: int, *values: int) -> list[str]:
    """A command with these values."""
    payload = b"".join(value.to_bytes(WRITE_SIZE, "little") for value in values)
    fields = {"type": kind, "generation": 0, "sequence": sequence, "address": register.address}
    rows = [("value", value.to_bytes(WRITE_SIZE, "little"), str(value)) for value in values]
    return _exchanged(fields, payload, f"{kind.value} ({kind.name})", rows)


def _answered(register: Register, sequence: int, status: ReplyStatus, value: int, meaning: str) -> list[str]:
    """The reply to a command."""
    payload = REPLY.pack({"status": status, "value": value})
    fields = {"type": PacketType.REPLY, "generation": 1, "sequence": sequence, "address": register.address}
    rows = [("status", payload[:1], f"{status.value} ({status.name})"), ("value", payload[1:], meaning)]
    return _exchanged(fields, payload, "7 (REPLY)", rows)


def _exchanged(fields: dict[str, int], payload: bytes, kind: str, rows: list[tuple[str, bytes, str]]) -> list[str]:
    header = COMMAND_HEADER.pack({"version": VERSION, "last": 1, **fields, "length": len(payload)})
    found = packet(header, payload)
    return [dump(found), _bytes(found, {"type": kind, "address": f"{fields['address']:#06x}"}, rows)]


def _numbers(values: _Array) -> str:
    width = max(len(str(each)) for each in values.ravel().tolist())
    lines = [" ".join(str(each).rjust(width) for each in row) for row in values.tolist()]
    return "```text\n" + "\n".join(lines) + "\n```"


def _steps(steps: list[Step], extra: list[tuple[int, int]] | None = None) -> str:
    head = ["row", "column", *(("x", "p") if extra else ()), "s", "e1", "e2", "c", "A[c]", "Z[c]", "k", "i", "run"]
    rows = []
    for index, step in enumerate(steps):
        state = (
            step.symbol,
            step.e1,
            step.e2,
            step.context,
            step.mean,
            step.zeros,
            step.parameter,
            step.run_index,
            step.run,
        )
        cells = (step.row, step.column, *(extra[index] if extra else ()), *state)
        what = (step.what or "counted", f"`{step.bits}`" if step.bits else "")
        rows.append((*("" if cell is None else cell for cell in cells), *what))
    return table((*head, "code", "bits"), rows, right=head)


def _end(steps: list[Step], payload: bytes) -> str:
    bits = sum(len(step.bits) for step in steps)
    left = 8 * len(payload) - bits
    filling = f", the last of them filled up with {left} 0 bits" if left else ""
    return text(
        f"""Together {bits} bits: {len(payload)} bytes{filling}. The first byte, `{payload[0]:#04x}`, holds
        `{payload[0]:08b}` from bit 7 to bit 0, which is `{f"{payload[0]:08b}"[::-1]}` in the order of the stream."""
    )


def cost() -> list[str]:
    rows = []
    for bits in (8, 12):
        detector = Detector(rows=128, columns=128, guard_ring=0, sample_bits=bits)
        (image,) = scene(128, 128, bits, seed=1, noise=2)
        # Differences stand for a kernel here: what they cost does not depend on where they come from.
        response = (2 * image.astype(np.int64) - np.roll(image, 1, 0) - np.roll(image, 1, 1)) >> 1
        for threshold in (each << bits - 8 for each in (1, 2, 3, 4, 16)):
            kept = np.abs(response) >= threshold
            sent = sum(
                OVERHEAD + len(one.data)
                for one in payloads(response, kept, detector=detector, settings=Settings(edge_threshold=threshold))
            )
            rows.append((bits, f"edge, T = {threshold}", f"{kept.mean():.3f}", *_shares(sent, kept.sum(), detector)))
        sent = sum(
            OVERHEAD + len(one.data)
            for one in payloads(image, image >= 0, detector=detector, settings=Settings(readout_mode=ReadoutMode.RAW))
        )
        rows.append((bits, "raw", "", *_shares(sent, 0, detector)))
    meta_bytes = OVERHEAD + META.size + 12
    small = Detector(sample_bits=8)
    worst = OVERHEAD + small.payload_bytes(small.rows)
    return [
        "## What the code costs",
        text(
            """The fraction of pixels kept is not the fraction of bits sent. A kept pixel takes 2 bits at the very
            least, and in practice its sign, its size and its place; a pixel that is not kept takes a bit wherever
            something was kept just before it, and next to nothing only in empty regions. So a low threshold saves
            little, or nothing, against the whole image sent losslessly in RAW. A guide, computed on one synthetic
            scene of 128 x 128 pixels with noise, packets but not META counted; what real radiographs need is
            measured by `make bench`:"""
        ),
        table(
            ("B", "what is sent", "kept", "bits a pixel", "bits a kept pixel", "of the raw bits"),
            rows,
            right=(
                "B",
                "kept",
                "bits a pixel",
                "bits a kept pixel",
                "of the raw bits",
            ),
        ),
        text(
            f"""Every packet adds {OVERHEAD} bytes, a META of a 3x3 kernel is {meta_bytes} bytes in all. Where
            nothing can be gained, payloads at fixed width bound the cost: a frame of {small.rows}x{small.columns}
            at {small.sample_bits} bits takes {worst} bytes at most, {worst / (small.rows * small.columns):.3f}
            bytes a pixel, since the sign of a response needs a bit that a raw pixel has not."""
        ),
    ]


def _shares(sent: int, kept: int, detector: Detector) -> tuple[str, str, str]:
    pixels = detector.rows * detector.columns
    each = f"{8 * sent / kept:.2f}" if kept else ""
    return f"{8 * sent / pixels:.2f}", each, f"{8 * sent / pixels / detector.sample_bits:.2f}"
