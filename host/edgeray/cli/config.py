"""Commands on settings: config get, set, list, save, load, diff."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeray import requested, settings_file
from edgeray.cli.common import DeviceUrl, Exit, Json, emit, leave, open_device, plain, table
from edgeray.configuration import Configuration, Setting, describe, setting_text
from edgeray.device import Device
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.settings import SettingError, Settings
from edgeray.units import shown

app = typer.Typer(no_args_is_help=True, help="Settings of a device: requested, actual, limits, unit.")


def complete_name(incomplete: str) -> list[str]:
    """Settings for the shell's completion."""
    return [name for name in Configuration.model_fields if name.startswith(incomplete)]


def complete_kernel(incomplete: str) -> list[str]:
    """Kernels for the shell's completion."""
    return [name for name in KERNELS if name.startswith(incomplete)]


def complete_assignment(incomplete: str) -> list[str]:
    """NAME= for the shell's completion, and the kernels after it."""
    name, sign, value = incomplete.partition("=")
    if name == "kernel" and sign:
        return [f"kernel={one}" for one in complete_kernel(value)]
    return [] if sign else [f"{one}=" for one in complete_name(name)]


Assignments = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME=VALUE...",
        help="Such as count_time=900us kernel=sobel-x edge_threshold=20 cds_enabled=off.",
        autocompletion=complete_assignment,
    ),
]


def assigned(words: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE texts as a mapping; a value that begins with [ or { is JSON. Raises SettingError."""
    values: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign:
            raise SettingError(f"{word!r} is no setting: write NAME=VALUE, such as count_time=900us")
        values[name] = _value(name, text)
    return values


def _value(name: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingError(f"{name}: {text!r} is no JSON: {error}") from None
    return {"name": "user", "weights": value} if isinstance(value, list) else value


def change(device: Device, changes: Mapping[str, Any], base: Settings | None = None) -> None:
    """Write `changes`, by name, over `base` or what the device has, and remember what was asked."""
    if base is None:
        device.configure(**changes)
    else:
        device.configure(base, **changes)
    if changes:
        requested.remember(device.url, Configuration.of(changes))


def settings_of(device: Device) -> list[Setting]:
    """Every setting of the device, with what earlier commands requested."""
    settings = device.settings
    asked = requested.recall(device.url, settings, device.detector, device.tick_rate)
    return describe(settings, device.detector, device.tick_rate, asked)


@app.command("list")
def list_(url: DeviceUrl, as_json: Json = False) -> None:
    """Show every setting: requested value, actual value, limits, unit."""
    with open_device(url) as device:
        _show(settings_of(device), as_json)


@app.command()
def get(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Settings, such as count_time.", autocompletion=complete_name)
    ],
    url: DeviceUrl,
    as_json: Json = False,
) -> None:
    """Print the actual value of some settings."""
    with open_device(url) as device:
        known = {one.name: one for one in settings_of(device)}
    for name in names:
        if name not in known:
            raise SettingError(f"there is no setting {name!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names]
    lines = [_text(one.actual) if len(chosen) == 1 else f"{one.name} = {_text(one.actual)}" for one in chosen]
    emit({one.name: one.actual for one in chosen}, as_json, *lines)


@app.command("set")
def set_(assignments: Assignments, url: DeviceUrl, as_json: Json = False) -> None:
    """Change some settings, now, and show what the device made of them. All are taken, or none."""
    changes = assigned(assignments)
    with open_device(url) as device:
        change(device, changes)
        device.apply()
        _show([one for one in settings_of(device) if one.name in changes], as_json)


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="TOML file to write.")],
    url: DeviceUrl,
    as_json: Json = False,
) -> None:
    """Write all settings of the device to a TOML file."""
    with open_device(url) as device:
        settings_file.write(file, device.settings, device.detector, device.tick_rate)
    emit({"file": file}, as_json, f"{file}")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="TOML file of settings; what it leaves out takes its default.")],
    url: DeviceUrl,
    as_json: Json = False,
) -> None:
    """Give the device the settings in a file."""
    with open_device(url) as device:
        wanted = settings_file.read(file, device.detector, device.tick_rate)
        device.configure(wanted)
        device.apply()
        requested.remember(device.url, settings_file.said(file, device.detector))
        _show(settings_of(device), as_json)


@app.command()
def diff(
    file: Annotated[Path, typer.Argument(help="TOML file of settings.")],
    url: DeviceUrl,
    as_json: Json = False,
) -> None:
    """Show where the device's settings are others than those in a file; exit code 1 where they are."""
    with open_device(url) as device:
        in_file = settings_file.read(file, device.detector, device.tick_rate)
        there = {one.name: one for one in describe(in_file, device.detector, device.tick_rate, Configuration())}
        here = {one.name: one for one in settings_of(device)}
    different = [name for name in here if not _same(here[name].actual, there[name].actual)]
    rows = [(name, _text(here[name].actual), _text(there[name].actual)) for name in different]
    payload = {name: {"device": here[name].actual, "file": there[name].actual} for name in different}
    emit(payload, as_json, table("", ("setting", "device", str(file)), rows) if rows else "no difference")
    leave(Exit.FAILURE if different else Exit.OK)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one setting; kernels are by what they compute."""
    if isinstance(one, Kernel) and isinstance(other, Kernel):
        size = max(one.size, other.size)
        return one.shift == other.shift and one.padded(size).weights == other.padded(size).weights
    return bool(one == other)


def _show(settings: list[Setting], as_json: bool) -> None:
    rows = [(one.name, _text(one.requested), _text(one.actual), _limits(one), one.unit) for one in settings]
    columns = ("setting", "requested", "actual", "limits", "unit")
    emit({one.name: _payload(one) for one in settings}, as_json, table("", columns, rows))


def _payload(one: Setting) -> dict[str, Any]:
    content: dict[str, Any] = plain(one)
    del content["name"]
    return content


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Kernel):
        return value.name if value.name in KERNELS else f"{[list(row) for row in value.weights]} / {1 << value.shift}"
    return setting_text(value)


def _limits(setting: Setting) -> str:
    if setting.name == "kernel":
        return setting.meaning
    if setting.choices:
        return ", ".join(setting.choices)
    if setting.minimum is None or setting.maximum is None:
        return ""
    if setting.unit == "s":
        return f"{shown(setting.minimum, 's')} to {shown(setting.maximum, 's')}"
    return f"{setting.minimum} to {setting.maximum}"
