"""Settings as a TOML file: written by whoever chose them, read again and sent to a board.

Settings <-> [settings_file] <-> file; Device.configure(read(path, device.detector, device.tick_rate))

The file has one key a setting, by its register's name: modes by theirs ("EDGE"), times in seconds, the kernel as a
table, and in the table `detector` what the settings were made for. A setting that a file leaves out has its default.
"""

import json
import tomllib
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

from edgeray.errors import EdgerayError
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import Kernel, KernelError
from edgeray.protocol.registers import BY_NAME
from edgeray.protocol.settings import SettingError, Settings

FORMAT = "edgeray settings 1"
GEOMETRY = ("rows", "columns", "guard_ring", "sample_bits")
"""What settings are made for: thresholds and offsets are in codes of its samples. A larger kernel size does no harm."""
_DEFAULTS = {one.name: getattr(Settings(), one.name) for one in fields(Settings)}
_TIMES = frozenset(name for name in _DEFAULTS if name in BY_NAME and BY_NAME[name].unit == "tick")


class SettingsFileError(EdgerayError, ValueError):
    """A settings file that cannot be written, read or made sense of; names the file and the key."""


def write(path: str | Path, settings: Settings, detector: Detector, tick_rate: int) -> None:
    """Write `settings` for a board with `detector` and `tick_rate` ticks a second.

    Raises SettingError where they do not fit the detector, SettingsFileError where the file cannot be written.
    """
    for _ in settings.registers(detector):
        pass  # raises where a setting is wrong
    lines = [f"format = {_text(FORMAT)}", ""]
    for name in _DEFAULTS:
        value = getattr(settings, name)
        if isinstance(value, Kernel):
            continue
        unit = BY_NAME[name].unit
        if name in _TIMES:
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
    try:
        Path(path).write_text("\n".join(lines), encoding="utf-8")
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be written: {error.strerror}") from None


def read(path: str | Path, detector: Detector, tick_rate: int) -> Settings:
    """The settings in a file, for a board with `detector` and `tick_rate` ticks a second; times to the nearest tick.

    A time that is not 0 is a tick at least.

    Raises
    ------
    SettingsFileError : no such file, no TOML, no settings, an unknown key, a value of the wrong kind, or settings that
        were made for another detector.
    SettingError : a value that this detector cannot take.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} is no TOML file: {error}") from None
    if content.pop("format", None) != FORMAT:
        raise SettingsFileError(f"{path} holds no settings of this version: its format should be {FORMAT!r}")
    _check_detector(path, content.pop("detector", {}), detector)
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name not in _DEFAULTS:
            raise SettingsFileError(f"{path}: there is no setting {name!r}")
        try:
            values[name] = _kernel(value) if name == "kernel" else _value(name, value, tick_rate)
        except (KernelError, _WrongKind) as error:
            raise SettingsFileError(f"{path}: {error}") from None
    settings = Settings(**values)
    try:
        for _ in settings.registers(detector):
            pass
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from None
    return settings


class _WrongKind(ValueError):
    """A value that is not of its key's kind."""


def _check_detector(path: str | Path, made_for: object, detector: Detector) -> None:
    if not isinstance(made_for, dict) or not set(made_for) <= set(GEOMETRY):
        raise SettingsFileError(f"{path}: detector is a table of {', '.join(GEOMETRY)}, not {made_for!r}")
    for name, value in made_for.items():
        if value != getattr(detector, name):
            raise SettingsFileError(
                f"{path} was made for a detector with {name} {value}; this one has {getattr(detector, name)}. Choose "
                "settings for this one, or take the table `detector` out of the file where they suit both"
            )


def _value(name: str, value: object, tick_rate: int) -> int | bool:
    """The setting's value in its register's unit."""
    default = _DEFAULTS[name]
    if name in _TIMES:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise _WrongKind(f"{name} is a time in seconds, 0 or more, not {value!r}")
        return max(round(value * tick_rate), 1 if value else 0)
    if isinstance(default, IntEnum):
        names = type(default).__members__
        if not isinstance(value, str) or value not in names:
            raise _WrongKind(f"{name} is one of {', '.join(names)}, not {value!r}")
        return names[value]
    if type(value) is not type(default):
        kind = "true or false" if isinstance(default, bool) else "a whole number"
        raise _WrongKind(f"{name} is {kind}, not {value!r}")
    return value  # type: ignore[return-value]


def _kernel(value: object) -> Kernel:
    """The kernel of a table; KernelError, _WrongKind."""
    if not isinstance(value, dict) or not {"name", "weights"} <= set(value) <= {"name", "weights", "shift", "source"}:
        raise _WrongKind(f"kernel is a table of name, weights, shift and source, not {value!r}")
    weights, shift = value["weights"], value.get("shift", 0)
    if not isinstance(weights, list) or not all(isinstance(row, list) for row in weights) or type(shift) is not int:
        raise _WrongKind("kernel has rows of weights and a whole shift")
    return Kernel(str(value["name"]), tuple(map(tuple, weights)), shift, str(value.get("source", "user")))


def _toml(default: object, value: int) -> str:
    if isinstance(default, IntEnum):
        return _text(type(default)(value).name)
    return str(bool(value)).lower() if isinstance(default, bool) else str(value)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are among TOML's, and what JSON leaves alone TOML does but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
