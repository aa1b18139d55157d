"""The models of the chips refuse what the data sheets do not allow: a bench that they pass has been looked at."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from testbench.chips import ad7476a, ltc2668, max11125
from testbench.chips.pins import ChipError

LONG = 1e6


@dataclass(frozen=True)
class Adc:
    """Frames of 16 clocks as a converter likes them, in nanoseconds; a test changes one."""

    start: float = LONG
    to_clock: float = 30.0
    low: float = 40.0
    high: float = 40.0
    after: float = 40.0
    gap: float = 400.0
    clocks: int = 16
    data_before: float = 40.0
    data_after: float = 40.0

    def frame(self, time: float, word: int = 0) -> Iterator[tuple[float, int, int, int]]:
        """(time, chip select, clock, data) at each change; data changes before and after the rising edge."""
        data = 0
        yield time, 0, 1, data
        time += self.to_clock
        for number in range(self.clocks):
            fall, rise = time + number * (self.low + self.high), time + number * (self.low + self.high) + self.low
            bit = word >> (15 - number) & 1
            events = [(fall, 0, 0, None), (rise, 0, 1, None), (rise - self.data_before, 0, None, bit)]
            if bit:
                events.append((rise + self.data_after, 0, None, 0))
            clock = 1
            for when, select, level, value in sorted(events, key=lambda event: event[0]):
                clock = clock if level is None else level
                data = data if value is None else value
                yield when, select, clock, data
        end = fall + self.low + self.after
        yield end, 1, 1, data


def _changed(good: Adc, change: dict[str, Any]) -> Adc:
    return replace(good, **change)


def _ad7476a(good: Adc, second: Adc | None = None) -> ad7476a.AD7476A:
    """Three conversions of 0xABC, the second as `second` says."""
    chip = ad7476a.AD7476A(random.Random(1))
    chip.analogue(0xABC, -LONG)
    time = good.start
    for timing in (good, second or good, good):
        for when, select, clock, _ in timing.frame(time):
            chip.pins(select, clock, when)
            time = when
        time += timing.gap
    return chip


AD_GOOD = Adc(data_before=0)


def test_ad7476a_is_content() -> None:
    assert _ad7476a(AD_GOOD).conversions == 3


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"to_clock": 9.0}, "t2"),
        ({"low": 24.0, "high": 24.0, "gap": 1000.0}, "fSCLK"),
        ({"low": 25.0, "high": 40.0, "gap": 1000.0}, "t5"),
        ({"low": 40.0, "high": 25.0, "gap": 1000.0}, "t6"),
        ({"low": 60_000.0, "high": 60_000.0}, "fSCLK"),
        ({"clocks": 15}, "CS"),
        ({"clocks": 9}, "CS"),
        ({"gap": 9.0}, "t1"),
        ({"after": 1.0, "gap": 40.0}, "tQUIET"),
        ({"low": 25.0, "high": 25.0, "after": 25.0, "gap": 70.0}, "tACQ"),
        ({"low": 26.0, "high": 26.0, "after": 1.0, "gap": 110.0}, "cycle"),
    ],
)
def test_ad7476a_refuses(change: dict[str, float], limit: str) -> None:
    with pytest.raises(ChipError, match=f": {limit}"):
        _ad7476a(AD_GOOD, _changed(AD_GOOD, change))


@pytest.mark.parametrize(("after_select", "limit"), [(5.0, "aperture"), (-100.0, "tACQ")])
def test_ad7476a_refuses_a_moving_input(after_select: float, limit: str) -> None:
    chip = ad7476a.AD7476A(random.Random(1))
    if after_select < 0:
        chip.analogue(1, LONG + after_select)
        with pytest.raises(ChipError, match=limit):
            chip.pins(0, 1, LONG)
        return
    chip.pins(0, 1, LONG)
    with pytest.raises(ChipError, match=limit):
        chip.analogue(2, LONG + after_select)


def test_ad7476a_data() -> None:
    """The first conversion is anything, the second the code; data is not sure before t4 nor after t7."""
    chip = ad7476a.AD7476A(random.Random(1))
    chip.analogue(0xABC, -LONG)
    words: list[list[int | None]] = []
    time = LONG
    for _ in range(2):
        words.append([])
        fall = None
        for when, select, clock, _data in AD_GOOD.frame(time):
            if clock == 0 and not select:
                words[-1].append(chip.level(when - 1, when))
                fall = when
            chip.pins(select, clock, when)
            if fall is not None and clock == 0:
                assert chip.level(fall + ad7476a.T4 - 1, fall + ad7476a.T4 + 1) is None
                assert chip.level(fall, fall + ad7476a.T7 + 1) is None
            time = when
        time += AD_GOOD.gap
    assert words[1] == [int(bit) for bit in f"{0xABC:016b}"]
    assert words[0] != words[1]


MAX_GOOD = Adc()
SETUP = (0x0040, 0x8000, 0x8800, 0x9000, 0x0804)


def _max11125(words: tuple[int, ...], timing: Adc = MAX_GOOD, odd: Adc | None = None) -> list[int]:
    """What DOUT shows at the rising edges of each frame; `odd` times the last but one."""
    chip = max11125.MAX11125(random.Random(1))
    for channel in range(max11125.CHANNELS):
        chip.analogue(channel, 0x123 * (channel + 1), -LONG)
    shown, time = [], timing.start
    for number, word in enumerate(words):
        used, before, value = (odd if odd and number == len(words) - 2 else timing), 1, 0
        for when, select, clock, data in used.frame(time, word):
            if clock > before and not select:
                level = chip.level(when - 1, when)
                value = value << 1 | (level if level is not None else 0)
            chip.pins(select, clock, data, when)
            before, time = clock, when
        shown.append(value)
        time += used.gap
    return shown


def test_max11125_is_content_and_pipelines_by_one_frame() -> None:
    shown = _max11125((*SETUP, 0x0884, 0x0804, 0x0804))
    assert shown[-3:] == [0x0123, 0x1246, 0x0123]


def test_max11125_needs_to_be_configured() -> None:
    with pytest.raises(ChipError, match="power-up"):
        _max11125((0x0040, 0x0804, 0x0804))
    assert all(word >> 12 >= max11125.CHANNELS for word in _max11125((0x0804, 0x0884, 0x0804)))


@pytest.mark.parametrize("word", [0x1804, 0x080C, 0x0C84, 0x8404, 0xF800])
def test_max11125_refuses_other_words(word: int) -> None:
    with pytest.raises(ChipError):
        _max11125((*SETUP, word, 0x0804))


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"to_clock": 3.0}, "tCSS"),
        ({"low": 31.0, "high": 31.0, "data_before": 31.0, "data_after": 20.0}, "tCP"),
        ({"low": 25.0, "high": 40.0, "data_before": 20.0}, "tCL"),
        ({"low": 40.0, "high": 25.0, "data_after": 20.0}, "tCH"),
        ({"low": 4000.0, "high": 4000.0}, "tCP"),
        ({"clocks": 15}, "CS"),
        ({"gap": 4.0}, "tCSBW"),
        ({"data_before": 3.0}, "tDS"),
        ({"data_after": 0.5}, "tDH"),
        ({"low": 31.25, "high": 31.25, "after": 1.0, "gap": 6.0, "data_before": 31.25, "data_after": 31.25}, "tACQ"),
    ],
)
def test_max11125_refuses(change: dict[str, float], limit: str) -> None:
    with pytest.raises(ChipError, match=f": {limit}"):
        _max11125((*SETUP, 0x0884, 0x0804), odd=_changed(MAX_GOOD, change))


def _ltc2668(words: list[int], **changes: float) -> ltc2668.LTC2668:
    """Words as the converter likes them, but for the changes, which hold for the second."""
    chip = ltc2668.LTC2668()
    time = LONG
    for number, word in enumerate(words):
        good = {"select": 20.0, "low": 20.0, "high": 20.0, "before": 10.0, "after": 10.0, "end": 20.0, "gap": 30.0}
        used = {**good, "bits": 24.0, **(changes if number == 1 else {})}
        chip.pins(0, 0, 0, time)
        time += used["select"]
        for place in range(int(used["bits"])):
            bit = word >> max(23 - place, 0) & 1
            rise = time + place * (used["low"] + used["high"])
            chip.pins(0, 0, bit, max(rise - used["before"], time - used["select"]))
            chip.pins(0, 1, bit, rise)
            early = used["after"] < used["high"]
            if early:
                chip.pins(0, 1, 0, rise + used["after"])
            if place < int(used["bits"]) - 1:
                chip.pins(0, 0, 0 if early else bit, rise + used["high"])
        time = rise + used["end"]
        chip.pins(1, 1, 0, time)
        chip.pins(1, 0, 0, time + 20)
        time += used["gap"]
    return chip


def test_ltc2668_writes_and_updates() -> None:
    chip = _ltc2668([0x03_ABCD, 0x0F_FFFF, 0x90_0000, 0x03_0001])
    assert [chip.codes[channel] for channel in (0, 3, 15)] == [0, 0xABCD, 0xFFFF]
    assert chip.inputs[3] == 1
    assert len(chip.updates) == 1


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"before": 5.0}, "t1"),
        ({"after": 5.0}, "t2"),
        ({"high": 8.0, "after": 7.0, "low": 20.0}, "t3"),
        ({"low": 8.0, "before": 6.0}, "t4"),
        ({"low": 9.5, "high": 9.5, "before": 7.0, "after": 7.0}, "SCK"),
        ({"end": 6.0, "after": 6.0}, "t6"),
        ({"select": 6.0, "before": 6.0}, "t7"),
        ({"bits": 23.0}, "word"),
        ({"bits": 25.0}, "word"),
    ],
)
def test_ltc2668_refuses(change: dict[str, float], limit: str) -> None:
    words = [0xFF_FFFF, 0x05_FFFF, 0xFF_FFFF]
    assert _ltc2668(words).inputs[5] == 0xFFFF
    with pytest.raises(ChipError, match=f": {limit}"):
        _ltc2668(words, **change)


def test_ltc2668_refuses_short_deselection_and_other_commands() -> None:
    chip = _ltc2668([0x90_0000])
    chip.pins(0, 0, 0, 2 * LONG)
    with pytest.raises(ChipError, match="word"):
        chip.pins(1, 0, 0, 2 * LONG + 100)
    with pytest.raises(ChipError, match="t5"):
        chip.pins(0, 0, 0, 2 * LONG + 109)
    with pytest.raises(ChipError, match="command"):
        _ltc2668([0x60_0000])
