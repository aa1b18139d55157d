"""Calibrations as a whole and as files: what the correction table makes of the maps, and files that are not whole."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from edgeray.calibration import (
    Calibration,
    CalibrationError,
    CalibrationFileError,
    CalibrationMismatch,
    PixelMask,
    UserMask,
    predict,
    read_mask,
)
from edgeray.calibration.provenance import check_conditions, checksum, expose
from edgeray.device import Device
from edgeray.errors import DataIncomplete
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import Convolution, TriggerMode
from edgeray.protocol.settings import Settings
from edgeray.series import FrameKind
from sim.golden.correct import correct
from tests import calibration_cases as cases
from tests.fake_board import FakeBoard, served

SEED = 61
DETECTOR = Detector(rows=9, columns=11)


def whole() -> Calibration:
    """A calibration with every step but the bias table."""
    found = cases.calibration(DETECTOR, SEED)
    bad = np.zeros((9, 11), np.bool_)
    bad[4, 4] = True
    masked = UserMask(bad=bad, ignored=PixelMask.OVER, provenance=cases.provenance(DETECTOR, 0))
    found = found.with_mask(masked)
    return found.with_threshold(predict(found, KERNELS["laplacian"])).with_threshold(predict(found, KERNELS["sobel-x"]))


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    made = whole()
    saved = made.save(tmp_path / "cal.h5")
    found = Calibration.load(tmp_path / "cal.h5")
    assert found.path == saved.path == tmp_path / "cal.h5"
    assert found.detector == made.detector
    for name in ("dark", "flat", "mask"):
        assert checksum(getattr(found, name)) == checksum(getattr(made, name)), name
    assert {name: checksum(one) for name, one in found.thresholds.items()} == {
        name: checksum(one) for name, one in made.thresholds.items()
    }
    np.testing.assert_array_equal(found.correction_table().entries(), made.correction_table().entries())
    np.testing.assert_array_equal(found.pixel_mask, made.pixel_mask)
    assert found.summary() == saved.summary()
    assert [path.name for path in tmp_path.iterdir()] == ["cal.h5"]
    with h5py.File(tmp_path / "cal.h5") as file:
        assert file["entry/instrument/detector/pixel_mask"].dtype == np.uint32
        assert file["entry/picture"].attrs["signal"] == "image"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])


def change(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["entry/dark/pedestal"][()] = 11


def other_version(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["entry/format"]
        file["entry/format"] = "edgeray calibration 99"


def without_noise(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["entry/dark/noise"]


def other_dark(path: Path) -> None:
    made = whole()
    assert made.dark is not None
    dataclasses.replace(made, dark=dataclasses.replace(made.dark, pedestal=12)).save(path)


def no_hdf5(path: Path) -> None:
    path.write_text("offset,gain\n")


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/data"] = 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damage, "cannot be read"), (change, "checksum"), (other_version, "99"), (without_noise, "noise"),
        (other_dark, "another dark"), (no_hdf5, "cannot be read"), (other_hdf5, "format is None"),
        (Path.unlink, "there is no calibration"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_right_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "cal.h5"
    whole().save(path)
    spoil(path)
    with pytest.raises(CalibrationFileError, match=said) as error:
        Calibration.load(path)
    assert str(path) in str(error.value)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CalibrationFileError, match="cannot be written"):
        whole().save(tmp_path / "nowhere" / "cal.h5")
    path = tmp_path / "full.h5"
    whole().save(path)
    before = path.read_bytes()
    # A directory in the way of the temporary file.
    (tmp_path / "full.h5.part").mkdir()
    with pytest.raises(CalibrationFileError, match="cannot be written"):
        whole().save(path)
    assert path.read_bytes() == before


def test_the_table_makes_dark_the_pedestal_and_flat_even() -> None:
    made = cases.calibration(DETECTOR, SEED)
    assert made.dark is not None
    assert made.flat is not None
    table = made.correction_table()
    imaging = made.pixel_mask == 0
    for level in (0.0, 1000.0, 2500.0):
        pixels = np.rint(made.dark.mean + made.flat.response * level).astype(np.int64)
        shown, _ = correct(pixels, detector=DETECTOR, enabled=True, table=table)
        # Offset, pixel and gain are whole numbers.
        assert np.abs(shown - level - made.dark.pedestal)[imaging].max() < 1.8 + level / 1024
    assert not table.masked.any()
    # Without a flat, offsets alone; the guard ring has its own too.
    alone = Calibration(detector=DETECTOR).with_dark(made.dark).correction_table()
    assert (alone.gain == 1024).all()
    assert np.abs(alone.offset + made.dark.pedestal - made.dark.mean).max() <= 0.5


def test_what_is_replaced() -> None:
    """Everything bad but the guard ring, and what the user says is not bad is not."""
    made = cases.calibration(DETECTOR, SEED)
    assert made.dark is not None
    assert made.flat is not None
    one = np.zeros((6, 9, 11), np.bool_)
    for place in range(6):
        one[place, 2, 2 + place] = True
    dark = dataclasses.replace(made.dark, hot=one[0], noisy=one[1])
    flat = dataclasses.replace(
        made.flat, dead=one[2], under=one[3], over=one[4],
        provenance=cases.provenance(DETECTOR, dark=checksum(dark)),
    )  # fmt: skip
    made = Calibration(detector=DETECTOR).with_dark(dark).with_flat(flat)
    user = UserMask(bad=one[5], ignored=0, provenance=cases.provenance(DETECTOR, 0))
    assert made.with_mask(user).pixel_mask[2, 2:9].tolist() == [16, 16, 2, 4, 8, 256, 0]
    assert (made.pixel_mask[0] == PixelMask.GAP).all()
    np.testing.assert_array_equal(made.with_mask(user).correction_table().masked, one.any(axis=0))
    kept = dataclasses.replace(user, ignored=int(PixelMask.NOISY | PixelMask.UNDER))
    assert made.with_mask(kept).pixel_mask[2, 2:9].tolist() == [0, 0, 2, 0, 8, 256, 0]


def test_steps_that_do_not_belong_together() -> None:
    made = whole()
    assert made.dark is not None
    assert made.flat is not None
    other = dataclasses.replace(made.dark, pedestal=12)
    assert made.with_dark(other).flat is None
    assert not made.with_dark(other).thresholds
    with pytest.raises(CalibrationError, match="another dark"):
        made.with_dark(other).with_flat(made.flat)


def test_conditions() -> None:
    """What a dark depends on; times to the tick of another clock; the kernel only where the sensor convolves."""
    made = cases.provenance(DETECTOR, settings=Settings(count_time=24_000)).settings

    def check(now: Settings, detector: Detector = DETECTOR) -> None:
        check_conditions(made, cases.provenance(detector, settings=now).settings, detector, "it")

    check(Settings(count_time=24_000, edge_threshold=99, kernel=KERNELS["sobel-x"], nimages=5))
    for changed in (
        Settings(count_time=24_001),
        Settings(count_time=24_000, pga_gain=1),
        Settings(count_time=24_000, cds_enabled=False),
    ):
        with pytest.raises(CalibrationMismatch, match="it was made with"):
            check(changed)
    inside = dataclasses.replace(DETECTOR, convolution=Convolution.SENSOR)
    check(Settings(count_time=24_000), inside)
    with pytest.raises(CalibrationMismatch, match="kernel laplacian"):
        check(Settings(count_time=24_000, kernel=KERNELS["sobel-x"]), inside)


def test_lost_frames_count() -> None:
    """One of 20 frames lost: used without it, and said; three: too few."""
    board = FakeBoard()
    board.swallowed, board.dropped = {3}, set()
    taken: list[int] = []
    with served(board), Device(board.url) as device:
        # Nobody would send the triggers that it waits for.
        device.write("trigger_mode", TriggerMode.SOFTWARE)
        found = expose(device, 20, {}, lambda frame: taken.append(frame.image_id), {}, FrameKind.DARK)
        assert 'trigger_mode = "INTERNAL"' in found.settings
        assert device.settings.trigger_mode == TriggerMode.SOFTWARE
        assert taken == [*range(3), *range(4, 20)]
        assert (found.nimages, found.complete, found.ledger.lost_on_link) == (19, False, 1)
        board.dropped = {4, 5}
        with pytest.raises(DataIncomplete, match="only 17 of 20"):
            expose(device, 20, {}, lambda frame: None, {}, FrameKind.DARK)


def test_a_calibration_of_another_detector_is_not_loaded() -> None:
    board = FakeBoard()
    with served(board), Device(board.url) as device:
        with pytest.raises(CalibrationMismatch, match="rows 9"):
            whole().load_into(device, anyway=True)
        assert not board.correction


def test_masks_from_files(tmp_path: Path) -> None:
    bad = np.zeros((9, 11), np.bool_)
    bad[[2, 8], [3, 10]] = True
    np.save(tmp_path / "a.npy", bad)
    Image.fromarray(bad.astype(np.uint8) * 7).save(tmp_path / "b.png")
    Image.fromarray(np.stack([bad * np.uint8(255)] * 3, axis=-1)).save(tmp_path / "c.png")
    (tmp_path / "d.csv").write_text("row,column\n2,3\n# a crack\n\n8, 10\n")
    (tmp_path / "e.csv").write_text("2,3\n8,10\n")
    for name in ("a.npy", "b.png", "c.png", "d.csv", "e.csv"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, DETECTOR), bad, name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"1,2\n9,3\n", "line 2: there is no pixel in row 9"),
        ("b.csv", b"1,2\n1;3\n", "line 2: wants row,column"),
        ("f.csv", b"-1,2\n", "line 1: there is no pixel in row -1"),
        ("c.npy", b"nothing", "cannot be read"),
        ("d.png", b"nothing", "cannot be read"),
        ("e.csv", b"\xff\xfe", "cannot be read"),
    ],
)
def test_masks_that_are_none(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CalibrationFileError, match=said):
        read_mask(tmp_path / name, DETECTOR)
    np.save(tmp_path / "small.npy", np.zeros((3, 3)))
    with pytest.raises(CalibrationFileError, match="9 rows and 11 columns"):
        read_mask(tmp_path / "small.npy", DETECTOR)
