"""Commands that compare what a board computed with what it should have: audit, selftest."""

from pathlib import Path
from typing import Annotated

import typer

import edgeray
from edgeray.audit import Audit, audit_device
from edgeray.cli.common import DeviceUrl, Exit, Json, emit, leave, open_device, plain
from edgeray.ledger import Ledger
from edgeray.selftest import FRAMES

LIVE_FRAMES = 100
"""Frames of a live audit, unless told otherwise."""
MOST_FRAMES = (1 << 32) - 1


def audit(
    url: DeviceUrl = "",
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="A capture file, or a board in the place of --device.")
    ] = "",
    frames: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_FRAMES, help=f"Audit frames to compare (live: {LIVE_FRAMES}; file: all)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute the kernel responses of audit frames from their raw pixels, and compare them with those sent.

    A live board is told to send audit frames alone; its other settings stay as they are. Without any audit frame the
    exit code is 4.
    """
    source = source or url
    if not source:
        raise typer.BadParameter("name a capture file, or a board by --device or EDGERAY_DEVICE")
    if Path(source).is_file():
        with edgeray.replay(source) as replay:
            found, ledger = edgeray.audit(replay, most=frames), replay.ledger
    else:
        with open_device(source) as device:
            found, ledger = audit_device(device, frames or LIVE_FRAMES), device.ledger
    code = _code(found, ledger)
    emit({**plain(found), "ledger": ledger, "exit_code": int(code)}, as_json, str(found), str(ledger))
    leave(code)


def _code(found: Audit, ledger: Ledger) -> Exit:
    if found.disagreements:
        return Exit.FAILURE
    return Exit.OK if found.complete and not ledger.incomplete and not ledger.lost_on_link else Exit.INCOMPLETE


def selftest(
    url: DeviceUrl,
    frames: Annotated[int, typer.Option(min=1, max=MOST_FRAMES, help="Frames of each kind.")] = FRAMES,
    as_json: Json = False,
) -> None:
    """Have a board make frames of its self-test pattern, and compare every pixel and kernel response.

    It needs neither detector nor ADC. The board has its settings again afterwards.
    """
    with open_device(url) as device:
        found = edgeray.selftest(device, frames)
    code = Exit.FAILURE if found.wrong else Exit.OK if found.complete else Exit.INCOMPLETE
    emit({**plain(found), "exit_code": int(code)}, as_json, str(found), *map(str, found.ledgers))
    leave(code)
