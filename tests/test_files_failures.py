"""What writers and readers do when the disk, the folder or the file is not what it should be."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from edgeray import files
from edgeray.decoder import Frame
from edgeray.errors import CaptureFileError
from edgeray.files.part import Part
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from tests.file_series import Collected, frames_in, header, ledger_of, stack, stream, write

NAMES = ["run.nxs", "run.tif", "run.npz", "frame.png", "run.edgeray"]


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at `folder`."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_is_not_overwritten(tmp_path: Path, name: str) -> None:
    """Nor is what a run that broke off left; nothing is left behind by the refusal."""
    frames = frames_in(stream(2))
    write(files.writer(tmp_path / name), frames)
    there = sorted(tmp_path.iterdir())
    before = [path.read_bytes() for path in there]
    other = files.writer(tmp_path / name)
    with pytest.raises(files.FileWriteError, match="overwrite"):
        other.begin(header())
    other.end(Ledger())
    assert sorted(tmp_path.iterdir()) == there
    assert [path.read_bytes() for path in there] == before
    write(files.writer(tmp_path / name, overwrite=True), frames)
    assert sorted(tmp_path.iterdir()) == there


def test_a_part_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.nxs.part").write_bytes(b"what was saved")
    with pytest.raises(files.FileWriteError, match="edgeray convert"):
        files.writer(tmp_path / "run.nxs").begin(header())
    assert (tmp_path / "run.nxs.part").read_bytes() == b"what was saved"


def test_a_file_that_was_made_meanwhile_stays(tmp_path: Path) -> None:
    frames, writer = frames_in(stream(3)), files.writer(tmp_path / "run.nxs")
    writer.begin(header())
    writer.take(frames)
    (tmp_path / "run.nxs").write_bytes(b"another run")
    with pytest.raises(files.FileWriteError, match="meanwhile"):
        writer.end(ledger_of(frames))
    assert (tmp_path / "run.nxs").read_bytes() == b"another run"
    assert played(tmp_path / "run.nxs.part") == 3


@pytest.mark.parametrize("name", NAMES)
def test_folders_that_take_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(files.FileWriteError, match=r"no folder|cannot be written to"):
        files.writer(tmp_path / "none" / "where" / name).begin(header())
    read_only = tmp_path / "read-only"
    with contextlib.ExitStack() as stack_:
        if os.geteuid() == 0:
            stack_.enter_context(mounted(read_only, "ro"))
        else:
            read_only.mkdir(mode=0o500)
        with pytest.raises(files.FileWriteError, match=r"(?i)read-only|denied"):
            files.writer(read_only / name).begin(header())


def test_suffixes_that_are_no_format(tmp_path: Path) -> None:
    with pytest.raises(files.FileWriteError, match=r"'\.jpg'"):
        files.writer(tmp_path / "run.jpg")


@pytest.mark.parametrize("warned", [True, False], ids=["room is asked for", "the write fails"])
@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_keeps_what_came(tmp_path: Path, name: str, warned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame that was taken until it was full is there, the file opens, and its ledger says what is missing."""
    detector = Detector(rows=64, columns=64)
    if not warned:
        # As where another program takes the last bytes meanwhile.
        monkeypatch.setattr(Part, "require", lambda *_: None)
    frames = noise(detector, 64)
    octets = np.random.default_rng(1).bytes(1 << 20)
    with mounted(tmp_path / "small", "size=12m") as folder:
        writer = files.writer(folder / name)
        writer.begin(header(detector=detector))
        taken = 0
        with pytest.raises(files.FileWriteError, match="no space left"):  # noqa: PT012
            while True:
                taken += len(frames)
                writer.take(frames)
                writer.take_bytes(octets)
        ledger = Ledger(triggered=taken + 64, received=taken + 64, confirmed=True)
        if name == "run.npz":
            # It needs the room of the frames once more.
            with pytest.raises(files.FileWriteError, match=r"run\.npz\.part' is an \.npy file of its \d+ frames"):
                writer.end(ledger)
            assert np.array_equal(np.load(folder / "run.npz.part")[-64:], stack(frames))
            return
        writer.end(ledger)
        if name == "run.edgeray":
            saved = (folder / name).read_bytes()
            assert len(saved) > 9 << 20
            assert saved == (octets * 12)[: len(saved)]
        elif name == "run.nxs":
            with h5py.File(folder / name) as file:
                data, said = file["entry/data/data"], file["entry/instrument/detector/collection"]
                assert len(data) == said["n_saved"][()] == taken
                assert said["n_received"][()] == taken + 64
                assert all(np.array_equal(data[at : at + 64], stack(frames)) for at in range(0, taken, 64))
        elif name == "run.tif":
            found = tifffile.imread(folder / name)
            assert len(found) == taken
            assert all(np.array_equal(found[at : at + 64], stack(frames)) for at in range(0, taken, 64))
        else:
            assert len(list(folder.glob("frame_*.png"))) == taken
            assert not list(folder.glob("*.part"))


