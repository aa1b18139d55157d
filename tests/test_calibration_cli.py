"""The commands of a calibration, as a user gives them, on a virtual board that shows the detector twin."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeray
from edgeray.calibration import Calibration
from edgeray.cli import main
from edgeray.protocol.registers import ReadoutMode
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.detector.array import Twin
from sim.detector.timing import Timing
from sim.virtual_board import VirtualBoard
from tests.detector_cases import beam, crystal
from tests.fake_board import DETECTOR, FakeBoard, served
from tests.host_streams import frame_packets, meta_packet

FRAMES = 60
OPEN = np.ones((32, 32))
TIMING = Timing(integration_s=2e-3)
TWIN = Twin(material=crystal(), spectrum=beam(), dead_fraction=0.01, seed=3)


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(Params(), TWIN.expose(OPEN, 0.0, TIMING, frames=FRAMES), keep=True) as one:
        yield one


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where commands remember what was asked."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def edgeray_json(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    """What the command prints with --json, and nothing else; it ends with `code`."""
    assert main([*map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_calibration_from_dark_to_an_applied_table(
    board: VirtualBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, device = tmp_path / "cal.h5", ("-d", board.url)
    with edgeray.open(board.url) as one:
        one.configure(Settings())
        one.apply()
    found = edgeray_json(capsys, "calibrate", "dark", *device, "-o", file, "-n", FRAMES)
    assert found["calibration"] == str(file)
    assert found["provenance"]["ledger"]["received"] == FRAMES
    assert not found["hot"]
    assert "mean" not in found

    board.show(TWIN.expose(OPEN, 8000.0, TIMING, frames=FRAMES, first_frame=FRAMES))
    found = edgeray_json(capsys, "calibrate", "flat", *device, "-c", file, "-n", FRAMES)
    assert found["dead"] == np.argwhere(TWIN.dead).tolist()
    assert found["masked_pixels"] == 9

    (tmp_path / "bad.csv").write_text("5,6\n")
    found = edgeray_json(capsys, "calibrate", "mask", "-c", file, "-u", tmp_path / "bad.csv", "--ignore", "over")
    assert found["bad"] == [[5, 6]]
    assert found["masked_pixels"] == 10

    board.show(TWIN.expose(OPEN, 0.0, TIMING, frames=FRAMES, first_frame=2 * FRAMES))
    words = ("-c", file, "-n", FRAMES, "-k", "sobel-x", "--sigmas", 3.5, "--set")
    (found,) = edgeray_json(capsys, "calibrate", "threshold", *device, *words)
    assert found["agrees"]
    assert found["kernel"] == "sobel-x"
    with edgeray.open(board.url) as one:
        assert one.settings.edge_threshold == found["threshold"]
        assert not one.settings.correction_enabled

    assert edgeray_json(capsys, "calibrate", "apply", *device, "-c", file)["applied"] == board.url
    with edgeray.open(board.url) as one:
        assert one.settings.correction_enabled
    shown = edgeray_json(capsys, "calibrate", "show", file)
    assert shown["masked_pixels"] == 10
    assert shown["threshold_sobel-x_codes"] == found["threshold"]

    # For people; a new dark sends away what was made with the old one.
    assert main(["calibrate", "dark", *device, "-o", str(file), "-n", str(FRAMES)]) == 0
    text = capsys.readouterr().out
    assert "flat and thresholds of" in text
    assert "noise, median" in text
    assert Calibration.load(file).flat is None
    assert Calibration.load(file).mask is not None


class SteadyBoard(FakeBoard):
    """Its frames are of pixels, all about 2000."""

    def packets(self, number: int) -> bytes:
        values = 2000 + np.random.default_rng(number).integers(-3, 4, (DETECTOR.rows, DETECTOR.columns))
        generation = self.generation % 4
        sent = frame_packets(DETECTOR, number, values, raw=True, generation=generation, log2_rows=3)
        meta = meta_packet(DETECTOR, number, generation=generation, readout_mode=ReadoutMode.RAW)
        return b"".join([meta, *sent])


def test_lost_frames_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of 20 on the link: the step is done without it, and the exit code says so; three: it is not done."""
    file = tmp_path / "cal.h5"
    with served(SteadyBoard()) as one:
        words = ("calibrate", "dark", "-d", one.url, "-o", file, "-n", 20)
        one.swallowed = {3}
        found = edgeray_json(capsys, *words, code=4)
        assert found["provenance"]["nimages"] == 19
        assert "frames are missing, 19 were used" in found["remarks"][0]
        before = file.read_bytes()
        one.swallowed = {3, 4, 5}
        assert main([*map(str, words)]) == 4
        assert "only 17 of 20" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_frames_that_are_no_raw_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As from a recording of edges, which shows what it holds whatever mode is asked for."""
    with served(FakeBoard()) as one:
        assert main(["calibrate", "dark", "-d", one.url, "-o", str(tmp_path / "cal.h5"), "-n", "20"]) == 1
    assert "are not raw pixels without correction" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("dark", "-o", "new.h5", "-n", "3"), 1, "16 frames or more, not 3"),
        (("flat", "-c", "none.h5"), 1, "there is no calibration none.h5"),
        (("threshold", "-c", "none.h5"), 1, "there is no calibration none.h5"),
        (("apply", "-c", "none.h5"), 1, "there is no calibration none.h5"),
        (("dark",), 2, "Missing option"),
        (("dark", "-o", "nowhere/new.h5"), 1, "nowhere/new.h5 cannot be written"),
        (("bias", "none.csv", "-c", "new.h5", "-k", "laplacian"), 1, "none.csv cannot be read"),
        (("bias", "none.csv", "-c", "new.h5", "-k", "nothing"), 2, "there is no kernel 'nothing'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    board: VirtualBoard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERAY_DEVICE", board.url)
    assert main(["calibrate", *words]) == code
    output = capsys.readouterr()
    assert said in output.err
    assert not list(tmp_path.iterdir())
