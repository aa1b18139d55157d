"""The bias table from measured responses: against the twin's crystal, whose table is made of its response itself."""

from pathlib import Path

import numpy as np
import pytest

from edgeray.calibration import (
    BiasTable,
    Calibration,
    CalibrationError,
    CalibrationFileError,
    CalibrationMismatch,
    bias_table,
    filled,
    read_points,
)
from edgeray.calibration.provenance import checksum
from edgeray.calibration.statistics import Floats
from edgeray.cli import main
from edgeray.device import Device
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from sim.detector.bias_table import BiasDac, bias_entries
from sim.detector.response import Response
from sim.golden.bias import bias
from tests.detector_cases import CRYSTAL_MM, beam, crystal
from tests.fake_board import FakeBoard, served

DAC = BiasDac()
RESPONSE = Response(crystal(), CRYSTAL_MM, beam())
GAINS = np.random.default_rng(7).uniform(0.9, 1.1, (3, 3))


def measured(points: int, noise: float = 0.0) -> Floats:
    """Responses of nine sub-pixels at `points` biases each: float64[9 * points, 4]."""
    random = np.random.default_rng(8)
    codes = np.linspace(0, 65535, points).round()
    curve = RESPONSE.weight(DAC.volts(codes.astype(np.int64)))
    return np.array([
        [row, column, code, gain * shown + random.normal(0, noise)]
        for (row, column), gain in np.ndenumerate(GAINS)
        for code, shown in zip(codes, curve, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("name", ["laplacian", "sobel-x", "kirsch-n"])
def test_dense_points_give_the_twins_table(name: str) -> None:
    """The same codes for the kernel's weights as from the response itself, to a part in a thousand of the range."""
    kernel = filled(KERNELS[name])
    found = bias_table(measured(801), kernel, source="points.csv", part=0.85)
    part = found.full_response
    entries = bias_entries(RESPONSE, DAC, kernel, GAINS, part)
    right = bias(kernel.flat, zero=entries[:, 0], span_positive=entries[:, 1], span_negative=entries[:, 2])
    codes = found.table.codes(kernel.array)
    assert np.abs(codes.ravel() - right).max() < 66
    # What the crystal then gives, of the twin's own response.
    weights = RESPONSE.weight(DAC.volts(codes)) * GAINS / part * np.abs(kernel.array).max()
    assert np.abs(weights - kernel.array).max() / np.abs(kernel.array).max() < 1e-3
    assert found.largest_error < 1e-3


def test_codes_are_those_of_the_gateware() -> None:
    random = np.random.default_rng(9)
    entries = np.stack(
        [random.integers(0, 65536, 9), random.integers(-32768, 32768, 9), random.integers(-32768, 32768, 9)], axis=1
    )
    for _ in range(20):
        weights = random.integers(-128, 128, (3, 3))
        right = bias(weights.ravel(), zero=entries[:, 0], span_positive=entries[:, 1], span_negative=entries[:, 2])
        np.testing.assert_array_equal(BiasTable(entries).codes(weights).ravel(), right)


def test_a_straight_response_gives_whole_codes_back() -> None:
    """Spans rounded up, the gateware's product down: a weight of 64 or less gets the code that was asked for."""
    points = np.array([[row, column, code, code - 32768.0] for row, column in np.ndindex(3, 3) for code in (0, 65535)])
    kernel = Kernel("odd", ((-7, 3, 64), (-51, 0, 13), (1, -64, 29)), 6)
    found = bias_table(points, kernel, source="", part=0.7)
    steps = np.rint(found.full_response * kernel.array / 64)
    np.testing.assert_array_equal(found.table.codes(kernel.array), 32768 + steps)


def test_noisy_points_are_averaged() -> None:
    """Near full bias the response hardly rises, so that with noise it falls here and there."""
    kernel = filled(KERNELS["laplacian"])
    points = measured(81, noise=0.004)
    assert (np.diff(points[:81, 3]) < 0).any()
    codes = bias_table(points, kernel, source="points.csv", part=0.9).table.codes(kernel.array)
    weights = RESPONSE.weight(DAC.volts(codes)) * GAINS
    weights *= np.abs(kernel.array).max() / weights[1, 1]
    assert np.abs(weights - kernel.array).max() / np.abs(kernel.array).max() < 0.02


def test_points_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("row, column, bias_v, response\n0,0,-100,-2.5\n# none\n0,0,0,0\n0,0,50,1.5\n")
    assert read_points(path).tolist() == [[0, 0, 0, -2.5], [0, 0, 32768, 0], [0, 0, 49152, 1.5]]
    path.write_text("row,column,code,response\n0,0,7,1\n")
    assert read_points(path).tolist() == [[0, 0, 7, 1]]
    for text, said in (
        ("row,column,response\n0,0,1\n", "first line"),
        ("", "first line"),
        ("row,column,code,response\n0,0,x,1\n", "point 1 is no four numbers"),
        ("row,column,code,response\n0,0,1\n", "point 1 is no four numbers"),
        ("row,column,code,response\n0,0,1,1\n0,0,70000,1\n", "point 2 is outside"),
    ):
        path.write_text(text)
        with pytest.raises(CalibrationFileError, match=said):
            read_points(path)
    with pytest.raises(CalibrationFileError, match="cannot be read"):
        read_points(tmp_path / "none.csv")


def test_points_that_make_no_table() -> None:
    points = measured(41)
    with pytest.raises(CalibrationError, match="sub-pixel 2,2 has 0 points"):
        bias_table(points[:-41], KERNELS["laplacian"], source="")
    with pytest.raises(CalibrationError, match="shows no response"):
        bias_table(points[points[:, 3] >= 0], KERNELS["laplacian"], source="")
    with pytest.raises(CalibrationError, match="not all 0"):
        bias_table(points, Kernel("none", ((0,) * 3,) * 3), source="")
    with pytest.raises(CalibrationError, match="weights and shift doubled"):
        bias_table(points, KERNELS["laplacian"], source="")
    with pytest.raises(CalibrationError, match="sub-pixel 0 is 70000"):
        BiasTable(np.array([[70000, 0, 0]]))


class BoardWithDac(FakeBoard):
    """A board that sets bias voltages."""

    def __init__(self) -> None:
        super().__init__()
        self.put("bias_dac", 1)

    @property
    def entries(self) -> list[int | None]:
        return [one.value for one in self.log if one.name == "bias_data"]


def words(table: BiasTable) -> list[int]:
    """What a board is to get: four entries a sub-pixel."""
    padded: list[int] = (np.pad(table.entries, ((0, 0), (0, 1))) & 0xFFFF).ravel().tolist()
    return padded


def test_a_board_gets_every_entry_once(tmp_path: Path) -> None:
    """Also where commands and replies are lost: an entry written twice would move all that follow."""
    made = bias_table(measured(41), filled(KERNELS["laplacian"]), source="points.csv")
    path = tmp_path / "cal.h5"
    Calibration(detector=Detector(), bias=made).save(path)
    found = Calibration.load(path).bias
    assert found is not None
    assert checksum(found) == checksum(made)
    board = BoardWithDac()
    with served(board), Device(board.url, reply_timeout=0.1) as device:
        board.lose_replies, board.lose_commands = {board.commands + 12}, {board.commands + 20}
        found.table.load_into(device)
        assert board.entries == words(made.table)
        with pytest.raises(CalibrationMismatch, match="4 sub-pixels"):
            BiasTable(np.zeros((4, 3), np.int64)).load_into(device)
    with served(FakeBoard()) as other, Device(other.url) as device, pytest.raises(CalibrationMismatch, match="no bias"):
        found.table.load_into(device)


def test_the_command_loads_table_and_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is for weights doubled until they fill their bits: the board has to have these."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    lines = ["row,column,code,response", *(",".join(map(str, point)) for point in measured(41).tolist())]
    points, file = tmp_path / "points.csv", tmp_path / "cal.h5"
    points.write_text("\n".join(lines))
    with served(BoardWithDac()) as board:
        assert main(["calibrate", "bias", str(points), "-c", str(file), "-k", "laplacian", "-d", board.url]) == 0
        with Device(board.url) as device:
            kernel = device.settings.kernel
    made = Calibration.load(file).bias
    assert made is not None
    assert board.entries == words(made.table)
    assert kernel.array.tolist() == made.weights.tolist() == (8 * KERNELS["laplacian"].array).tolist()
    assert kernel.shift == 6
