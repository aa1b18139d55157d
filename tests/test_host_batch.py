"""Many packets at a time by the fast core = one by one in plain Python: for any stream, any chunks, any damage."""

import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest

from edgeray import core
from edgeray.decoder import Decoder, Frame
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, SYNC, VERSION, PacketType, crc8
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.splitter import Packet, SkipCounts, Splitter
from tests.host_streams import SEED, board_packet, frame_packets, meta_packet, responses

pytestmark = pytest.mark.skipif(core.fast() is None, reason="the fast core is not installed")

DETECTOR = Detector(rows=20, columns=24, guard_ring=1, sample_bits=10)


def random_series(rng: np.random.Generator) -> list[bytes]:
    """Packets of all kinds: settings change, META is due or lost, frames are audit frames, stored, cut or repeated."""
    packets: list[bytes] = []
    told: dict[str, int] = {}
    generation = 0
    for image_id in range(int(rng.integers(3, 40))):
        if not told or rng.random() < 0.2:
            mode, readout = rng.choice(list(ThresholdMode)), rng.choice(list(ReadoutMode), p=[0.8, 0.2])
            told = {"threshold_mode": int(mode), "readout_mode": int(readout), "stride": int(rng.choice([1, 3]))}
            told["edge_threshold"] = int(rng.choice([1, 9, 1023]))
            generation = (generation + 1) % 4
            if rng.random() < 0.9:
                packets.append(meta_packet(DETECTOR, image_id, generation=generation, **told))
        elif rng.random() < 0.2:
            packets.append(meta_packet(DETECTOR, image_id, generation=generation, **told))
        log2_rows, stored = int(rng.choice([2, 4, 5, 15])), bool(rng.random() < 0.2)
        pixels = rng.integers(0, 1024, (20, 24))
        if told["readout_mode"] == ReadoutMode.RAW:
            new = frame_packets(DETECTOR, image_id, pixels, raw=True, stored=stored, generation=generation,
                                log2_rows=log2_rows)  # fmt: skip
        else:
            positive = told["threshold_mode"] == ThresholdMode.POSITIVE
            threshold = 1 if told["threshold_mode"] == ThresholdMode.OFF else told["edge_threshold"]
            shape = (20, 24) if told["stride"] == 1 else (6, 7)
            values = responses(rng, DETECTOR, rng.random(), shape=shape, threshold=threshold, positive=positive)
            audit = rng.random() < 0.3
            new = frame_packets(DETECTOR, image_id, values, stored=stored, threshold=threshold, positive=positive,
                                generation=generation, log2_rows=log2_rows, more=audit)  # fmt: skip
            if audit:
                new += frame_packets(DETECTOR, image_id, pixels, raw=True, stored=bool(rng.random() < 0.2),
                                     generation=generation, log2_rows=log2_rows)  # fmt: skip
        if rng.random() < 0.1:
            new.insert(int(rng.integers(len(new))), new[int(rng.integers(len(new)))])
        packets += new
        if rng.random() < 0.1:
            packets.append(board_packet(int(rng.integers(8)), image_id, rng.bytes(int(rng.integers(60)))))
    return packets


def false_header(rng: np.random.Generator) -> bytes:
    """A sync and a header, right or nearly so, of a packet that is not there."""
    fields = {one.name: int(rng.integers(1 << one.bits)) for one in HEADER}
    header = HEADER.pack({**fields, "version": VERSION, "length": int(rng.choice([0, 5, 300, 3000, 65535]))})
    return SYNC + header + bytes([crc8(header) ^ int(rng.choice([0, 0, 0, 1]))])


def damaged(rng: np.random.Generator, packets: list[bytes]) -> bytes:
    out = bytearray()
    for one in packets:
        data = bytearray(one)
        if rng.random() < 0.15:
            at, size = int(rng.integers(len(data))), int(rng.integers(1, 40))
            match int(rng.integers(6)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(8))
                case 1:
                    del data[at : at + size]
                case 2:
                    data[at:at] = rng.bytes(size)
                case 3:
                    data[at:at] = false_header(rng)
                case 4:
                    data += SYNC[:1] * int(rng.integers(1, 4)) + rng.bytes(int(rng.integers(3)))
                case 5:
                    data = bytearray()
        out += data
    return bytes(out)


def chunked(rng: np.random.Generator, stream: bytes) -> list[bytes]:
    most = int(rng.choice([5, 300, 5000, 50_000]))
    chunks = []
    while stream:
        size = int(rng.integers(1, most, endpoint=True))
        chunks.append(stream[:size])
        stream = stream[size:]
    return chunks


