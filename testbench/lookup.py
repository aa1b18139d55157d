"""The side of the register bank that shows a register's value after it was asked for."""

from collections import deque
from typing import Any


class Lookup:
    """Shows at port `value`, `clocks` later, what is at the address at port `address`; 0 where nothing is."""

    def __init__(self, address: Any, value: Any, clocks: int = 1):
        self._address, self._value = address, value
        self._asked = deque([0] * clocks, clocks)
        self.values: dict[int, int] = {}

    def drive(self) -> None:
        self._value.value = self.values.get(self._asked[0], 0) & 0xFFFFFFFF

    def sample(self, clock: int) -> None:
        self._asked.append(int(self._address.value))
