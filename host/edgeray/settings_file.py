"""Settings as a TOML file: written by whoever chose them, read again and sent to a board.

Settings <-> [settings_file] <-> file; Device.configure(read(path, device.detector, device.tick_rate))

The file has one key a setting, by its register's name, as `edgeray.configuration` reads it: modes by their names, times
in seconds or as "900us", the kernel by name or as a table; and in the table `detector` what the settings were made for.
A setting that a file leaves out has its default.
"""

import json
import tomllib
from dataclasses import fields
from enum import IntEnum
from pathlib import Path

from edgeray.configuration import TIMES, Configuration
from edgeray.errors import EdgerayError
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.registers import BY_NAME
from edgeray.protocol.settings import SettingError, Settings

FORMAT = "edgeray settings 1"
GEOMETRY = ("rows", "columns", "guard_ring", "sample_bits")
"""What settings are made for: thresholds and offsets are in codes of its samples. A larger kernel size does no harm."""
_DEFAULTS = {one.name: getattr(Settings(), one.name) for one in fields(Settings)}


class SettingsFileError(EdgerayError, ValueError):
    """A settings file that cannot be written, read or made sense of; names the file and the key."""


def write(path: str | Path, settings: Settings, detector: Detector, tick_rate: int) -> None:
    """Write `settings` for a board with `detector` and `tick_rate` ticks a second.

    Raises SettingError where they do not fit the detector, SettingsFileError where the file cannot be written.
    """
    written = text(settings, detector, tick_rate)
    try:
        Path(path).write_text(written, encoding="utf-8")
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be written: {error.strerror}") from None


def text(settings: Settings, detector: Detector, tick_rate: int) -> str:
    """What `write` writes. Raises SettingError where the settings do not fit the detector."""
    for _ in settings.registers(detector):
        pass  # raises where a setting is wrong
    lines = [f"format = {_text(FORMAT)}", ""]
    for name in _DEFAULTS:
        value = getattr(settings, name)
        if isinstance(value, Kernel):
            continue
        unit = BY_NAME[name].unit
        if name in TIMES:
            lines.append(f"{name} = {value / tick_rate!r} # s, {value} ticks")
        else:
            lines.append(f"{name} = {_toml(_DEFAULTS[name], value)}" + (f" # {unit}" if unit else ""))
    kernel = settings.kernel
    lines += [
        "",
        "[kernel] # response = sum of weight * pixel / 2**shift",
        f"name = {_text(kernel.name)}",
        "weights = [",
    ]
    lines += [f"    {list(row)}," for row in kernel.weights]
    lines += ["]", f"shift = {kernel.shift}", f"source = {_text(kernel.source)}"]
    lines += ["", "[detector]", *(f"{name} = {getattr(detector, name)}" for name in GEOMETRY), ""]
    return "\n".join(lines)


def read(path: str | Path, detector: Detector, tick_rate: int) -> Settings:
    """The settings in a file, for a board with `detector` and `tick_rate` ticks a second; times to the nearest tick.

    A time that is not 0 is a tick at least.

    Raises
    ------
    SettingsFileError : no such file, no TOML, no settings, an unknown key, a value of the wrong kind, or settings that
        were made for another detector.
    SettingError : a value that this detector cannot take.
    """
    configuration = said(path, detector)
    try:
        return configuration.settings(Settings(), detector, tick_rate)
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from None


def said(path: str | Path, detector: Detector) -> Configuration:
    """What a file says, and nothing of what it leaves out. Raises SettingsFileError as `read` does."""
    try:
        written = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{path} is no TOML file: {error}") from None
    return parse(written, detector, str(path))


def parse(written: str, detector: Detector, name: str) -> Configuration:
    """The settings in a text, of a file called `name`, for `detector`. Raises SettingsFileError as `read` does."""
    try:
        content = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(f"{name} is no TOML file: {error}") from None
    if content.pop("format", None) != FORMAT:
        raise SettingsFileError(f"{name} holds no settings of this version: its format should be {FORMAT!r}")
    _check_detector(name, content.pop("detector", {}), detector)
    try:
        return Configuration.of(content)
    except SettingError as error:
        raise SettingsFileError(f"{name}: {error}") from None


def _check_detector(path: str, made_for: object, detector: Detector) -> None:
    if not isinstance(made_for, dict) or not set(made_for) <= set(GEOMETRY):
        raise SettingsFileError(f"{path}: detector is a table of {', '.join(GEOMETRY)}, not {made_for!r}")
    for name, value in made_for.items():
        if value != getattr(detector, name):
            raise SettingsFileError(
                f"{path} was made for a detector with {name} {value}; this one has {getattr(detector, name)}. Choose "
                "settings for this one, or take the table `detector` out of the file where they suit both"
            )


def _toml(default: object, value: int) -> str:
    if isinstance(default, IntEnum):
        return _text(type(default)(value).name)
    return str(bool(value)).lower() if isinstance(default, bool) else str(value)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are among TOML's, and what JSON leaves alone TOML does but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
