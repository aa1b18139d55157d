"""Columns of a NeXus file: chunks that are deflated here and not by HDF5."""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from edgeray.files import deflate
from edgeray.files.h5 import Column

ROWS = 6


@contextlib.contextmanager
def column(path: Path, dtype: str, shape: tuple[int, ...]) -> Iterator[Column]:
    """A column that is written in SWMR mode, as those of a series are."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        made = Column(file, "column", dtype, shape, rows=ROWS)
        file.swmr_mode = True
        yield made


def noise(count: int, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What no deflate makes smaller."""
    size = count * int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(count).bytes(size), dtype).reshape(count, *shape)


@pytest.mark.parametrize("library", ["installed", "zlib"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
@pytest.mark.parametrize("shape", [(), (3,), (5, 7)])
def test_hdf5_reads_what_was_put(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own filters: chunks that begin or end half way, are put again from an earlier place, or are cut."""
    if library == "zlib":
        monkeypatch.setattr(deflate, "compress", zlib.compress)
    expected = np.zeros((0, *shape), dtype)
    # Within a chunk, to its end, over several; again from the middle of the last, of an earlier one; nothing.
    puts = [(0, 4), (4, 2), (6, 15), (20, 9), (9, 25), (34, 0), (34, 1)]
    with column(tmp_path / "column.h5", dtype, shape) as written:
        for at, count in puts:
            values = noise(count, dtype, shape) if count % 2 else np.ones((count, *shape), dtype)
            written.put(at, values)
            expected = np.concatenate([expected[:at], values])
            written.dataset.flush()
            with h5py.File(tmp_path / "column.h5", "r", swmr=True) as file:
                assert np.array_equal(file["column"][()], expected)
        written.extend(33)
        written.extend(40)  # what is new is 0
    with h5py.File(tmp_path / "column.h5") as file:
        found = file["column"]
        assert (found.compression, found.compression_opts, found.shuffle) == ("gzip", deflate.LEVEL, True)
        assert np.array_equal(found[:33], expected[:33])
        assert not found[33:].any()


@pytest.mark.parametrize("before", [0, 6, 8], ids=["first chunk", "new chunk", "half a chunk"])
def test_what_could_not_be_written_is_put_again(tmp_path: Path, before: int) -> None:
    """HDF5 remembers a place for the chunk that it could not write, and would never enter it into its index."""
    resource = pytest.importorskip("resource")
    path, shape = tmp_path / "column.h5", (64, 64)
    values = noise(before + 9, "u2", shape)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with column(path, "u2", shape) as written:
        written.put(0, values[:before])
        written.dataset.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
        try:
            with pytest.raises(OSError, match="write failed"):
                written.put(before, values[before:])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        written.put(before, values[before:])
    with h5py.File(path) as file:
        assert np.array_equal(file["column"][()], values)
