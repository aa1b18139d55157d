"""A decoder written from docs/wire-format.md alone: it imports nothing of the project and shares no constant with it.

Plain Python for one whole stream, as short as it can be while it keeps every rule of the page.
"""

import zlib
from collections.abc import Iterator
from typing import Any

Rows = list[list[int]]

J = [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 2 + [5] * 2 + [6] * 2
META = (
    ("columns", 16), ("rows", 16), ("guard_ring", 8), ("kernel_size", 8), ("sample_bits", 8), ("convolution", 8),
    ("sample_source", 8), ("readout_mode", 8), ("threshold_mode", 8), ("edge_threshold", 16), ("kernel_shift", 8),
    ("stride", 8), ("pga_gain", 8), ("pga_offset", 16), ("cds_enabled", 8), ("cds_polarity", 8),
    ("correction_enabled", 8), ("image_id", 32), ("timestamp", 64), ("tick_rate", 32), ("register_map_hash", 32),
    ("count_time", 32), ("frame_time", 32), ("dropped", 32), ("railed", 16), ("pga_saturated", 16),
    ("correction_saturated", 16), ("convolution_saturated", 16),
)  # fmt: skip


class Malformed(Exception):
    """A payload that is none of what its header says."""


class Bits:
    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise Malformed
        found = self.value & ((1 << count) - 1)
        self.value, self.left = self.value >> count, self.left - count
        return found

    def end(self) -> None:
        if self.left >= 8 or self.value:
            raise Malformed


def crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (2 * crc ^ (0x2F if crc & 0x80 else 0)) & 0xFF
    return crc ^ 0xFF


def packets(stream: bytes, counts: dict[str, int]) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """(type, generation, last, sequence, address, payload) of every intact packet; address: bytes 4 and 5."""
    place = 0
    while (sync := stream.find(b"\xe6\x9a", place)) >= 0:
        counts["bytes_skipped"] += sync - place
        place, head = sync, stream[sync + 2 : sync + 8]
        end = sync + 13 + int.from_bytes(head[4:], "little")
        if sync + 9 > len(stream):
            pass
        elif crc8(head) != stream[sync + 8]:
            counts["header_bad"] += 1
        elif head[0] >> 6 != 1:
            counts["unknown_version"] += 1
        elif end > len(stream) or zlib.crc32(stream[sync + 2 : end - 4]) != int.from_bytes(
            stream[end - 4 : end], "little"
        ):
            counts["crc_bad"] += 1
        else:
            address = int.from_bytes(head[2:4], "little")
            yield head[0] >> 3 & 7, head[0] & 3, head[0] >> 2 & 1, head[1], address, stream[sync + 9 : end - 4]
            place = end
            continue
        counts["bytes_skipped"] += 2
        place += 2
    counts["bytes_skipped"] += len(stream) - place


def read_meta(payload: bytes) -> dict[str, Any]:
    bits, found = Bits(payload), dict[str, Any]()
    for name, width in META:
        found[name] = bits.take(width)
    found["pga_offset"] -= (found["pga_offset"] >> 15) << 16
    size, ring, stride = found["kernel_size"], found["guard_ring"], found["stride"]
    imaging = min(found["rows"], found["columns"]) - 2 * ring
    good = (
        1 <= found["rows"] <= 4096 and 4 <= found["columns"] <= 4096 and ring <= 16 and imaging >= 1
        and 8 <= found["sample_bits"] <= 14 and size in (3, 5) and found["kernel_shift"] <= 15
        and found["edge_threshold"] >= 1 and found["readout_mode"] <= 1 and found["threshold_mode"] <= 2
        and stride in (1, 3, size) and stride <= max(1, imaging) and len(payload) == (61 + size * size + 3) // 4 * 4
        and found["convolution"] <= (stride == 1) and found["sample_source"] <= 2 and found["cds_polarity"] <= 1
    )  # fmt: skip
    if not good:
        raise Malformed
    found["kernel_weights"] = [(bits.take(8) ^ 128) - 128 for _ in range(size * size)]
    return found


def shape(meta: dict[str, Any], pixels: bool) -> tuple[int, int]:
    if pixels or meta["readout_mode"] or meta["stride"] == 1:
        return meta["rows"], meta["columns"]
    ring, stride = 2 * meta["guard_ring"], meta["stride"]
    return (meta["rows"] - ring) // stride, (meta["columns"] - ring) // stride


def rice(bits: Bits, k: int, b: int) -> int:
    for zeros in range(10):
        if bits.take(1):
            return (zeros << k) + bits.take(k)
    return bits.take(b + 1)


def coded(payload: bytes, rows: int, columns: int, b: int, t: int, positive: bool) -> Rows:
    bits, found, i = Bits(payload), Rows(), 0
    a = [16] + [8 << min(max(c - 2, 0), b - 6) for c in range(1, 10)]
    z = [128] * 10
    for _ in range(rows):
        row, e1, e2 = list[int](), 0, 0
        found.append(row)
        while len(row) < columns:
            c = min((2 * e1 + e2).bit_length(), 9)
            k, m = (a[c] >> 4).bit_length(), None
            if c == 0:
                if bits.take(1):
                    run, left = 2 ** J[i], columns - len(row)
                    row += [0] * min(run, left)
                    i = min(i + 1, 21) if run <= left else i
                    continue
                row += [0] * bits.take(J[i])
                if len(row) >= columns:
                    raise Malformed
                i, m = max(i - 1, 0), rice(bits, k, b)
            elif k and z[c] < 48:
                n = rice(bits, k, b)
                m = n - 1 if n else None
            elif bits.take(1):
                m = rice(bits, k, b)
            s = 0
            if m is not None:
                s = t + m if positive else -(t + m // 2) if m % 2 else t + m // 2
                a[c] += m - (a[c] >> 3)
            if abs(s) >> b:
                raise Malformed
            if c:
                z[c] += (0 if s else 15) - (z[c] >> 4)
            e1, e2 = (abs(s) - t + 1 if s else 0), e1
            row.append(s)
    bits.end()
    return found


def pixels_of(residuals: Rows, b: int) -> Rows:
    found = Rows()
    for y, row in enumerate(residuals):
        found.append([])
        for x, s in enumerate(row):
            p = found[y][x - 1] if x else 1 << (b - 1)
            if y:
                n = found[y - 1][x]
                e = found[y - 1][x + 1] if x + 1 < len(row) else n
                p = (2 * (p if x else n) + n + e + 2) >> 2
            found[y].append((p + s) % 2**b)
    return found


def fixed(payload: bytes, rows: int, columns: int, b: int, t: int, positive: bool, raw: bool) -> Rows:
    bits, width = Bits(payload), b if raw else b + 1
    found = [[bits.take(width) for _ in range(columns)] for _ in range(rows)]
    bits.end()
    if not raw:
        found = [[value - (value >> b << b + 1) for value in row] for row in found]
        for value in (value for row in found for value in row):
            if value and (abs(value) < t or abs(value) >> b or (positive and value < 0)):
                raise Malformed
    return found


def read_rows(kind: int, address: int, payload: bytes, meta: dict[str, Any]) -> tuple[int, Rows, list[str]]:
    """First row, values and kept."""
    raw, off = kind in (2, 4), meta["threshold_mode"] == 2
    if meta["readout_mode"] and not raw:
        raise Malformed
    (height, columns), first = shape(meta, raw), address & 0xFFF
    rows = min(1 << (address >> 12), height - first)
    if rows <= 0:
        raise Malformed
    b, t = meta["sample_bits"], 1 if raw or off else meta["edge_threshold"]
    positive = meta["threshold_mode"] == 1 and not raw
    if kind in (3, 4):
        values = fixed(payload, rows, columns, b, t, positive, raw)
    else:
        values = coded(payload, rows, columns, b, t, positive)
        values = pixels_of(values, b) if raw else values
    return first, values, ["".join("1" if raw or off or value else "0" for value in row) for row in values]


def decode(stream: bytes) -> dict[str, Any]:
    """Frames, METAs, replies and counts of a whole stream from a board, as tests/vectors have them."""
    skipped = ("header_bad", "crc_bad", "unknown_version", "bytes_skipped")
    ledger = ("received", "incomplete", "undecodable", "malformed", "late", "triggered", "dropped")
    counts, metas = dict.fromkeys((*skipped, *ledger), 0), list[dict[str, Any]]()
    frames, replies = list[dict[str, Any]](), list[dict[str, int]]()
    frame: dict[str, Any] | None = None
    force, expected, unread = -1, 0, -1

    def end() -> None:
        nonlocal frame, expected
        if frame is not None:
            every = "0" not in frame["rows_received"] + frame.get("pixel_rows_received", "")
            frame["complete"] = frame["complete"] and every
            counts["received"] += 1
            counts["incomplete"] += not frame["complete"]
            expected = frame["image_id"] + 1
            counts["triggered"] = max(counts["triggered"], expected)
            frames.append(frame)
        frame = None

    described = b""
    for kind, generation, last, sequence, address, payload in packets(stream, counts):
        try:
            if kind == 7:
                status, value = payload[0], int.from_bytes(payload[1:5], "little")
                replies.append({"sequence": sequence, "address": address, "status": status, "value": value})
            elif kind == 0:
                meta = read_meta(payload)
                if (payload, generation) == (described, force):
                    counts["late"] += 1
                    continue
                described = payload
                metas.append(meta)
                end()
                force, expected, unread = generation, metas[-1]["image_id"], -1
                counts["triggered"] = max(counts["triggered"], expected + 1)
                counts["dropped"] = metas[-1]["dropped"]
            elif kind > 4:
                raise Malformed
            elif generation != force:
                end()
                counts["undecodable"] += sequence != unread
                unread = sequence
            else:
                meta = metas[-1]
                first, values, kept = read_rows(kind, address, payload, meta)
                here = expected if frame is None else frame["image_id"]
                ahead = (sequence - here) % 256
                if ahead >= 240:
                    counts["late"] += 1
                    continue
                if frame is not None and ahead:
                    end()
                if frame is None:
                    rows, columns = shape(meta, False)
                    frame = {
                        "image_id": here + ahead, "generation": generation, "meta": len(metas) - 1,
                        "complete": False, "wire_bytes": 0, "rows_received": "0" * rows,
                        "values": [[0] * columns for _ in range(rows)], "kept": ["0" * columns] * rows,
                    }  # fmt: skip
                audit = kind in (2, 4) and not meta["readout_mode"]
                if audit and "pixels" not in frame:
                    frame["pixel_rows_received"] = "0" * meta["rows"]
                    frame["pixels"] = [[0] * meta["columns"] for _ in range(meta["rows"])]
                mask, image = ("pixel_rows_received", "pixels") if audit else ("rows_received", "values")
                stop = first + len(values)
                if "1" in frame[mask][first:stop]:
                    counts["late"] += 1
                    continue
                frame[mask] = frame[mask][:first] + "1" * len(values) + frame[mask][stop:]
                frame[image][first:stop] = values
                if not audit:
                    frame["kept"][first:stop] = kept
                frame["wire_bytes"] += 13 + len(payload)
                if last:
                    frame["complete"] = True
                    end()
        except Malformed:
            counts["malformed"] += 1
    end()
    return {"frames": frames, "metas": metas, "replies": replies, "counts": counts}
