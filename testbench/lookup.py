"""The side of the register bank that shows a register's value a clock after it was asked for."""

from typing import Any


class Lookup:
    """Shows at port `value`, in the next clock, what is at the address at port `address`; 0 where nothing is."""

    def __init__(self, address: Any, value: Any):
        self._address, self._value = address, value
        self._asked = 0
        self.values: dict[int, int] = {}

    def drive(self) -> None:
        self._value.value = self.values.get(self._asked, 0) & 0xFFFFFFFF

    def sample(self, clock: int) -> None:
        self._asked = int(self._address.value)
