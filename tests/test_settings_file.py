"""Settings files: what is written is read again, and what is wrong with a file is said by its name and key."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.registers import BY_NAME, Polarity, ReadoutMode, SampleSource, ThresholdMode, TriggerMode
from edgeray.protocol.settings import SettingError, Settings
from edgeray.settings_file import FORMAT, SettingsFileError, read, write

DETECTOR = Detector()
TICK_RATE = 24_000_000
OTHERS = Settings(
    trigger_mode=TriggerMode.SOFTWARE,
    nimages=7,
    count_time=24_001,
    frame_time=4_000_000_001,
    reset_time=3,
    cds_enabled=False,
    cds_polarity=Polarity.RESET_MINUS_SIGNAL,
    pga_gain=5,
    pga_offset=-300,
    correction_enabled=True,
    readout_mode=ReadoutMode.RAW,
    sample_source=SampleSource.PATTERN,
    stride=3,
    threshold_mode=ThresholdMode.OFF,
    edge_threshold=4000,
    kernel=Kernel('my "own" \\ \x7f kernel\n', ((1, -2, 3), (0, 0, 0), (-128, 127, 5)), 7, "éè 漢"),
)


@pytest.mark.parametrize("settings", [Settings(), OTHERS], ids=["default", "others"])
@pytest.mark.parametrize("tick_rate", [1, 7, TICK_RATE, 48_000_000, 2**32 - 1])
def test_what_is_written_is_read_again(tmp_path: Path, settings: Settings, tick_rate: int) -> None:
    write(tmp_path / "s.toml", settings, DETECTOR, tick_rate)
    assert read(tmp_path / "s.toml", DETECTOR, tick_rate) == settings


@given(ticks=st.integers(0, 2**32 - 1), tick_rate=st.integers(1, 2**32 - 1))
def test_every_time_survives_in_seconds(tmp_path_factory: pytest.TempPathFactory, ticks: int, tick_rate: int) -> None:
    path = tmp_path_factory.getbasetemp() / "time.toml"
    write(path, Settings(count_time=ticks), DETECTOR, tick_rate)
    assert read(path, DETECTOR, tick_rate).count_time == ticks


def test_times_are_seconds_and_fit_another_board(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    write(path, Settings(count_time=24_000, gap_time=1), DETECTOR, TICK_RATE)
    assert tomllib.loads(path.read_text(encoding="utf-8"))["count_time"] == 1e-3
    slower = read(path, DETECTOR, 12_000_000)
    assert slower.count_time == 12_000
    assert slower.gap_time == 1  # half a tick is not no gap


def test_every_setting_is_in_the_file_by_its_registers_name(tmp_path: Path) -> None:
    write(tmp_path / "s.toml", OTHERS, DETECTOR, TICK_RATE)
    content = tomllib.loads((tmp_path / "s.toml").read_text(encoding="utf-8"))
    assert set(content) - {"format", "detector"} == {one.name for one in fields(Settings)}
    assert set(content) - {"format", "detector", "kernel"} <= set(BY_NAME)
    assert content["readout_mode"] == "RAW"


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'format = "{FORMAT}"\nedge_threshold = 30\n[kernel]\nname = "x"\nweights = [[2]]\n')
    expected = replace(Settings(), edge_threshold=30, kernel=Kernel("x", ((2,),)))
    assert read(path, DETECTOR, TICK_RATE) == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("edge_treshold = 3", "no setting 'edge_treshold'"),
        ("edge_threshold = 3.5", "edge_threshold is a whole number"),
        ("edge_threshold = true", "edge_threshold is a whole number"),
        ("cds_enabled = 1", "cds_enabled is true or false"),
        ('readout_mode = "edges"', "one of EDGE, RAW"),
        ("readout_mode = 0", "one of EDGE, RAW"),
        ('count_time = "1 mm"', "count_time is a time in seconds"),
        ("count_time = -1", "count_time is a time in seconds"),
        ("count_time = nan", "count_time is a time in seconds"),
        ("count_time = inf", "count_time is a time in seconds"),
        ("kernel = 3", "kernel is a table"),
        ('kernel = {name = "x", weights = [[1, 2]]}', "1, 3 or 5 rows"),
        ('kernel = {name = "x", weights = [[1.5]]}', "weight 1.5 is not an integer"),
        ('kernel = {name = "x", weights = 1}', "rows of weights"),
        ('kernel = {name = "x", weights = [[1]], shift = 2.0}', "whole shift"),
        ("[detector]\nsample_bits = 14", "made for a detector with sample_bits 14; this one has 12"),
        ("[detector]\nsize = 14", "detector is a table"),
        ("detector = 1", "detector is a table"),
        ("edge_threshold = ", "no TOML file"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f'format = "{FORMAT}"\n{line}\n')
    with pytest.raises(SettingsFileError, match=r"wrong\.toml") as caught:
        read(path, DETECTOR, TICK_RATE)
    assert says in str(caught.value)


@pytest.mark.parametrize("line", ["edge_threshold = 0", "stride = 2", "count_time = 1000.0", "pga_gain = 9"])
def test_a_value_that_the_board_cannot_take_is_a_setting_error(tmp_path: Path, line: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f'format = "{FORMAT}"\n{line}\n')
    with pytest.raises(SettingError, match=r"wrong\.toml.*takes"):
        read(path, DETECTOR, TICK_RATE)
    with pytest.raises(SettingError):
        write(tmp_path / "s.toml", Settings(edge_threshold=0), DETECTOR, TICK_RATE)
    assert not (tmp_path / "s.toml").exists()


def test_files_that_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match="cannot be read"):
        read(tmp_path / "none.toml", DETECTOR, TICK_RATE)
    with pytest.raises(SettingsFileError, match="cannot be written"):
        write(tmp_path / "no" / "folder.toml", Settings(), DETECTOR, TICK_RATE)
    for content in (b"edge_threshold = 3\n", b'format = "edgeray settings 2"\n', b"\xff\xfe", b""):
        (tmp_path / "s.toml").write_bytes(content)
        with pytest.raises(SettingsFileError, match=r"s\.toml"):
            read(tmp_path / "s.toml", DETECTOR, TICK_RATE)


def test_a_kernel_that_is_too_large_for_the_board(tmp_path: Path) -> None:
    large = replace(DETECTOR, kernel_size=5)
    write(tmp_path / "s.toml", Settings(kernel=KERNELS["log"]), large, TICK_RATE)
    with pytest.raises(SettingError, match="5x5"):
        read(tmp_path / "s.toml", DETECTOR, TICK_RATE)
