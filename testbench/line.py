"""A UART's line in the simulator: bits on a pin, and what a pin says."""

from collections import deque
from collections.abc import Iterable

from testbench.bench import Bench

LOW, HIGH = 0, 1


def bits_of(byte: int, stop: int = HIGH) -> list[int]:
    """Start bit, eight bits from the least significant one, stop bit."""
    return [LOW, *((byte >> bit) & 1 for bit in range(8)), stop]


class LineReceiver:
    """Decodes a line; a bit has to keep its level for all of its `divisor` clocks."""

    def __init__(self, bench: Bench, pin: str, divisor: int):
        self._bench, self._port = bench, getattr(bench.dut, pin)
        self.divisor = divisor
        self.items: list[int] = []
        """Bytes that came."""
        self._levels: list[int] = []
        self.started: list[int] = []
        """Clock in which each byte's start bit began."""

    def drive(self) -> None:
        """Nothing to drive."""

    def sample(self, clock: int) -> None:
        level = int(self._port.value)
        if not self._levels:
            if level == HIGH:
                return
            self.started.append(clock)
        self._levels.append(level)
        if len(self._levels) < 10 * self.divisor:
            return
        bits = []
        for start in range(0, 10 * self.divisor, self.divisor):
            part = set(self._levels[start : start + self.divisor])
            self._bench.check(len(part) == 1, f"byte {len(self.items)}: a bit is not {self.divisor} clocks long")
            bits.append(part.pop())
        self._bench.check(bits[-1] == HIGH, f"byte {len(self.items)}: no stop bit")
        self.items.append(sum(bit << place for place, bit in enumerate(bits[1:9])))
        self._levels.clear()


class Line:
    """Drives a pin with bits that last `duration` clocks each, which may be a fraction."""

    def __init__(self, bench: Bench, pin: str):
        self._port = getattr(bench.dut, pin)
        self._port.value = HIGH
        self._levels: deque[int] = deque()
        self._level = HIGH

    @property
    def is_idle(self) -> bool:
        return not self._levels

    def send(self, bits: Iterable[int], duration: float) -> None:
        for number, bit in enumerate(bits):
            self._levels.extend([bit] * (round((number + 1) * duration) - round(number * duration)))

    def drive(self) -> None:
        level = self._levels.popleft() if self._levels else HIGH
        if level != self._level:
            self._port.value = level
            self._level = level

    def sample(self, clock: int) -> None:
        """Nothing to sample."""
