"""The entropy code at the host: golden encoder -> reference decoder and fast core, and both on what is no code."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from edgeray import code, core, payload
from edgeray.meta import Coding
from edgeray.protocol.detector import Detector
from sim.golden.code import code as encode
from sim.golden.predict import residuals
from tests.host_streams import SEED, Array, responses

needs_fast = pytest.mark.skipif(core.fast() is None, reason="the fast core is not installed")
CORES = [pytest.param(True, id="reference"), pytest.param(False, id="fast", marks=needs_fast)]

SHAPES = [(1, 4), (1, 64), (3, 65), (32, 32), (2, 257), (8, 1841)]


def decoded(data: bytes, rows: int, coding: Coding, *, plain: bool) -> Array | None:
    (found,) = payload.decode([data], [payload.Part(rows, coding, True)], plain=plain)
    return None if found is None else found[0]


@pytest.mark.parametrize("plain", CORES)
@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_responses_round_trip(rows: int, columns: int, plain: bool) -> None:
    for bits, density, positive in itertools.product(range(8, 15), (0.0, 0.05, 0.5, 1.0), (False, True)):
        if rows * columns > 2000 and plain and bits % 3:
            continue  # takes its time
        rng = np.random.default_rng([SEED, bits, int(20 * density)])
        full_scale = (1 << bits) - 1
        threshold = int(rng.choice([1, 2, 17, full_scale]))
        detector = Detector(rows=1, columns=4, guard_ring=0, sample_bits=bits)
        sent = responses(rng, detector, density, shape=(rows, columns), threshold=threshold, positive=positive)
        data = encode(sent, sample_bits=bits, threshold=threshold, positive=positive)
        coding = Coding(rows, columns, bits, raw=False, threshold=threshold, positive=positive, all_kept=False)
        found = decoded(data, rows, coding, plain=plain)
        assert found is not None, (bits, density, positive)
        assert np.array_equal(found, sent), (bits, density, positive)


@pytest.mark.parametrize("plain", CORES)
@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_pixels_round_trip(rows: int, columns: int, plain: bool) -> None:
    for bits in range(8, 15):
        if rows * columns > 2000 and plain and bits % 3:
            continue
        rng = np.random.default_rng([SEED, bits])
        full_scale = (1 << bits) - 1
        ramp = np.arange(rows * columns).reshape(rows, columns) * 7
        rails = rng.choice([0, full_scale], (rows, columns))
        for sent in (ramp & full_scale, rails, rng.integers(0, full_scale, (rows, columns), endpoint=True)):
            data = encode(residuals(sent, bits), sample_bits=bits, threshold=1)
            found = decoded(data, rows, Coding(rows, columns, bits), plain=plain)
            assert found is not None, bits
            assert np.array_equal(found, sent), bits


def test_the_reference_reads_the_codes_of_the_specification() -> None:
    """Codes written out by hand, bit by bit, from the text of `edgeray.protocol.code`."""

    def symbols(bits: str, columns: int, *, threshold: int = 5, positive: bool = False) -> list[int] | None:
        data = int(bits.replace(" ", "")[::-1], 2).to_bytes(-(-len(bits.replace(" ", "")) // 8), "little")
        found = code.symbols(data, 1, columns, sample_bits=8, threshold=threshold, positive=positive)
        return None if found is None else found[0].tolist()

    # Runs of 1, 1, 1, 1, then one of 2, then one of 2 that the row's end cuts.
    assert symbols("1 1 1 1 1 1", 7) == [0] * 7
    assert symbols("1 1 1 1 1 1", 8) == [0] * 8
    assert symbols("1 1 1 1 1 1", 9) is None
    # No zero before it; k is 1 (A[0] = 16), m = 2 (|s| - T) + sign, so m = 3: u = 1, low bit 1. Then c = bit_length(4),
    # k = bit_length(16 >> 4) = 1, a flag 0; then c = bit_length(2) and a flag 0; then a run of one.
    assert symbols("0 01 1  0 0 1", 4) == [-6, 0, 0, 0]
    # Without a sign m = |s| - T = 3.
    assert symbols("0 01 1  0 0 1", 4, positive=True) == [8, 0, 0, 0]
    # Ten zeros and m at fixed width, 9 bits: m = 500 is 250 over the threshold. A symbol over full scale is none.
    large = "0 0000000000 001011111"
    assert symbols(large + "0 0 1", 4) == [255, 0, 0, 0]
    assert symbols(large + "0 0 1", 4, threshold=6) is None
    # Filling other than zeros, and a byte left over.
    assert symbols("1 1 1 1 1 1 00", 8) == [0] * 8
    assert symbols("1 1 1 1 1 1 01", 8) is None
    assert symbols("1 1 1 1 1 1 00 00000000", 8) is None
    assert code.symbols(b"", 1, 4, sample_bits=8, threshold=1, positive=False) is None


def mutilated(rng: np.random.Generator, data: bytes) -> bytes:
    changed = bytearray(data)
    match int(rng.integers(6)):
        case 0:
            changed = bytearray(rng.bytes(int(rng.integers(1, 2 * len(data) + 2))))
        case 1:
            changed = changed[: int(rng.integers(len(data)))]
        case 2:
            changed += rng.bytes(int(rng.integers(1, 9)))
        case 3:
            changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        case 4:
            changed[-1] ^= 0x80
        case 5:
            at = int(rng.integers(len(data)))
            changed[at : at + 5] = rng.choice([bytes(5), b"\xff" * 5, rng.bytes(5)])
    return bytes(changed)


@needs_fast
def test_both_cores_take_and_refuse_the_same() -> None:
    accepted = refused = 0
    for seed in range(SEED, SEED + 400):
        rng = np.random.default_rng(seed)
        bits, rows, columns = int(rng.integers(8, 15)), int(rng.integers(1, 5)), int(rng.choice([4, 5, 33, 70, 200]))
        full_scale, raw, positive = (1 << bits) - 1, bool(rng.random() < 0.3), bool(rng.random() < 0.3)
        threshold = 1 if raw else int(rng.choice([1, 2, 16, full_scale]))
        detector = Detector(rows=1, columns=4, guard_ring=0, sample_bits=bits)
        sent = responses(rng, detector, rng.random(), shape=(rows, columns), threshold=threshold, positive=positive)
        good = encode(sent, sample_bits=bits, threshold=threshold, positive=positive)
        payloads = [good, *(mutilated(rng, good) for _ in range(20))]
        # A threshold that META may tell and no response reaches.
        told = 65535 if rng.random() < 0.1 and not raw else threshold
        coding = Coding(rows, columns, bits, raw=raw, threshold=told, positive=positive, all_kept=raw)
        parts = [payload.Part(rows, coding, True)] * len(payloads)
        plain, fast = (payload.decode(payloads, parts, plain=plain, threads=2) for plain in (True, False))
        for data, one, other in zip(payloads, plain, fast, strict=True):
            assert (one is None) == (other is None), (seed, data)
            refused += one is None
            if one is not None and other is not None:
                accepted += 1
                assert np.array_equal(one[0], other[0]), (seed, data)
                assert np.array_equal(one[1], other[1]), (seed, data)
    assert min(accepted, refused) > 500


GUARDED = """
import ctypes, mmap
import numpy as np
from edgeray import fast
from edgeray.protocol.code import starting_means
page = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * page)
octets = np.frombuffer(memory, np.uint8)
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(octets.ctypes.data + page), page, 0) == 0
means, values = np.array(starting_means(14), np.int64), np.zeros(100 * 4096, np.int16)
for seed in range(3000):
    size = seed % 40
    octets[page - 8 - size : page] = np.random.default_rng(seed).integers(0, (1, 256)[seed % 3 > 0], size + 8)
    assert not fast._symbols(octets[:page], page - 8 - size, page - 8, 100, 4096, 14, means, 1, False, values)
