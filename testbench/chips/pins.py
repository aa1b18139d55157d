"""What the models of chips share: the levels of their pins with their times, and a chip's refusal."""

from itertools import pairwise

NEVER = float("-inf")


class ChipError(AssertionError):
    """What a chip was made to do against its data sheet: the limit, by its name there, and the time that was met."""


def require(is_met: bool, chip: str, limit: str, time: float, detail: str) -> None:
    """Raise ChipError unless `is_met`."""
    if not is_met:
        raise ChipError(f"{chip} at {time:.1f} ns: {limit}: {detail}")


def at_least(measured: float, least: float, chip: str, limit: str, time: float) -> None:
    """Raise ChipError where `measured` nanoseconds are less than `least`; a picosecond is for rounding."""
    require(measured >= least - 1e-3, chip, limit, time, f"{measured:.1f} ns, at least {least:.1f} wanted")


class Pin:
    """An input of a chip: its level, and when it last rose, fell and changed."""

    def __init__(self, level: int):
        self.level = level
        self.rose = self.fell = self.changed = NEVER

    def set(self, level: int, time: float) -> int:
        """+1 for a rising edge, -1 for a falling one, 0 for none."""
        edge = level - self.level
        if edge:
            self.level, self.changed = level, time
            if edge > 0:
                self.rose = time
            else:
                self.fell = time
        return edge


class Output:
    """An output of a chip: what it drives, from when on and until when; in between nothing is known of it."""

    def __init__(self) -> None:
        self._driven: list[list[float]] = []

    def drive(self, time: float, hold: float, access: float, level: int | None) -> None:
        """At `time` the chip begins to change the output: it keeps for `hold`, and is `level` after `access`.

        None : it goes to three-state.
        """
        if self._driven:
            self._driven[-1][1] = min(self._driven[-1][1], time + hold)
        if level is not None:
            self._driven.append([time + access, float("inf"), level])
        del self._driven[:-4]

    def level(self, since: float, until: float) -> int | None:
        """The level that the output has all the time from `since` to `until`; None where that is not sure."""
        for start, end, level in self._driven:
            if start <= since + 1e-3 and until <= end + 1e-3:
                return int(level)
        return None


class AnalogueInput:
    """A voltage in ADC codes over time; the last few changes are remembered."""

    def __init__(self, code: int = 0):
        self._changes: list[tuple[float, int]] = [(NEVER, code)]

    def set(self, code: int, time: float) -> None:
        """From `time` on the input is `code`; it counts as a change even where the code is the same."""
        self._changes.append((time, code))
        del self._changes[:-16]

    def at(self, time: float) -> int:
        for (_, code), (following, _) in pairwise(self._changes):
            if following > time:
                return code
        return self._changes[-1][1]

    def is_stable(self, since: float, until: float) -> bool:
        """No change in between; one at `since` does no harm."""
        return not any(since + 1e-3 < time < until - 1e-3 for time, _ in self._changes)
