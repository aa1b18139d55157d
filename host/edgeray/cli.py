"""The command `edgeray`.

    edgeray audit FILE|URL    recompute the kernel responses of audit frames and compare them with those sent
    edgeray selftest URL      have a board show its self-test pattern, and compare every pixel and kernel response

Exit codes: 0 all agrees and is complete, 1 disagreement, 2 wrong usage, 3 no device, or one that stopped answering,
4 data incomplete (also where there was no audit frame), 5 version mismatch.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import edgeray
from edgeray.audit import Audit, audit, audit_device
from edgeray.errors import AuditError, CaptureFileError, EdgerayError, VersionMismatch
from edgeray.ledger import Ledger
from edgeray.selftest import FRAMES, selftest

AGREES, DISAGREES, USAGE, NO_DEVICE, INCOMPLETE, MISMATCH = range(6)
LIVE_FRAMES = 100
"""Frames of a live audit, unless told otherwise."""
INTERRUPTED = 130

_FAILURES: tuple[tuple[type[EdgerayError] | tuple[type[EdgerayError], ...], int], ...] = (
    (VersionMismatch, MISMATCH),
    ((CaptureFileError, AuditError), INCOMPLETE),
    (EdgerayError, NO_DEVICE),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default); returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "selftest":
            return _selftest(options.url, options.frames, as_json=options.json)
        return _audit(options.source, options.frames, as_json=options.json)
    except EdgerayError as error:
        print(f"edgeray: {error}", file=sys.stderr)
        return next(code for kinds, code in _FAILURES if isinstance(error, kinds))
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeray", description="X-ray detector readout.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="command")
    one = commands.add_parser(
        "audit",
        help="recompute what a board made of its pixels",
        description="Recompute the kernel responses of audit frames from their raw pixels and compare them with those "
        "that the board sent. A live board is told to send audit frames alone; its other settings stay as they are.",
        epilog="exit codes: 0 agrees, 1 disagrees, 2 usage, 3 no device, 4 data incomplete, 5 version mismatch",
    )
    one.add_argument("source", metavar="FILE|URL", help="a capture file, or a board: /dev/ttyUSB0, socket://host:port")
    one.add_argument(
        "--frames", type=_count, metavar="N", help=f"audit frames to compare (live: {LIVE_FRAMES}; file: all)"
    )
    one.add_argument("--json", action="store_true", help="print the result as JSON")
    one = commands.add_parser(
        "selftest",
        help="have a board show its self-test pattern and compare all of it",
        description="Let a board make frames of its self-test pattern, raw and of edges, and compare every pixel and "
        "kernel response. It needs neither detector nor ADC, and has its settings again afterwards.",
        epilog="exit codes: 0 agrees, 1 disagrees, 2 usage, 3 no device, 4 data incomplete, 5 version mismatch",
    )
    one.add_argument("url", metavar="URL", help="/dev/ttyUSB0, socket://host:port")
    one.add_argument("--frames", type=_count, default=FRAMES, metavar="N", help=f"frames of each kind ({FRAMES})")
    one.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value < 1 << 32:
        raise ValueError
    return value


def _audit(source: str, frames: int | None, *, as_json: bool) -> int:
    if Path(source).is_file():
        with edgeray.replay(source) as replay:
            found, ledger = audit(replay, most=frames), replay.ledger
    else:
        with edgeray.open(source) as device:
            found, ledger = audit_device(device, frames or LIVE_FRAMES), device.ledger
    code = _code(found, ledger)
    if as_json:
        first = [one._asdict() for one in found.first]
        counts = {**dataclasses.asdict(ledger), "lost_on_link": ledger.lost_on_link}
        print(json.dumps({**dataclasses.asdict(found), "first": first, "ledger": counts, "exit_code": code}, indent=2))
    else:
        print(found)
        print(ledger)
    return code


def _selftest(url: str, frames: int, *, as_json: bool) -> int:
    with edgeray.open(url) as device:
        found = selftest(device, frames)
    code = DISAGREES if found.wrong else AGREES if found.complete else INCOMPLETE
    if as_json:
        first = [one._asdict() for one in found.first]
        print(json.dumps({**dataclasses.asdict(found), "first": first, "exit_code": code}, indent=2))
    else:
        print(found)
        for ledger in found.ledgers:
            print(ledger)
    return code


def _code(found: Audit, ledger: Ledger) -> int:
    if found.disagreements:
        return DISAGREES
    return AGREES if found.complete and not ledger.incomplete and not ledger.lost_on_link else INCOMPLETE


if __name__ == "__main__":
    sys.exit(main())