def one_by_one(chunks: list[bytes], max_payload: int) -> tuple[list[Packet], list[Frame], SkipCounts, Ledger]:
    splitter, decoder = Splitter(max_payload, plain=True), Decoder(plain=True)
    packets = [one for chunk in chunks for one in splitter.feed(chunk)] + splitter.finish()
    frames = [frame for one in packets for frame in decoder.accept(one)] + decoder.flush()
    return packets, frames, splitter.counts, decoder.ledger


def in_batches(chunks: list[bytes], max_payload: int) -> tuple[list[Packet], list[Frame], SkipCounts, Ledger]:
    splitter, decoder = Splitter(max_payload), Decoder(threads=2)
    packets, frames = [], []
    for chunk in chunks:
        new = splitter.feed(chunk)
        packets += new
        frames += decoder.accept_all(new)
    new = splitter.finish()
    return packets + new, frames + decoder.accept_all(new) + decoder.flush(), splitter.counts, decoder.ledger


def members(frame: Frame) -> list[object]:
    values = [getattr(frame, one.name) for one in dataclasses.fields(Frame)]
    return [(one.dtype, one.shape, one.tobytes()) if isinstance(one, np.ndarray) else one for one in values]


def test_batches_give_what_single_packets_give() -> None:
    frames_seen = audits = incomplete = 0
    for seed in range(SEED, SEED + 100):
        rng = np.random.default_rng(seed)
        stream = damaged(rng, random_series(rng))
        max_payload = int(rng.choice([65535, 1000]))
        packets, frames, counts, ledger = one_by_one(chunked(rng, stream), max_payload)
        other_packets, other_frames, other_counts, other_ledger = in_batches(chunked(rng, stream), max_payload)
        assert packets == other_packets, f"seed {seed}"
        assert counts == other_counts, f"seed {seed}"
        assert ledger == other_ledger, f"seed {seed}"
        assert len(frames) == len(other_frames), f"seed {seed}"
        for one, other in zip(frames, other_frames, strict=True):
            assert members(one) == members(other), f"seed {seed}, frame {one.image_id}"
        frames_seen += len(frames)
        audits += sum(frame.pixels is not None for frame in frames)
        incomplete += ledger.incomplete
    assert min(frames_seen // 5, audits, incomplete) > 50


def test_packets_come_as_soon_as_they_are_whole() -> None:
    """A chunk's packets are not held back for the next one, whatever begins behind them."""
    rng = np.random.default_rng(SEED)
    for seed in range(SEED, SEED + 60):
        rng = np.random.default_rng(seed)
        chunks = chunked(rng, damaged(rng, random_series(rng)))
        plain, fast = Splitter(2000, plain=True), Splitter(2000)
        for chunk in chunks:
            assert plain.feed(chunk) == fast.feed(chunk), f"seed {seed}"
            assert plain.counts == fast.counts, f"seed {seed}"
            assert plain._held == fast._held, f"seed {seed}"
            assert plain._needed == fast._needed, f"seed {seed}"
        assert plain.rescue() == fast.rescue(), f"seed {seed}"
        assert plain.finish() == fast.finish(), f"seed {seed}"
        assert plain.counts == fast.counts, f"seed {seed}"


def test_frames_of_a_batch_do_not_share_pixels() -> None:
    values = responses(np.random.default_rng(SEED), DETECTOR, 0.5)
    stream = b"".join([meta_packet(DETECTOR, 0), *(frame_packets(DETECTOR, n, values)[0] for n in range(8))])
    frames = Decoder().accept_all(Splitter().feed(stream))
    for frame, other in itertools.pairwise(frames):
        frame.values[:] = -1
        frame.kept[:] = False
        assert np.array_equal(other.values, values)
        assert np.array_equal(other.kept, values != 0)


FORKED = """
import os, sys, threading
import numpy as np
from edgeray import fast
from edgeray.meta import Coding
payloads = [np.random.default_rng(n).bytes(200) for n in range(500)]
coding = Coding(1, 64, 12, raw=False)
expected = fast.decode(payloads, 1, coding, threads=2)[1].tolist()
child = os.fork()
if not child:
    os._exit(fast.decode(payloads, 1, coding, threads=2)[1].tolist() != expected)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_decodes_with_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)


def test_reserved_packets_are_malformed_in_any_batch() -> None:
    decoder = Decoder()
    decoder.accept_all(
        Splitter().feed(board_packet(PacketType.BLOCK, 0, b"") + board_packet(PacketType.RESULT, 0, b""))
    )
    assert decoder.ledger.malformed == 2
