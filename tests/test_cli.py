"""What all commands have in common, and what a measuring machine installs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from edgeray.cli import app

ROOT = Path(__file__).parent.parent
HEAVY = ("amaranth", "cocotb", "scipy", "numba", "hdl", "sim", "boards")


def commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    """(name, command) of every command, however deep."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *before, name)
        else:
            yield " ".join((*before, name)), command


EVERY = dict(commands(typer.main.get_command(app)))


def test_the_commands_are_those_of_the_guide() -> None:
    names = ["devices", "info", "doctor", "program", "capture", "replay", "rerun", "inspect", "convert", "audit"]
    names += ["selftest", *(f"config {one}" for one in ("get", "set", "list", "save", "load", "diff"))]
    names += [f"calibrate {one}" for one in ("dark", "flat", "mask", "threshold")]
    assert set(names) <= set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_answers_in_json_and_says_what_it_does(name: str) -> None:
    command = EVERY[name]
    assert any("--json" in one.opts for one in command.params)
    assert command.help
    for one in command.params:
        assert getattr(one, "help", None), f"{name}: {one.name} is not explained"


@pytest.mark.slow
def test_the_wheel_needs_no_gateware_tool(tmp_path: Path) -> None:
    """A lab's machine: a new environment with the wheel alone."""

    def run(*words: object) -> str:
        ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=600)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "lab")
    run(tmp_path / "lab" / "bin" / "pip", "install", "--quiet", wheel)
    code = f"import edgeray.cli; from importlib.util import find_spec; print(*filter(find_spec, {HEAVY}))"
    assert run(tmp_path / "lab" / "bin" / "python", "-I", "-c", code).split() == []
    assert "protocol" in run(tmp_path / "lab" / "bin" / "edgeray", "--version")
