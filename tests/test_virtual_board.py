"""The virtual board: the compiled gateware behind a socket or a pseudo-terminal, and the process that it runs in.

Every wait has a time-out. The programs are cached in the checkout, so that only the first run compiles them.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeray
from edgeray.correction import CorrectionTable
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import PRODUCT_ID, ReadoutMode, ThresholdMode, TriggerMode
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.golden.pipeline import read_out
from sim.virtual_board import BoardError, VirtualBoard, build, samples
from sim.virtual_board import process as board_process

ROOT = Path(__file__).resolve().parents[1]
SMALL = Params(rows=6, columns=9, guard_ring=1, adc_latency=3)
SEED = 2026
SECONDS = 20.0


def random_samples(params: Params, images: int, seed: int = SEED) -> npt.NDArray[np.uint16]:
    shape = (images, 2, params.rows, params.columns)
    return np.random.default_rng(seed).integers(0, params.full_scale + 1, shape, np.uint16)


def capture(device: edgeray.Device, settings: Settings, frames: int) -> list[edgeray.Frame]:
    device.configure(settings)
    return list(device.capture(frames, timeout=SECONDS))


def assert_golden(
    frames: list[edgeray.Frame], shown: npt.NDArray[np.uint16], params: Params, settings: Settings
) -> None:
    stack = shown[np.arange(len(frames)) % len(shown)]
    golden = read_out(stack[:, 0], stack[:, 1], detector=params, settings=settings)
    for index, frame in enumerate(frames):
        where = f"seed {SEED}, frame {index}"
        assert frame.image_id == index, where
        np.testing.assert_array_equal(frame.values, np.where(golden.kept, golden.responses, 0)[index], where)
        np.testing.assert_array_equal(frame.kept, golden.kept[index], where)
        if settings.audit_period and index % settings.audit_period == 0:
            assert frame.pixels is not None, where
            np.testing.assert_array_equal(frame.pixels, golden.pixels[index], where)
        else:
            assert frame.pixels is None, where


def gone(pid: int) -> bool:
    """The process ends within the time-out (a zombie that nobody has waited for counts as ended)."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("socket://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=SECONDS)


@pytest.fixture
def small() -> Iterator[VirtualBoard]:
    with VirtualBoard(SMALL, random_samples(SMALL, 3)) as board:
        yield board


SETTINGS = {
    "raw": Settings(readout_mode=ReadoutMode.RAW),
    "signal alone": Settings(readout_mode=ReadoutMode.RAW, cds_enabled=False),
    "edge": Settings(edge_threshold=900, count_time=7, gap_time=3, row_settle_time=4),
    "all": Settings(threshold_mode=ThresholdMode.OFF, column_settle_time=5, kernel=KERNELS["sobel-x"]),
    "macro-pixel": Settings(stride=3, edge_threshold=1),
    "audit": Settings(edge_threshold=900, audit_period=3),
}


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_frames_are_those_of_the_golden_model(latency: int) -> None:
    params = Params(rows=6, columns=9, adc_latency=latency)
    shown = random_samples(params, 3)
    with VirtualBoard(params, shown) as board:
        with edgeray.open(board.url) as device:
            for name, settings in SETTINGS.items():
                frames = capture(device, settings, 7)
                assert len(frames) == 7, name
                assert_golden(frames, shown, params, settings)
        assert board.wait(SECONDS) == 0
    assert board.summary is not None
    assert board.summary.frames == 7 * len(SETTINGS)
    assert board.summary.clocks > board.summary.frames * params.rows * params.columns


def test_the_default_detector() -> None:
    params = Params()
    shown = random_samples(params, 2)
    with VirtualBoard(params, shown) as board, edgeray.open(board.url) as device:
        assert (device.detector.rows, device.detector.columns) == (32, 32)
        assert_golden(capture(device, Settings(), 5), shown, params, Settings())


def test_frames_of_several_packets() -> None:
    params = Params(rows=10, columns=2048)
    assert params.packets == 2
    shown = random_samples(params, 2)
    with VirtualBoard(params, shown) as board, edgeray.open(board.url) as device:
        for settings in (SETTINGS["raw"], SETTINGS["edge"], SETTINGS["macro-pixel"], SETTINGS["audit"]):
            assert_golden(capture(device, settings, 3), shown, params, settings)