def noise(detector: Detector, count: int) -> list[Frame]:
    """Frames that do not compress."""
    frames = frames_in(stream(count, detector=detector))
    rng = np.random.default_rng(3)
    for frame in frames:
        frame.values = rng.integers(1, 4095, frame.values.shape).astype(np.int16)
        frame.kept = frame.values != 0
    return frames


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    write(files.writer(tmp_path / "good.nxs"), frames_in(stream(40)))
    return (tmp_path / "good.nxs").read_bytes()


def played(path: Path) -> int:
    with files.read(path) as run:
        return run.play(Collected()).received


@pytest.mark.parametrize("left", [0, 7, 100, 0.5, 0.99])
def test_files_cut_short(tmp_path: Path, good: bytes, left: float) -> None:
    """HDF5 waits for ever for the rest of some of them when it is asked in a wrong way."""
    path = tmp_path / "cut.nxs"
    path.write_bytes(good[: int(left * len(good)) if isinstance(left, float) else left])
    with pytest.raises(files.FileReadError, match=r"cut\.nxs"):
        played(path)


def test_damaged_files(tmp_path: Path, good: bytes) -> None:
    """A byte turned anywhere is either of no account or an error with the file's name; nothing else is raised."""
    rng, errors = np.random.default_rng(8), 0
    for number, place in enumerate(rng.integers(0, len(good), 60).tolist()):
        path = tmp_path / f"damaged-{number}.nxs"
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        try:
            played(path)
        except files.FileReadError as error:
            errors += path.name in str(error)
    assert errors > 5


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("run.nxs", b"text", "no HDF5 file"),
        ("run.tif", b"II*\0", "is a TIFF"),
        ("run.npz", b"PK\3\4", "is an NPZ"),
        ("run.edgeray", b"text", "no edgeray packet"),
    ],
)
def test_files_of_others(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((files.FileReadError, CaptureFileError), match=told):
        played(tmp_path / name)


def test_hdf5_of_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["entry/data/data"] = np.zeros((3, 4, 4))
    with pytest.raises(files.FileReadError, match="none that edgeray wrote"):
        played(tmp_path / "other.h5")
    with pytest.raises(files.FileReadError, match="No such file"):
        played(tmp_path / "none.nxs")


def test_a_consumer_that_fails_ends_all(tmp_path: Path) -> None:
    """The end comes to every one that was told the begin, so that other files are closed."""
    (tmp_path / "run.edgeray").write_bytes(stream(10))
    (tmp_path / "second.nxs").touch()
    files.convert(tmp_path / "run.edgeray", tmp_path / "first.nxs")
    first, refused = files.writer(tmp_path / "copy.nxs"), files.writer(tmp_path / "second.nxs")
    with files.read(tmp_path / "first.nxs") as run, pytest.raises(files.FileWriteError, match="exists"):
        run.play(first, refused)
    assert (tmp_path / "copy.nxs").exists()
    assert not (tmp_path / "copy.nxs.part").exists()
    assert ledger_of([]).received == 0
