"""The doctor on libraries, folder and tools."""

import collections
import shutil
import sys
from pathlib import Path

import pytest

from edgeray.doctor import Status, software
from tests.machine import FakeMachine

Usage = collections.namedtuple("Usage", "total used free")


def test_a_library_that_is_missing_and_one_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.status for one in software.libraries()} == {Status.OK}
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    found = {one.name: one for one in software.libraries()}
    assert found["library numba"].status is Status.WARN
    assert found["library numba"].fix.endswith("pip install 'edgeray[fast]'")
    assert found["library tifffile"].status is Status.SKIPPED
    monkeypatch.setitem(sys.modules, "h5py", None)
    (one,) = software.libraries()
    assert one.status is Status.FAIL
    assert one.fix.endswith("-m pip install --force-reinstall h5py")


def test_a_folder_without_room_or_not_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.folder(tmp_path).status is Status.OK
    assert list(tmp_path.iterdir()) == []
    gone = software.folder(tmp_path / "gone")
    assert gone.status is Status.WARN
    assert "cannot be written: No such file" in gone.found
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 1 << 20))
    assert software.folder(tmp_path).status is Status.WARN
    assert "0.0 GB free" in software.folder(tmp_path).found


def test_tools_are_found_with_their_version(tmp_path: Path) -> None:
    fake = FakeMachine(tmp_path)
    script = tmp_path / "openFPGALoader"
    script.write_text("#!/bin/sh\necho openFPGALoader v0.12\n")
    script.chmod(0o755)
    fake.tools["openFPGALoader"] = str(script)
    found = {one.name: one for one in software.tools(fake.machine)}
    assert found["tool openFPGALoader"].found == f"{script}, openFPGALoader v0.12"
    assert found["tool iceprog"].status is Status.SKIPPED
    assert "fpga-icestorm" in found["tool iceprog"].fix
    script.write_text("no script")
    assert "does not start" in next(software.tools(fake.machine)).found
