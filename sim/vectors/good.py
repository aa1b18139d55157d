"""Streams that arrive as they were sent: every packet type and every option."""

from dataclasses import replace

import numpy as np

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import PacketType, ReplyStatus
from edgeray.protocol.registers import BY_NAME, ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.vectors.commands import reply
from sim.vectors.series import FewRows, Packet, series, shown
from sim.vectors.vector import Vector

SMALL = Detector(rows=12, columns=20, sample_bits=12)
PACKETS = FewRows(rows=21, columns=19, sample_bits=12)
EDGE = Settings(edge_threshold=64)
RAW = Settings(readout_mode=ReadoutMode.RAW)


def vectors() -> list[Vector]:
    """All of them."""
    return [*_edges(), *_pixels(), *_frames()]


def types(packets: list[Packet]) -> set[PacketType]:
    """Types of these packets."""
    return {packet.type for packet in packets}


def _edges() -> list[Vector]:
    off, positive = (replace(EDGE, threshold_mode=mode) for mode in (ThresholdMode.OFF, ThresholdMode.POSITIVE))
    stored = series(replace(SMALL, guard_ring=0), replace(EDGE, edge_threshold=1), seed=7, noise=255)
    assert types(stored.packets) == {PacketType.META, PacketType.EDGE_STORED}
    off_stored = series(replace(SMALL, sample_bits=10, guard_ring=0), off, seed=8, noise=255)
    assert types(off_stored.packets) == {PacketType.META, PacketType.EDGE_STORED}
    flat = np.full((1, 9, 150), 5)
    flat[0, 6, 70] = 255
    wide, small8 = Detector(rows=9, columns=150, guard_ring=0, sample_bits=8), replace(SMALL, sample_bits=8)
    rails = np.where(np.indices((20, 24)).sum(0) // 5 % 2, (1 << 14) - 1, 0)[None]
    extremes = shown(rails, Detector(rows=20, columns=24, sample_bits=14), replace(EDGE, edge_threshold=3000))
    least = Detector(rows=1, columns=4, guard_ring=0, sample_bits=8)
    return [
        Vector("edge-absolute-8", "EDGE, threshold_mode ABSOLUTE, 8 bits").play(
            series(small8, replace(EDGE, edge_threshold=4), seed=1)
        ),
        Vector("edge-absolute-12", "EDGE, threshold_mode ABSOLUTE, 12 bits").play(series(SMALL, EDGE, seed=2)),
        Vector("edge-positive-10", "EDGE, threshold_mode POSITIVE, 10 bits").play(
            series(replace(SMALL, sample_bits=10), replace(positive, edge_threshold=10), seed=3)
        ),
        Vector("edge-off-14", "EDGE, threshold_mode OFF, 14 bits: every response is kept, also where it is 0").play(
            series(replace(SMALL, sample_bits=14), off, seed=4)
        ),
        Vector("edge-stride-3", "EDGE, stride 3, 14 bits: a response for every whole macro-pixel").play(
            series(Detector(rows=36, columns=47, sample_bits=14), replace(EDGE, stride=3, edge_threshold=200), seed=5)
        ),
        Vector("edge-kernel-5x5", "EDGE, kernel of 5x5, guard ring of 2, 10 bits").play(
            series(
                Detector(rows=18, columns=22, guard_ring=2, kernel_size=5, sample_bits=10),
                replace(EDGE, kernel=KERNELS["log"], edge_threshold=20),
                seed=6,
            )
        ),
        Vector("edge-stride-5", "EDGE, kernel of 5x5, stride 5, POSITIVE, 8 bits").play(
            series(
                Detector(rows=31, columns=44, kernel_size=5, sample_bits=8),
                replace(positive, kernel=KERNELS["log"], stride=5, edge_threshold=3),
                seed=9,
            )
        ),
        Vector("edge-stored-12", "EDGE_STORED, ABSOLUTE, 12 bits").play(stored),
        Vector("edge-stored-off-10", "EDGE_STORED, OFF, 10 bits").play(off_stored),
        Vector("edge-one-pixel", "EDGE, 8 bits, one pixel of 9x150 and its neighbours kept: long runs of zeros").play(
            shown(flat, wide, replace(EDGE, edge_threshold=20))
        ),
        Vector("edge-extremes-14", "EDGE, 14 bits, responses up to full scale of either sign: escapes").play(extremes),
        Vector("edge-nothing-kept", "EDGE, no pixel kept: frames are sent all the same").play(
            series(SMALL, replace(EDGE, edge_threshold=65535), seed=10)
        ),
        Vector("edge-one-row", "EDGE, the smallest detector there is: 1 row of 4 columns, 8 bits").play(
            shown(np.array([[[0, 255, 3, 9]], [[7, 7, 7, 8]]]), least, replace(EDGE, edge_threshold=1))
        ),
    ]  # fmt: skip


def _pixels() -> list[Vector]:
    found = [
        Vector(f"raw-{bits}", f"RAW, {bits} bits").play(
            series(replace(SMALL, sample_bits=bits), RAW, seed=20 + bits, frames=1)
        )
        for bits in (8, 10, 12, 14)
    ]
    stored = series(SMALL, RAW, seed=40, noise=255)
    assert types(stored.packets) == {PacketType.META, PacketType.RAW_STORED}
    ends = (np.indices((9, 17)).sum(0) // 4 % 2 * 255)[None]
    return [
        *found,
        Vector("raw-stored-12", "RAW_STORED, 12 bits").play(stored),
        Vector("raw-extremes-8", "RAW, 8 bits, stripes of 0 and full scale: residuals that wrap").play(
            shown(ends, Detector(rows=9, columns=17, sample_bits=8), RAW)
        ),
        Vector("raw-stride-ignored", "RAW under settings with stride 3: the whole array all the same").play(
            series(SMALL, replace(RAW, stride=3), seed=42, frames=1)
        ),
    ]


def _frames() -> list[Vector]:
    several = series(PACKETS, replace(EDGE, edge_threshold=40), seed=50, frames=3)
    assert len(several.of(1)) == 3
    raw = series(PACKETS, RAW, seed=51)
    signal = several.result.pixels[:2].copy()
    signal[:, :8] = series(PACKETS, RAW, seed=52, noise=255, frames=2).result.pixels[:, :8]
    bare = replace(PACKETS, guard_ring=0)
    mixed = shown(signal, bare, replace(EDGE, edge_threshold=1))
    assert {PacketType.EDGE, PacketType.EDGE_STORED} <= types(mixed.of(1))
    mixed_raw = shown(signal, PACKETS, RAW)
    assert {PacketType.RAW, PacketType.RAW_STORED} <= types(mixed_raw.of(1))
    audit = series(PACKETS, replace(EDGE, audit_period=2, meta_period=2), seed=53, frames=4)
    macro = series(PACKETS, replace(EDGE, audit_period=3, stride=3), seed=54, frames=2)
    every = shown(signal, bare, replace(EDGE, audit_period=1, edge_threshold=1))
    before = series(SMALL, EDGE, seed=55, generation=6)
    positive = replace(EDGE, threshold_mode=ThresholdMode.POSITIVE, edge_threshold=100)
    after = series(SMALL, positive, seed=56, first_image_id=2, generation=7, applied=True)
    other = series(SMALL, RAW, seed=57, first_image_id=4, generation=8, applied=True)
    tiny = Detector(rows=2, columns=6, guard_ring=0, sample_bits=8)
    wrap = series(tiny, Settings(edge_threshold=2, meta_period=4), seed=58, first_image_id=252, frames=10)
    plain = series(SMALL, EDGE, seed=59)
    register = BY_NAME["triggered"].address
    restart = replace(series(SMALL, EDGE, seed=60), begins=5_000_000)
    return [
        Vector("several-packets", "EDGE, frames of three packets, the last of them cut at the frame's last row")
        .play(several),
        Vector("several-packets-raw", "RAW, frames of three packets, each predicted alone").play(raw),
        Vector("mixed", "EDGE and EDGE_STORED packets in one frame").play(mixed),
        Vector("mixed-raw", "RAW and RAW_STORED packets in one frame").play(mixed_raw),
        Vector("audit", "every second frame is an audit frame: RAW packets behind the EDGE packets")
        .play(audit),
        Vector("audit-stride-3", "audit frames of macro-pixels: the pixels are those of the whole array").play(macro),
        Vector("audit-every-frame", "every frame is an audit frame, with EDGE_STORED and RAW_STORED packets")
        .play(every),
        Vector("generation-change", "settings change twice in a series: threshold, then readout mode")
        .play(before).play(after).play(other),
        Vector("sequence-wraps", "frames 252 to 261 with META every fourth: sequence goes from 255 to 0").play(wrap),
        Vector("two-series", "a series and the next one, which begins at frame 0 again").play(plain).play(restart),
        Vector("replies-between", "replies between the packets of frames")
        .play(plain, plain.of(0))
        .reply(reply(9, register, ReplyStatus.OK, 2, generation=1), sequence=9, address=register, status=0, value=2)
        .play(plain, plain.of(1)),
    ]  # fmt: skip