"""


@needs_fast
@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library for a page that cannot be read")
def test_the_fast_core_looks_at_eight_bytes_behind_a_payload_at_most() -> None:
    subprocess.run([sys.executable, "-c", GUARDED], check=True, timeout=60)


@needs_fast
def test_threads_share_packets_out() -> None:
    """Every packet is decoded once and stands where it belongs, whatever it weighs."""
    rng, detector = np.random.default_rng(SEED), Detector()
    sent = [responses(rng, detector, density) for density in rng.choice([0.0, 0.02, 1.0], 300)]
    payloads = [encode(values, sample_bits=12, threshold=1) for values in sent]
    payloads[17] = payloads[200] = b"\0"
    coding = Coding(32, 32, 12, raw=False, all_kept=False)
    for count, threads in itertools.product((1, 2, 300), (1, 2, 3, 7)):
        found = payload.decode(payloads[:count], [payload.Part(32, coding, True)] * count, threads=threads)
        for index, (one, values) in enumerate(zip(found, sent, strict=False)):
            assert (one is None) == (index in (17, 200))
            assert one is None or np.array_equal(one[0], values)


def test_no_room_is_made_for_what_cannot_be() -> None:
    coding = Coding(4096, 4096, 14)
    parts = [payload.Part(4096, coding, True)] * 1000
    assert payload.decode([b"\xff" * 100] * 1000, parts) == [None] * 1000
    (found,) = payload.decode([b"\xff" * (64 * 4096 // 8 + 8)], parts[:1])
    assert found is None


def test_without_the_fast_core_the_reference_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "fast", lambda: None)
    sent = responses(np.random.default_rng(SEED), Detector(), 0.3)
    found = decoded(encode(sent, sample_bits=12, threshold=1), 32, Coding(32, 32, 12, raw=False), plain=False)
    assert found is not None
    assert np.array_equal(found, sent)
