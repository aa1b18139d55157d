"""A folder of images, measured one by one on all cores: resumable, in little memory, a corrupt file named and skipped.

folder -> files -> [processes: compression.measure] -> journal (one line a file) -> results

Every result is written down as it comes, under the file's path, size, time of change and the version of the settings,
so that a run that was ended goes on where it was, and a file that has not changed is never measured twice.
"""

import json
import multiprocessing
import os
import stat
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from edgeray.protocol.detector import GeometryError
from sim.paper.compression import SETTINGS_VERSION, Compression, measure
from sim.paper.errors import PaperError
from sim.scenes import SceneError, read_image

SUFFIXES = (".png", ".tif", ".tiff", ".dcm", ".dicom", ".npy", "")
"""Files that are taken for images; what they are their content says. DICOM files often have no suffix."""
AHEAD = 4
"""Files a process that wait for it: enough to keep it busy, few enough to end at once."""


@dataclass
class Survey:
    """What a folder gave.

    Parameters
    ----------
    results : path, from the folder on, -> what is left of the image.
    skipped : path -> why, of files that hold no image that can be measured.
    others : files of other suffixes, which were not looked into.
    reused : results that an earlier run left.
    """

    results: dict[str, Compression] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    others: int = 0
    reused: int = 0


class Journal:
    """Results of files that were measured, kept in a file of JSON lines; a context manager.

    A line that a run did not finish, because it was ended, counts as not there.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[str, dict[str, object]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry
                except (ValueError, TypeError, KeyError):
                    continue
        self._file = path.open("a", encoding="utf-8")
        self._file.write("\n")  # ends a line that a run before did not

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def get(self, key: str) -> Compression | str | None:
        """The result, why there is none, or None where the file was not measured."""
        entry = self._known.get(key)
        if entry is None:
            return None
        if "skipped" in entry:
            return str(entry["skipped"])
        try:
            return Compression(**entry["result"])  # type: ignore[arg-type]
        except (KeyError, TypeError):
            return None

    def put(self, key: str, outcome: Compression | str) -> None:
        """Write a result, or why there is none, down."""
        found = {"skipped": outcome} if isinstance(outcome, str) else {"result": asdict(outcome)}
        self._file.write(json.dumps({"key": key, **found}) + "\n")
        self._file.flush()


def survey(folder: Path, journal_path: Path, console: Console, *, processes: int | None = None) -> Survey:
    """Measure every image of a folder and of the folders in it.

    Parameters
    ----------
    folder : where the images are.
    journal_path : file that keeps the results; see `Journal`.
    console : gets a progress bar, and a line for each file that is skipped.
    processes : at work at once; None: as many as there are processors.

    Raises
    ------
    PaperError : no such folder, none of its files is an image by its suffix, or a process was ended, such as by the
        kernel for want of memory; what was measured before is kept.
    OSError : the journal cannot be written.
    """
    if not folder.is_dir():
        raise PaperError(f"{folder} is no folder; IMAGES takes one that holds PNG, TIFF, DICOM or .npy files")
    found = Survey()
    names = []
    for name in _files(folder):
        if Path(name).suffix.lower() in SUFFIXES:
            names.append(name)
        else:
            found.others += 1
    if not names:
        raise PaperError(f"{folder} holds no PNG, TIFF, DICOM or .npy file, nor do the folders in it")
    count = processes or os.cpu_count() or 1
    # Processes that are started anew: a fork would copy the progress bar's thread in the middle of its work.
    context = multiprocessing.get_context("spawn")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Journal(journal_path) as journal,
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(count, context) as pool,
    ):
        bar = progress.add_task(f"measuring {folder.name or folder}", total=len(names))

        def settle(name: str, outcome: Compression | str) -> None:
            progress.advance(bar)
            if isinstance(outcome, str):
                found.skipped[name] = outcome
                progress.console.print(f"skipped: {outcome}", markup=False, highlight=False)
            else:
                found.results[name] = outcome

        fresh: list[tuple[str, str]] = []
        for name in names:
            key = _key(folder / name)
            known = journal.get(key)
            if known is None:
                fresh.append((name, key))
            else:
                found.reused += 1
                settle(name, known)
        try:
            for name, key, outcome in _measured(pool, folder, fresh, AHEAD * count):
                journal.put(key, outcome)
                settle(name, outcome)
        except BrokenProcessPool:
            raise PaperError(
                "a process that measured images was ended, perhaps for want of memory; run the same command again: "
                "what was measured is kept"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    found.results = dict(sorted(found.results.items()))
    return found


def _measured(
    pool: ProcessPoolExecutor, folder: Path, files: list[tuple[str, str]], ahead: int
) -> Iterator[tuple[str, str, Compression | str]]:
    """(name, key, outcome) as they come, with no more than `ahead` files under way."""
    waiting = iter(files)
    running: dict[Future[Compression | str], tuple[str, str]] = {}
    while True:
        for name, key in islice(waiting, ahead - len(running)):
            running[pool.submit(_outcome, folder / name)] = name, key
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            name, key = running.pop(done)
            yield name, key, done.result()


def _outcome(path: Path) -> Compression | str:
    """What is left of the image in a file, or why it cannot be measured."""
    try:
        return measure(read_image(path))
    except SceneError as error:
        return str(error)
    except GeometryError as error:
        return f"{path}: no detector has this shape: {error}"


def _files(folder: Path) -> list[str]:
    """Names, from the folder on, of the regular files in it and below, sorted; none of hidden files or folders."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            path = Path(place, name)
            # A pipe would be waited for without end.
            if not name.startswith(".") and stat.S_ISREG(_mode(path)):
                found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:  # a link to nothing: reading it says so
        return stat.S_IFREG


def _key(path: Path) -> str:
    """What a result hangs on. A file that has gone has a key too: reading it says so."""
    try:
        status = path.stat()
        state = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:
        state = "gone"
    return sha256(f"{path.resolve()}\0{state}\0{SETTINGS_VERSION}".encode()).hexdigest()