def test_a_correction_table_is_loaded_and_applied(small: VirtualBoard) -> None:
    random = np.random.default_rng(SEED)
    shape = (SMALL.rows, SMALL.columns)
    table = CorrectionTable(
        random.integers(-300, 300, shape), random.integers(700, 1400, shape), random.random(shape) < 0.1
    )
    settings = replace(SETTINGS["raw"], correction_enabled=True)
    with edgeray.open(small.url) as device:
        device.load_correction(table)
        frames = capture(device, settings, 3)
    shown = random_samples(SMALL, 3)
    golden = read_out(shown[:, 0], shown[:, 1], detector=SMALL, settings=settings, table=table)
    for frame in frames:
        np.testing.assert_array_equal(frame.values, golden.pixels[frame.image_id], f"seed {SEED}")


def test_software_triggers_give_a_frame_each(small: VirtualBoard) -> None:
    settings = replace(SETTINGS["raw"], trigger_mode=TriggerMode.SOFTWARE)
    with edgeray.open(small.url) as device:
        device.configure(settings)
        frames = []
        with device.capture(4, timeout=SECONDS) as series:
            for _ in range(4):
                device.trigger()
                frames.append(next(series))
            assert next(series, None) is None
        assert series.ledger.complete
    assert_golden(frames, random_samples(SMALL, 3), SMALL, settings)


def test_a_cadence_that_is_too_fast_drops_whole_frames_and_says_how_many(small: VirtualBoard) -> None:
    with edgeray.open(small.url) as device:
        # A frame takes longer than half of these ticks, so that every second trigger finds the board busy.
        device.configure(replace(SETTINGS["raw"], frame_time=60))
        frames = list(device.capture(40, timeout=SECONDS))
    ledger = device.ledger
    assert ledger.triggered == 40
    assert ledger.dropped_on_chip == 40 - len(frames) > 0
    assert ledger.lost_on_link == 0
    shown = random_samples(SMALL, 3)
    golden = read_out(shown[:, 0], shown[:, 1], detector=SMALL, settings=SETTINGS["raw"])
    for frame in frames:
        np.testing.assert_array_equal(frame.values, golden.pixels[frame.image_id % 3])


def test_a_pseudo_terminal_is_as_good_as_a_socket() -> None:
    shown = random_samples(SMALL, 2)
    with VirtualBoard(SMALL, shown, terminal=True) as board:
        assert board.url.startswith("/dev/")
        with edgeray.open(board.url) as device:
            assert_golden(capture(device, SETTINGS["raw"], 50), shown, SMALL, SETTINGS["raw"])
        assert board.wait(SECONDS) == 0


def test_a_new_scene_over_the_wire(small: VirtualBoard) -> None:
    with edgeray.open(small.url) as device:
        before = capture(device, SETTINGS["raw"], 3)
        for images in (1, 5):
            shown = random_samples(SMALL, images, seed=images)
            small.show(shown)
            after = capture(device, SETTINGS["raw"], 6)
            assert_golden(after, shown, SMALL, SETTINGS["raw"])
            assert (after[0].values != before[0].values).any()


WRONG_SCENES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "magic": (lambda data: b"PNG!" + data[4:], "does not start with its magic number"),
    "rows": (lambda data: data[:8] + b"\7" + data[9:], "7 rows of 9 pixels, this board's detector 6 of 9"),
    "none": (lambda data: data[:4] + bytes(4) + data[8:], "not 0 images"),
    "many": (lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:], "at most 2 GiB"),
    "short": (lambda data: data[:-1], "ended after 647 of 648 bytes"),
    "header": (lambda data: data[:7], "ended after 7 of 16 bytes"),
    "codes": (lambda data: data[:-1] + b"\x10", "over the full scale of 4095"),
}


