"""Small words for HDF5: groups, scalars and columns that grow. h5py is loaded with this module."""

import math
from typing import Any, TypeAlias

import h5py
import numpy as np

Group: TypeAlias = h5py.Group
COLUMN_ROWS = 256
CACHED_CHUNKS = 2
"""Chunks of a column that HDF5 may hold back until it flushes: so much is written at most when a file ends."""


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
    """A dataset that grows along its first axis: gzip level 1 and shuffle, in chunks of `rows`."""

    def __init__(
        self, parent: Group, name: str, dtype: Any, shape: tuple[int, ...] = (), *, rows: int = COLUMN_ROWS,
        **attributes: object,
    ) -> None:  # fmt: skip
        cached = CACHED_CHUNKS * rows * np.dtype(dtype).itemsize * math.prod(shape)
        self.dataset = parent.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(rows, *shape), compression="gzip",
            compression_opts=1, shuffle=True, rdcc_nbytes=cached,
        )  # fmt: skip
        self.dataset.attrs.update(attributes)
        self._shape, self._length, self._identity = shape, 0, self.dataset.id
        self._dtype = np.dtype(dtype)

    def put(self, at: int, values: Any) -> None:
        """Write `values` from place `at` on; the column then ends with them."""
        array = np.ascontiguousarray(values, self._dtype)
        self.extend(at + len(array))
        if len(array):
            # What `dataset[at:end] = array` does, in a fifth of the time.
            space = self._identity.get_space()
            space.select_hyperslab((at, *(0 for _ in self._shape)), array.shape)
            self._identity.write(h5py.h5s.create_simple(array.shape), space, array)

    def extend(self, length: int) -> None:
        """Make the column `length` long; what is new is 0."""
        if length != self._length:
            self._identity.set_extent((length, *self._shape))
            self._length = length
