"""The audit: the host's own arithmetic against the golden model, and what it says of right, wrong and lost frames."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeray
from edgeray import cli
from edgeray.edges import edges
from edgeray.meta import Meta
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.packets import VERSION
from edgeray.protocol.registers import BY_NAME, Convolution, ReadoutMode, ThresholdMode, register_map_hash
from edgeray.protocol.settings import Settings
from sim.golden import meta as golden_meta
from sim.golden.convolve import convolve
from sim.golden.encode import payloads
from sim.golden.frame import frame_packets
from sim.golden.pipeline import read_out
from sim.golden.sensor import sensor
from sim.golden.threshold import threshold
from sim.golden.window import windows
from tests.fake_board import FakeBoard, served
from tests.golden_cases import DETECTORS, detectors, image, reproducible, seeds
from tests.host_streams import board_packet, meta_packet

SMALL = Detector(rows=16, columns=8)  # that of the fake board


def told(detector: Detector, settings: Settings) -> Meta:
    """The Meta that a board with these settings sends."""
    counters = golden_meta.Counters()
    return Meta.unpack(
        golden_meta.payload(
            detector=detector, settings=settings, image_id=0, timestamp=0, tick_rate=1, counters=counters
        )
    )


@reproducible
@given(
    detector=st.one_of(st.sampled_from(DETECTORS), detectors()),
    mode=st.sampled_from(ThresholdMode),
    edge_threshold=st.sampled_from((1, 2, 30, 4095, 65535)),
    shift=st.integers(0, 15),
    seed=seeds,
)
def test_edges_are_those_of_the_golden_model(
    detector: Detector, mode: ThresholdMode, edge_threshold: int, shift: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).integers(-128, 127, (detector.kernel_size,) * 2, endpoint=True)
    pixels = image(detector, seed)[0]
    for kernel in (Kernel("any", tuple(map(tuple, weights.tolist())), shift), KERNELS["laplacian"]):
        for stride in detector.strides:
            settings = Settings(kernel=kernel, stride=stride, threshold_mode=mode, edge_threshold=edge_threshold)
            if detector.convolution is Convolution.SENSOR:
                responses, guard = sensor(pixels, detector=detector)
            else:
                taps, guard = windows(pixels, detector=detector, stride=stride)
                responses, _ = convolve(taps, guard, sample_bits=detector.sample_bits, kernel=kernel)
            sent = threshold(responses, guard, mode=mode, edge_threshold=edge_threshold)
            values, kept = edges(pixels, told(detector, settings))
            assert values.dtype == np.int16
            assert np.array_equal(kept, sent)
            assert np.array_equal(values, np.where(sent, responses, 0))


def test_edges_refuses_what_it_cannot_recompute() -> None:
    with pytest.raises(ValueError, match="not \\(16, 9\\)"):
        edges(np.zeros((16, 9), np.uint16), told(SMALL, Settings()))
    with pytest.raises(ValueError, match="edge readout"):
        edges(np.zeros((16, 8), np.uint16), told(SMALL, Settings(readout_mode=ReadoutMode.RAW)))


def recorded(path: Path, change: Callable[[int, list[bytes]], list[bytes]] | None = None, **more: int) -> Path:
    """A capture file of 12 frames, every fourth an audit frame; `change` may alter the packets of each."""
    defaults: dict[str, Any] = {"nimages": 12, "audit_period": 4, "meta_period": 3, "edge_threshold": 40}
    settings = Settings(**(defaults | more))
    samples = image(SMALL, 5, 12)
    result = read_out(np.zeros_like(samples), samples, detector=SMALL, settings=settings)
    frames = result.frames(dict.fromkeys(range(12), 0), tick_rate=1)
    with path.open("wb") as file:
        for image_id, frame in enumerate(frames):
            packets = [frame]
            if change is not None:
                packets = change(image_id, split(frame))
            file.write(b"".join(packets))
    return path


def split(frame: bytes) -> list[bytes]:
    """The packets of a frame as bytes."""
    packets, start = [], 0
    while start < len(frame):
        size = 13 + int.from_bytes(frame[start + 6 : start + 8], "little")
        packets.append(frame[start : start + size])
        start += size
    return packets


def one_pixel_wrong(image_id: int, packets: list[bytes]) -> list[bytes]:
    """Frame 8 with the response at row 3, column 2 greater by 1000; nothing else would be noticed."""
    if image_id != 8:
        return packets
    settings, samples = Settings(edge_threshold=40), image(SMALL, 5, 12)[8]
    values, kept = edges(samples, told(SMALL, settings))
    values, kept = values.copy(), kept.copy()
    values[3, 2] += 1000
    kept[3, 2] = True
    wrong = payloads(values, kept, detector=SMALL, settings=settings, more=True)
    return [*split(frame_packets(wrong, 8, 1, SMALL)), packets[-1]]


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(exit code, output, errors) of the command."""
    code = cli.main([str(one) for one in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_right_board_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ({}, {"stride": 3}, {"threshold_mode": ThresholdMode.OFF}, {"threshold_mode": ThresholdMode.POSITIVE}):
        path = recorded(tmp_path / "x.edgeray", **more)
        found = edgeray.audit(edgeray.replay(path))
        pixels = 3 * (8 if "stride" in more else 16 * 8)
        assert found == edgeray.Audit(frames=3, pixels=pixels)
        assert found.agrees
        assert found.complete
        code, out, _ = run("audit", path, capsys=capsys)
        assert code == 0
        assert f"3 audit frames compared, 0 incomplete; {pixels} pixels: all agree" in out
    assert edgeray.audit(edgeray.replay(path), most=2).frames == 2
    code, out, _ = run("audit", path, "--frames", 1, "--json", capsys=capsys)
    assert code == 0
    assert json.loads(out)["frames"] == 1


def test_a_wrong_response_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "x.edgeray", one_pixel_wrong)
    found = edgeray.audit(edgeray.replay(path))
    right, _ = edges(image(SMALL, 5, 12)[8], told(SMALL, Settings(edge_threshold=40)))
    expected = int(right[3, 2])
    assert dataclasses.replace(found, first=[]) == edgeray.Audit(3, 3 * 128, 1, 1, 0)
    assert found.first == [edgeray.Disagreement(8, 3, 2, expected + 1000, expected)]
    code, out, _ = run("audit", path, capsys=capsys)
    assert code == 1
    assert f"frame 8, row 3, column 2: sent {expected + 1000}, recomputed {expected}" in out
    code, out, _ = run("audit", path, "--json", capsys=capsys)
    result = json.loads(out)
    assert (result["exit_code"], result["disagreements"], result["first"][0]["row"]) == (code, 1, 3) == (1, 1, 3)
    # The frame before it is right.
    assert run("audit", path, "--frames", 2, capsys=capsys)[0] == 0


def test_a_wrong_setting_is_found(tmp_path: Path) -> None:
    """A board that works with another threshold than it tells: every response between the two is wrong."""

    def tell_more(image_id: int, packets: list[bytes]) -> list[bytes]:
        if image_id % 3 == 0:
            packets[0] = meta_packet(SMALL, image_id, edge_threshold=20, kernel_shift=3, generation=1)
        return packets

    found = edgeray.audit(edgeray.replay(recorded(tmp_path / "x.edgeray", tell_more)))
    assert found.disagreements > 50
    assert len(found.first) == 10
    assert str(found).endswith("...")


@pytest.mark.parametrize("lost", [[0], [1], [0, 1]])
def test_lost_packets_are_data_incomplete(lost: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of frame 4, which has no META: its responses, its pixels, or all of it."""

    def lose(image_id: int, packets: list[bytes]) -> list[bytes]:
        return packets if image_id != 4 else [one for index, one in enumerate(packets) if index not in lost]

    path = recorded(tmp_path / "x.edgeray", lose)
    found = edgeray.audit(edgeray.replay(path))
    assert (found.frames, found.disagreements, found.incomplete) == (2, 0, int(lost != [0, 1]))
    assert run("audit", path, capsys=capsys)[0] == 4


def test_without_audit_frames_nothing_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ({"audit_period": 0}, {"readout_mode": ReadoutMode.RAW}):
        code, out, _ = run("audit", recorded(tmp_path / "x.edgeray", **more), capsys=capsys)
        assert code == 4
        assert "0 audit frames" in out
    (tmp_path / "text").write_bytes(b"no capture")
    code, _, errors = run("audit", tmp_path / "text", capsys=capsys)
    assert code == 4
    assert "holds no edgeray packet" in errors


def test_what_is_no_source_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run("audit", tmp_path / "nothing", capsys=capsys)
    assert code == 3
    assert "there is no such port" in errors
    path = tmp_path / "old.edgeray"
    path.write_bytes(meta_packet(SMALL, 0, register_map_hash=register_map_hash() ^ 1))
    code, _, errors = run("audit", path, capsys=capsys)
    assert code == 5
    assert "register map" in errors
    path.write_bytes(board_packet(0, 0, b"", version=VERSION - 1))
    code, _, errors = run("audit", path, capsys=capsys)
    assert code == 5
    assert "packet version" in errors
    for wrong in (["audit"], ["audit", str(path), "--frames", "0"], ["unheard-of"], []):
        assert cli.main(wrong) == 2


class AuditBoard(FakeBoard):
    """Sends what the golden model makes of an image, with the settings written to it; every second frame is lost."""

    lossy = False

    def packets(self, number: int) -> bytes:
        settings = Settings(
            edge_threshold=self.get("edge_threshold"), audit_period=self.get("audit_period"), kernel=KERNELS["mean"]
        )
        samples = image(SMALL, number)
        result = read_out(np.zeros_like(samples), samples, detector=SMALL, settings=settings, first_image_id=number,
                          generation=self.generation)  # fmt: skip
        (frame,) = result.frames({number: 0}, tick_rate=1, applied=True)
        return b"" if self.lossy and number % 2 else frame


@pytest.fixture
def board() -> Iterator[AuditBoard]:
    with served(AuditBoard()) as one:
        one.put("audit_memory", 1)
        yield one


def test_a_live_board_is_audited(board: AuditBoard, capsys: pytest.CaptureFixture[str]) -> None:
    board.put("audit_period", 7)
    code, out, _ = run("audit", board.url, "--frames", 20, "--json", capsys=capsys)
    result = json.loads(out)
    assert (code, result["frames"], result["pixels"]) == (0, 20, 20 * 128)
    assert (result["ledger"]["triggered"], result["ledger"]["confirmed"]) == (20, True)
    assert board.get("audit_period") == 7
    board.lossy = True
    code, out, _ = run("audit", board.url, "--frames", 20, capsys=capsys)
    assert code == 4
    assert "10 lost on the link" in out


def test_a_board_that_cannot_be_audited_says_why(board: AuditBoard, capsys: pytest.CaptureFixture[str]) -> None:
    board.put("readout_mode", int(ReadoutMode.RAW))
    code, _, errors = run("audit", board.url, capsys=capsys)
    assert code == 4
    assert "raw readout" in errors
    board.put("audit_memory", 0)
    code, _, errors = run("audit", board.url, capsys=capsys)
    assert code == 4
    assert "no memory for audit frames" in errors
    assert not [one for one in board.log if one.value is not None and one.name == BY_NAME["audit_period"].name]