@pytest.mark.parametrize("name", WRONG_SCENES)
def test_a_wrong_scene_is_refused_and_the_old_one_stays(name: str, tmp_path: Path) -> None:
    spoil, message = WRONG_SCENES[name]
    shown = random_samples(SMALL, 3)
    data = spoil(samples.encode(shown))
    with VirtualBoard(SMALL, shown) as board, edgeray.open(board.url) as device:
        with connect(f"127.0.0.1:{board._scene_port}") as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile().read()
        assert message in answer
        assert answer.count("\n") == 1
        assert_golden(capture(device, SETTINGS["raw"], 3), shown, SMALL, SETTINGS["raw"])
    # A file goes through the same check, and the board does not start with it.
    (tmp_path / "scene").write_bytes(data)
    done = subprocess.run(
        [build(SMALL), "--samples", tmp_path / "scene"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert message in done.stderr


def test_show_says_what_is_wrong(small: VirtualBoard) -> None:
    with pytest.raises(BoardError, match="32 rows of 32 pixels"):
        small.show(random_samples(Params(), 1))
    with pytest.raises(ValueError, match="float64"):
        small.show(np.zeros((1, 2, 6, 9)))  # type: ignore[arg-type]


def test_a_board_without_a_scene_is_dark() -> None:
    with VirtualBoard(SMALL) as board, edgeray.open(board.url) as device:
        assert not capture(device, SETTINGS["raw"], 2)[1].values.any()


def test_it_ends_with_its_client(small: VirtualBoard) -> None:
    connect(small.url).close()
    assert small.wait(SECONDS) == 0


def test_it_ends_when_the_client_goes_in_the_middle_of_a_series(small: VirtualBoard) -> None:
    with edgeray.open(small.url) as device:
        device.configure(SETTINGS["raw"])
        frames = iter(device.capture(0, timeout=SECONDS))
        next(frames)
        device.channel.close()
    assert small.wait(SECONDS) == 0


def test_keep_serves_one_client_after_the_other() -> None:
    with VirtualBoard(SMALL, keep=True) as board:
        for _ in range(3):
            with edgeray.open(board.url) as device:
                assert device.read("product_id") == PRODUCT_ID
                # Meanwhile another client is turned away at once instead of waiting for ever.
                with connect(board.url) as other:
                    assert other.recv(1) == b""
        assert board.wait(0.1) is None
    assert gone(board.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(small: VirtualBoard, number: signal.Signals) -> None:
    with connect(small.url):
        os.kill(small.pid, number)
        assert small.wait(SECONDS) == 0


def test_it_ends_although_its_client_takes_nothing(small: VirtualBoard) -> None:
    with edgeray.open(small.url) as device:
        device.configure(SETTINGS["raw"])
        frames = iter(device.capture(0, timeout=SECONDS))
        next(frames)
        # The socket and the board's own buffer fill up, simulated time stands still.
        time.sleep(0.3)
        os.kill(small.pid, signal.SIGTERM)
        assert small.wait(SECONDS) == 0


def test_leaving_the_block_ends_it() -> None:
    with VirtualBoard(SMALL) as board:
        pass
    assert gone(board.pid)
    with pytest.raises(RuntimeError, match="on purpose"), VirtualBoard(SMALL) as board, connect(board.url):
        raise RuntimeError("on purpose")
    assert gone(board.pid)


def test_it_does_not_outlive_a_killed_parent() -> None:
    code = (
        "from sim.virtual_board import VirtualBoard; from tests.test_virtual_board import SMALL; import time\n"
        "with VirtualBoard(SMALL, keep=True) as board:\n"
        f"    print(board.pid, flush=True); time.sleep({SECONDS})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    assert gone(pid)


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BoardError, match=f"port {port} on 127.0.0.1 cannot be served") as caught:
            VirtualBoard(SMALL, port=port).__enter__()
        assert "\n" not in str(caught.value)
        done = subprocess.run(
            [build(SMALL), "--port", str(port)], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert done.returncode == 1


def test_a_board_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(board_process, "build", lambda *_: silent)
    monkeypatch.setattr(board_process, "START_SECONDS", 0.2)
    monkeypatch.setattr(board_process, "END_SECONDS", 0.2)
    board = VirtualBoard(SMALL)
    with pytest.raises(BoardError, match="did not start within"):
        board.__enter__()
    assert gone(board._process.pid)


def run_by_hand(*arguments: str) -> "subprocess.Popen[str]":
    sizes = ["--rows", "6", "--columns", "9", "--adc-latency", "3"]
    return subprocess.Popen(
        [sys.executable, "-m", "sim.virtual_board", *sizes, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip


def test_the_command_shows_an_image(tmp_path: Path) -> None:
    image = np.arange(12 * 18).reshape(12, 18)
    np.save(tmp_path / "image.npy", image)
    with run_by_hand("--image", str(tmp_path / "image.npy")) as process:
        assert process.stdout is not None
        with edgeray.open(process.stdout.readline().split()[1]) as device:
            mosaic = edgeray.Mosaic(image.shape, device.detector, SMALL.radius)
            stitch = mosaic.stitch(capture(device, SETTINGS["raw"], len(mosaic)))
        output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert f"{len(mosaic)} frames" in output
    assert not stitch.missing.any()
    # The image rises from pixel to pixel, and so do its codes.
    assert (np.diff(stitch.values.ravel()) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "absent.png"], "absent.png cannot be read"),
        (["--image", "README.md"], "neither PNG, TIFF, DICOM nor .npy"),
        (["--samples", "absent"], "absent: No such file"),
        (["--samples", "README.md"], "no scene"),
        (["--samples", "README.md", "--port", "70000"], "a port is a number from 0 to 65535, not 70000"),
        (["--rows", "0"], "rows takes 1 to 4096, not 0"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments: list[str], message: str) -> None:
    with run_by_hand(*arguments) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert message in errors
    assert errors.count("\n") == 1, errors
