"""The link's bit errors: the interval is Clopper's and Pearson's, and the test finds the rate that a proxy makes."""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scipy import stats

import edgeray
from edgeray.bit_error import ErrorRate, bit_error_test, clopper_pearson
from edgeray.errors import DeviceTimeout, LinkError
from edgeray.protocol.packets import ReplyStatus
from edgeray.protocol.registers import ReadoutMode, Register, SampleSource
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.virtual_board import VirtualBoard
from tests.fake_board import FakeBoard, served, within

SURE = 0.9999
"""Of an interval that a test asks for: 95 % would fail one time in twenty."""


class Noise(threading.Thread):
    """A proxy that flips each bit with the probability `rate`, in both directions; serves one client.

    bits, flipped : that went through.
    """

    def __init__(self, url: str, rate: float) -> None:
        super().__init__(daemon=True)
        self.rate, self.bits, self.flipped = rate, 0, 0
        self._random, self._lock = random.Random(7), threading.Lock()
        self._board = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        with self._listener, socket.create_connection(self._board) as board:
            client = self._listener.accept()[0]
            with client:
                other = threading.Thread(target=self._pass, args=(board, client))
                other.start()
                self._pass(client, board)
                other.join()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(self._damage(data))
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _damage(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        with self._lock:
            self.bits += 8 * len(data)
            bit = self._gap()
            while bit < 8 * len(damaged):
                damaged[bit // 8] ^= 1 << bit % 8
                self.flipped += 1
                bit += 1 + self._gap()
        return bytes(damaged)

    def _gap(self) -> int:
        """Bits up to the next that is flipped."""
        return int(self._random.expovariate(self.rate)) if self.rate else 1 << 60


@contextlib.contextmanager
def noisy(url: str, rate: float) -> Iterator[Noise]:
    proxy = Noise(url, rate)
    proxy.start()
    yield proxy
    proxy.join(5)
    assert not proxy.is_alive()


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (1, 10), (10, 10), (3, 2000), (1200, 4000), (0, 10**6)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, SURE])
def test_interval_is_the_exact_one(hits: int, trials: int, confidence: float) -> None:
    found = stats.binomtest(hits, trials).proportion_ci(confidence, "exact")
    assert clopper_pearson(hits, trials, confidence) == pytest.approx((found.low, found.high), rel=1e-6)


def test_no_error_in_n_bits_is_the_rule_of_three() -> None:
    rate = ErrorRate(units=1000, damaged=0, bits=280_000)
    assert rate.estimate == 0
    assert rate.upper == pytest.approx(2.9957 / 280_000, rel=1e-3)
    assert ErrorRate(1000, 1000, 280_000).estimate == 1


def test_rate_of_bits_is_that_of_units_undone() -> None:
    """At a rate of 1e-3 a third of the units of 400 bits is damaged, which is not 400 times the rate."""
    damaged = round(100_000 * (1 - (1 - 1e-3) ** 400))
    assert ErrorRate(100_000, damaged, 100_000 * 400).estimate == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("rate", [3e-4, 1e-3])
def test_the_rate_of_a_noisy_link_is_found(rate: float) -> None:
    with VirtualBoard(Params()) as board, noisy(board.url, 0) as proxy, edgeray.open(proxy.url) as device:
        proxy.rate = rate
        found = bit_error_test(device, 1.0, frames=False)
        proxy.rate = 0
        low, high = found.words.interval(SURE)
        assert low < proxy.flipped / proxy.bits < high
        assert low < rate < high
        assert high < 6 * low, "the interval tells nothing"
        assert found.words.units > 300
        assert not found.wrong_words
        assert 0 < found.to_board <= found.words.damaged
        assert 0 < found.rejected <= 2 * found.words.damaged


def test_frames_are_counted_and_settings_kept() -> None:
    with VirtualBoard(Params()) as board, edgeray.open(board.url) as device:
        device.configure(Settings(edge_threshold=77, meta_period=5))
        device.apply()
        device.write("table_index", 12345)
        found = bit_error_test(device, 0.4)
        names = ("table_index", "edge_threshold", "meta_period", "sample_source", "readout_mode")
        assert [device.read(name) for name in names] == [12345, 77, 5, SampleSource.ADC, ReadoutMode.EDGE]
    assert found.frames is not None
    assert not found.damaged
    assert not found.wrong_values
    assert found.frames.units >= 8
    assert found.frames.bits > found.frames.units * 32 * 32
    assert found.upper == pytest.approx(3 / found.bits, rel=0.01)
    assert 0 < found.latency <= found.worst_latency < 1


def test_wrong_values_are_no_link_errors() -> None:
    """A register that loses a bit, frames that are no pattern: every packet is intact."""

    class Forgetful(FakeBoard):
        def put_in(self, named: Register, address: int, word: int) -> ReplyStatus:
            return super().put_in(named, address, word & ~(named.name == "table_index"))

    with served(Forgetful()) as board, edgeray.open(board.url) as device:
        found = bit_error_test(device, 0.2)
    assert not found.damaged
    assert found.wrong_values
    assert 0.3 * found.words.units < found.wrong_words < 0.7 * found.words.units


def test_a_board_that_falls_silent_does_not_hang_the_test() -> None:
    with served(FakeBoard()) as board, edgeray.open(board.url) as device:
        threading.Timer(0.2, setattr, (board, "mute", True)).start()
        within(15, lambda: bit_error_test(device, 60), DeviceTimeout, "no reply to the read of command_errors")


def test_a_recording_has_no_link() -> None:
    vectors = Path(__file__).parent / "vectors"
    with edgeray.open(f"replay://{vectors / 'audit.bin'}") as device, pytest.raises(LinkError, match="recording"):
        bit_error_test(device, 0.1)
