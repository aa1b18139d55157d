"""What was asked of each device, remembered from one command to the next beside what the device made of it.

A board knows the settings that it has, not those that were asked of it: 900.01us is 900us to it. A file in the user's
state folder keeps the others: XDG_STATE_HOME/edgeray/requested.json, or ~/.local/state/edgeray/requested.json.
"""

import json
import os
from enum import Enum
from pathlib import Path
from typing import Any

from edgeray.configuration import Configuration
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.settings import SettingError, Settings


def path() -> Path:
    """Of the file."""
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(folder) / "edgeray" / "requested.json"


def recall(url: str, settings: Settings, detector: Detector, tick_rate: int) -> Configuration:
    """What was asked of the device at `url`, as far as its `settings` are still what came of it."""
    known = Configuration()
    for name, value in _read().get(url, {}).items():
        try:
            one = Configuration.of({name: value})
            asked = one.settings(settings, detector, tick_rate)
            # Kernels are told apart by what they compute, not by their names.
            if list(asked.registers(detector)) == list(settings.registers(detector)):
                known = Configuration.of(known.said | one.said)
        except SettingError:
            continue  # another version's file, or another board at this URL
    return known


def remember(url: str, asked: Configuration) -> None:
    """Keep what was asked of the device at `url`. Where the file cannot be written nothing is kept."""
    everything = _read()
    everything[url] = everything.get(url, {}) | {name: _plain(value) for name, value in asked.said.items()}
    file = path()
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(everything, indent=1), encoding="utf-8")
        part.replace(file)
    except OSError:
        return


def _read() -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {url: one for url, one in content.items() if isinstance(one, dict)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Kernel):
        rows = [list(row) for row in value.weights]
        return {"name": value.name, "weights": rows, "shift": value.shift, "source": value.source}
    return value
