"""Small words for HDF5: groups, scalars and columns that grow. h5py is loaded with this module."""

import math
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from edgeray.files.deflate import LEVEL, pack

Group: TypeAlias = h5py.Group
COLUMN_ROWS = 256


def group(parent: Group, name: str, kind: str, **attributes: object) -> Group:
    """A new group of the NeXus class `kind`."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = kind
    made.attrs.update(attributes)
    return made


def scalar(parent: Group, name: str, value: Any, **attributes: object) -> h5py.Dataset:
    """A dataset of fixed size; text in it has a fixed length, so that it can be written over in SWMR mode."""
    if isinstance(value, str):
        value = np.bytes_(value.encode())
    made = parent.create_dataset(name, data=value)
    made.attrs.update(attributes)
    return made


def text(parent: Group, name: str, value: str) -> h5py.Dataset:
    """A dataset with a text that stays as it is."""
    return parent.create_dataset(name, data=value, dtype=h5py.string_dtype("utf-8"))


class Column:
    """A dataset that grows along its first axis: gzip level 1 and shuffle, in chunks of `rows`.

    Chunks go to the file as soon as they are put, the last one filled up with 0; HDF5 holds nothing back but its index.
    """

    def __init__(
        self, parent: Group, name: str, dtype: Any, shape: tuple[int, ...] = (), *, rows: int = COLUMN_ROWS,
        **attributes: object,
    ) -> None:  # fmt: skip
        self._dtype = np.dtype(dtype)
        self.dataset = parent.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(rows, *shape), compression="gzip",
            compression_opts=LEVEL, shuffle=True, rdcc_nbytes=rows * self._dtype.itemsize * math.prod(shape),
        )  # fmt: skip
        self.dataset.attrs.update(attributes)
        self._shape, self._rows, self._length, self._identity = shape, rows, 0, self.dataset.id
        # The chunk that was written last, by its first place: most puts go on with it.
        self._last = 0, np.empty((0, *shape), self._dtype)

    def put(self, at: int, values: Any) -> None:
        """Write `values` from place `at` on; the column then ends with them.

        OSError, RuntimeError: they are written in part or not at all; put them once more where there is room.
        """
        array = np.ascontiguousarray(values, self._dtype)
        self.extend(at + len(array))
        if not len(array):
            return
        start = at - at % self._rows
        if start < at:
            array = np.concatenate([self._before(start, at), array])
        for place in range(0, len(array), self._rows):
            chunk = array[place : place + self._rows]
            if len(chunk) < self._rows:
                chunk = np.concatenate([chunk, np.zeros((self._rows - len(chunk), *self._shape), self._dtype)])
            try:
                self._identity.write_direct_chunk((start + place, *(0 for _ in self._shape)), pack(chunk))
            except (OSError, RuntimeError):
                self._reopen()
                raise
        self._last = start + place, array[place:].copy()

    def _before(self, start: int, stop: int) -> npt.NDArray[Any]:
        """What the chunk that begins at `start` holds before `stop`."""
        last, rows = self._last
        if start == last:
            return rows[: stop - start]
        earlier: npt.NDArray[Any] = self.dataset[start:stop]
        return earlier

    def _reopen(self) -> None:
        """Have HDF5 forget what it knows of chunks: it takes one that it could not write for one that it has."""
        file, name = self.dataset.file, self.dataset.name
        self._identity.close()
        self.dataset = file[name]
        self._identity = self.dataset.id

    def extend(self, length: int) -> None:
        """Make the column `length` long; what is new is 0."""
        if length != self._length:
            self._identity.set_extent((length, *self._shape))
            self._length = length
