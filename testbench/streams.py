"""Streams in the simulator: payloads as numbers, a source, a sink, and the stream contract.

Every field's place in a payload is read from the component's Amaranth layout, so no offset is written down here.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data

Pace = Callable[[], bool]
"""Asked once a clock whether to offer (source) or to take (sink)."""


def always() -> bool:
    return True


def never() -> bool:
    return False


def randomly(chances: random.Random, likely: float) -> Pace:
    """True with probability `likely` in each clock."""
    return lambda: chances.random() < likely


class Packer:
    """Numbers <-> fields of one layout.

    A structure is a dict of its fields, an array a list of its elements; signed fields are negative numbers.
    """

    def __init__(self, layout: Any):
        self._fields: list[tuple[Any, int, Packer | None, Shape]] = []
        self.is_array = isinstance(layout, data.ArrayLayout)
        self.width = Shape.cast(layout).width
        self.shape = Shape.cast(layout)
        self.is_plain = not isinstance(layout, data.Layout)
        if not self.is_plain:
            for name, one in layout:
                inner = Packer(one.shape) if isinstance(one.shape, data.Layout) else None
                self._fields.append((name, one.offset, inner, Shape.cast(one.shape)))

    def pack(self, values: Any) -> int:
        """One number of `values`. ValueError where a field is missing or does not fit."""
        if self.is_plain:
            return _checked("payload", int(values), self.shape)
        if len(values) != len(self._fields):
            raise ValueError(f"fields are {[name for name, *_ in self._fields]}, not {values}")
        word = 0
        for name, offset, inner, shape in self._fields:
            value = inner.pack(values[name]) if inner else _checked(name, int(values[name]), shape)
            word |= value << offset
        return word

    def unpack(self, word: int) -> Any:
        """Fields of `word`."""
        if self.is_plain:
            return _as_signed(word, self.shape)
        values = {}
        for name, offset, inner, shape in self._fields:
            bits = (word >> offset) & ((1 << shape.width) - 1)
            values[name] = inner.unpack(bits) if inner else _as_signed(bits, shape)
        return list(values.values()) if self.is_array else values

    def mask(self, names: Iterable[str]) -> int:
        """Ones where the fields `names` lie."""
        wanted = set(names)
        return sum(((1 << shape.width) - 1) << offset for name, offset, _, shape in self._fields if name in wanted)


def _checked(name: Any, value: int, shape: Shape) -> int:
    low = -(1 << (shape.width - 1)) if shape.signed else 0
    if not low <= value < low + (1 << shape.width):
        raise ValueError(f"{name} = {value} does not fit {shape}")
    return value & ((1 << shape.width) - 1)


def _as_signed(bits: int, shape: Shape) -> int:
    return bits - (1 << shape.width) if shape.signed and bits >> (shape.width - 1) else bits


def _ready(dut: Any, name: str) -> Any:
    """The port `ready` of a stream; None where the stream has none, because its receiver always is."""
    return getattr(dut, f"{name}__ready", None)


class StreamSource:
    """Offers `items` at an input stream; keeps an offer until it is taken. None stands for a clock without an offer."""

    def __init__(self, dut: Any, name: str, layout: Any, pace: Pace = always):
        self.packer = Packer(layout)
        self.pace = pace
        self.items: deque[int | None] = deque()
        self.accepted: list[int] = []
        """Clock in which each item was accepted."""
        self.offered: list[int] = []
        """Clock in which each item was first offered."""
        self._valid, self._payload = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__payload")
        self._ready = _ready(dut, name)
        self._fresh = self._offering = self._shown = False
        self._valid.value = 0

    @property
    def is_offering(self) -> bool:
        """Whether `valid` is high; in a clock from this source's turn to drive on."""
        return self._offering

    def send(self, items: Iterable[Any]) -> None:
        """Queue fields (dicts of the layout), numbers packed already, or None for a clock without an offer."""
        self.items.extend(self.packer.pack(item) if isinstance(item, Mapping) else item for item in items)

    def drive(self) -> None:
        if self._offering:
            return
        if self.items and self.items[0] is None:
            self.items.popleft()
            is_idle = True
        else:
            is_idle = not (self.items and self.pace())
        if not is_idle:
            self._payload.value = self.items[0]
            if not self._shown:
                self._valid.value = 1
            self._fresh = self._offering = self._shown = True
        elif self._shown:
            self._valid.value = 0
            self._shown = False

    def sample(self, clock: int) -> None:
        if self._fresh:
            self.offered.append(clock)
            self._fresh = False
        if self._offering and (self._ready is None or self._ready.value == 1):
            self.accepted.append(clock)
            self.items.popleft()
            self._offering = False


class ContractError(AssertionError):
    """A stream that withdrew or changed an offer before it was taken."""


class StreamSink:
    """Takes what an output stream offers, and watches the stream contract.

    Where the stream has no `ready`, everything is taken whatever the pace.
    """

    def __init__(self, dut: Any, name: str, layout: Any, pace: Pace = always):
        self.packer = Packer(layout)
        self.pace = pace
        self.items: list[int] = []
        self.received: list[int] = []
        """Clock in which each item was taken."""
        self.offered: list[int] = []
        """Clock in which each item was first offered."""
        self.name = name
        self._valid, self._payload = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__payload")
        self._ready = _ready(dut, name)
        self.can_stall = self._ready is not None
        self._taking = not self.can_stall
        self._held: int | None = None
        if self.can_stall:
            self._ready.value = 0

    def drive(self) -> None:
        if not self.can_stall:
            return
        taking = self.pace()
        if taking != self._taking:
            self._ready.value = int(taking)
            self._taking = taking

    def sample(self, clock: int) -> None:
        if self._valid.value != 1:
            if self._held is not None:
                raise ContractError(f"clock {clock}: stream {self.name} withdrew an offer before it was taken")
            return
        payload = int(self._payload.value)
        if self._held is None:
            self.offered.append(clock)
        elif payload != self._held:
            raise ContractError(
                f"clock {clock}: stream {self.name} changed its offer from {self.packer.unpack(self._held)} "
                f"to {self.packer.unpack(payload)} before it was taken"
            )
        if self._taking:
            self.items.append(payload)
            self.received.append(clock)
            self._held = None
        else:
            self._held = payload

    def fields(self) -> list[Any]:
        """Everything received, unpacked."""
        return [self.packer.unpack(item) for item in self.items]
