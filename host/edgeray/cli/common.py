"""What every command shares: exit codes, the options --device and --json, output, and how errors are told."""

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.table import Table

import edgeray
from edgeray.device import Device
from edgeray.errors import (
    AuditError,
    CaptureFileError,
    DataIncomplete,
    DeviceTimeout,
    EdgerayError,
    LinkError,
    NoDeviceError,
    VersionMismatch,
)
from edgeray.ledger import Ledger
from edgeray.protocol.settings import SettingError
from edgeray.settings_file import SettingsFileError


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NO_DEVICE = 3
    INCOMPLETE = 4
    MISMATCH = 5


_CODES: tuple[tuple[type[EdgerayError], Exit], ...] = (
    (VersionMismatch, Exit.MISMATCH),
    (NoDeviceError, Exit.NO_DEVICE),
    (LinkError, Exit.NO_DEVICE),
    (DeviceTimeout, Exit.NO_DEVICE),
    (CaptureFileError, Exit.INCOMPLETE),
    (AuditError, Exit.INCOMPLETE),
    (DataIncomplete, Exit.INCOMPLETE),
    (SettingError, Exit.USAGE),
    (SettingsFileError, Exit.USAGE),
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
DeviceUrl = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        envvar="EDGERAY_DEVICE",
        help="Serial port, socket://host:port (a virtual board) or replay://file.",
        show_default=False,
    ),
]

_PIPED_WIDTH = 160

# Tables that go to a file or another program are not cut to a terminal's usual width.
console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
errors = Console(stderr=True)


def exit_code(error: EdgerayError) -> Exit:
    """The exit code that tells of `error`."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILURE)


def tell(error: EdgerayError, *, as_json: bool) -> Exit:
    """Print what went wrong; returns the exit code."""
    code = exit_code(error)
    if as_json:
        print(json.dumps({"error": type(error).__name__, "message": str(error), "exit_code": int(code)}, indent=2))
    print(f"edgeray: {error}", file=sys.stderr)
    return code


def emit(payload: Any, as_json: bool, *shown: RenderableType) -> None:
    """Print a result: `payload` as one JSON document, or `shown` for a reader, one after the other."""
    if as_json:
        print(json.dumps(plain(payload), indent=2, allow_nan=False))
    else:
        for one in shown:
            console.print(one, highlight=False, markup=False)


def plain(value: Any) -> Any:
    """`value` made of what JSON has: dataclasses and models as objects, enumerations by name, NaN as null."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Ledger):
        return plain({**dataclasses.asdict(value), "lost_on_link": value.lost_on_link, "complete": value.complete})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A table of a few columns, all cells as text."""
    made = Table(title=title or None, title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, no_wrap=not place)
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return made


def open_device(url: str) -> Device:
    """The board at `url`, handshake done. Raises NoDeviceError, VersionMismatch, LinkError, DeviceTimeout."""
    return edgeray.open(url)


def leave(code: Exit) -> NoReturn:
    """End the command with `code`, everything said."""
    raise typer.Exit(int(code))
