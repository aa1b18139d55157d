"""A folder of images: measured once, resumed, with what cannot be read named."""

import io
import json
import os
import shutil
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from sim.paper import folder as measuring
from sim.paper.compression import Compression, measure
from sim.paper.errors import PaperError
from sim.paper.folder import Journal, Survey, survey
from sim.paper.kept import MOST_ROWS, kept, save_csv

SEED = 2026


def console() -> Console:
    return Console(file=io.StringIO())


def save(path: Path, seed: int, shape: tuple[int, int] = (40, 50)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(80, 120, shape, np.uint8)).save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in ("Welds/a.png", "Castings/b.png", "c.png"):
        save(folder / name, len(name))
    whole = (folder / "c.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.tif").touch()
    (folder / "readme.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"rubbish")
    save(folder / "narrow.png", 3, (20, 2))
    os.mkfifo(folder / "pipe.png")
    (folder / "nowhere.png").symlink_to(folder / "not there")
    return folder


def test_a_folder_is_measured_resumed_and_its_rubbish_named(images: Path, tmp_path: Path) -> None:
    journal = tmp_path / "out" / "journal.jsonl"
    first = survey(images, journal, console(), processes=2)
    assert list(first.results) == ["Castings/b.png", "Welds/a.png", "c.png"]
    with Image.open(images / "c.png") as picture:
        assert first.results["c.png"] == measure(np.asarray(picture))
    assert set(first.skipped) == {"broken.png", "empty.tif", "narrow.png", "nowhere.png"}
    assert all(name in why for name, why in first.skipped.items())
    assert (first.others, first.reused) == (1, 0)

    # Torn as by a power cut, and with what another program wrote: what is whole is used again.
    journal.write_text(journal.read_text() + 'null\n["list"]\n{"key": "half')
    save(images / "c.png", 99)
    os.utime(images / "Welds/a.png", ns=(1, 1))  # may be another image of the same size
    again = survey(images, journal, console(), processes=1)
    assert again.reused == 5
    assert again.results["c.png"] != first.results["c.png"]
    assert again.results["Welds/a.png"] == first.results["Welds/a.png"]
    assert again.skipped == first.skipped
    assert survey(images, journal, console(), processes=1).reused == 7


def test_results_hang_on_the_settings(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = measuring._key(images / "c.png")
    monkeypatch.setattr(measuring, "SETTINGS_VERSION", "another")
    assert measuring._key(images / "c.png") != key


def killed(path: Path) -> None:
    """What the kernel does to a process for which there is no memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_is_no_traceback(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_outcome", killed)
    with pytest.raises(PaperError, match="run the same command again"):
        survey(images, tmp_path / "journal.jsonl", console(), processes=1)


def test_folders_that_cannot_be_surveyed(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match="is no folder"):
        survey(tmp_path / "none", tmp_path / "journal.jsonl", console())
    (tmp_path / "empty").mkdir()
    with pytest.raises(PaperError, match="holds no PNG"):
        survey(tmp_path / "empty", tmp_path / "journal.jsonl", console())


def test_a_journal_of_another_version_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps({"key": "a", "result": {"rows": 1}}) + "\n" + json.dumps({"key": "b"}) + "\n")
    with Journal(path) as journal:
        assert journal.get("a") is None
        assert journal.get("b") is None
        journal.put("a", "why")
    with Journal(path) as journal:
        assert journal.get("a") == "why"


def many(count: int) -> dict[str, Compression]:
    random = np.random.default_rng(SEED)
    return {
        f"{'Welds' if n % 2 else 'Castings'}/{n}.png": Compression(10, 10, *random.random(7).tolist())
        for n in range(count)
    }


def test_the_page_shows_a_part_and_the_csv_all(tmp_path: Path) -> None:
    results = many(300)
    part = kept({"RG1": next(iter(results.values()))}, Survey(results, {"x.png": "x.png is broken"}), Path("GDXray"))
    mean = next(each for each in part.findings if "mean kept of 300" in each.name)
    assert mean.ours == pytest.approx(100 * np.mean([one.kept for one in results.values()]))
    assert mean.depends  # 300 images are not GDXray+
    table = next(each for each in part.tables if each.heading.startswith("GDXray"))
    assert len(table.rows) == MOST_ROWS
    groups = next(each for each in part.tables if each.heading.startswith("Means"))
    assert [row[:2] for row in groups.rows] == [["Castings", "150"], ["Welds", "150"]]
    assert any("x.png" in row[0] for each in part.tables for row in each.rows)
    save_csv(tmp_path / "kept.csv", results)
    lines = (tmp_path / "kept.csv").read_text().splitlines()
    assert len(lines) == 301
    assert lines[0].startswith("image,rows,columns,kept,")


def test_many_files_wait_as_names(tmp_path: Path) -> None:
    """Memory does not grow with the folder: few files are under way, however many there are."""
    folder = tmp_path / "images"
    save(folder / "0.png", 1, (16, 16))
    for number in range(1, 40):
        shutil.copy(folder / "0.png", folder / f"{number}.png")
    most = 0

    class Counting(ProcessPoolExecutor):
        def submit(self, function: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
            nonlocal most
            future = super().submit(function, *arguments, **keywords)
            under_way.add(future)
            future.add_done_callback(under_way.discard)
            most = max(most, len(under_way))
            return future

    under_way: set[Future[Any]] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "ProcessPoolExecutor", Counting)
        assert len(survey(folder, tmp_path / "journal.jsonl", console(), processes=1).results) == 40
    assert most <= measuring.AHEAD
