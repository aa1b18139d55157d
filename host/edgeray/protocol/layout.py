"""Bit fields in a fixed order: the description that gateware, host and golden model share.

A `Layout` lists fields from the least significant bit upwards. The gateware turns it into a structure of the same bit
order, the host packs and unpacks bytes with it (little endian), so that no offset is ever written down twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """One field: `bits` wide, two's complement where `signed`; `meaning` gives its unit and is what the pages print."""

    name: str
    bits: int
    meaning: str
    signed: bool = False

    @property
    def minimum(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (self.bits - self.signed)) - 1


@dataclass(frozen=True)
class Layout:
    """An ordered group of fields that fills whole bytes.

    Raises ValueError where the fields do not add up to whole bytes or a name comes twice.
    """

    name: str
    fields: tuple[Field, ...]
    _fields: dict[str, Field] = field(init=False, repr=False, compare=False)
    _offsets: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        offsets, bit = {}, 0
        for one in self.fields:
            if one.name in offsets:
                raise ValueError(f"{self.name}: the field {one.name!r} comes twice")
            offsets[one.name] = bit
            bit += one.bits
        if bit % 8:
            raise ValueError(f"{self.name}: {bit} bits are not whole bytes")
        object.__setattr__(self, "_fields", {one.name: one for one in self.fields})
        object.__setattr__(self, "_offsets", offsets)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __getitem__(self, name: str) -> Field:
        """The field `name`. KeyError where there is none."""
        return self._fields[name]

    @property
    def bits(self) -> int:
        return sum(one.bits for one in self.fields)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.bits // 8

    def offset(self, name: str) -> int:
        """Bit offset of the field `name` from the least significant bit of byte 0."""
        return self._offsets[name]

    def pack(self, values: Mapping[str, int]) -> bytes:
        """Bytes of `values`, which names every field. ValueError where a value does not fit or a name is unknown."""
        unknown = set(values) - set(self._offsets)
        if unknown:
            raise ValueError(f"{self.name} has no field {sorted(unknown)[0]!r}")
        word = 0
        for one in self.fields:
            value = int(values[one.name])
            if not one.minimum <= value <= one.maximum:
                raise ValueError(f"{self.name}.{one.name} takes {one.minimum} to {one.maximum}, not {value}")
            word |= (value & ((1 << one.bits) - 1)) << self._offsets[one.name]
        return word.to_bytes(self.size, "little")

    def unpack(self, data: bytes) -> dict[str, int]:
        """Values of the first `size` bytes of `data`. ValueError where `data` is shorter."""
        if len(data) < self.size:
            raise ValueError(f"{self.name} needs {self.size} bytes, got {len(data)}")
        word = int.from_bytes(data[: self.size], "little")
        values = {}
        for one in self.fields:
            value = (word >> self._offsets[one.name]) & ((1 << one.bits) - 1)
            values[one.name] = value - (1 << one.bits) if one.signed and value > one.maximum else value
        return values
