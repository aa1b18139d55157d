"""The command `edgeray`; `edgeray --help` lists what it can do.

Exit codes: 0 done and complete, 1 a failure or disagreement, 2 wrong usage or a wrong value, 3 no device, or one that
stopped answering, 4 data incomplete, 5 version mismatch.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from edgeray.cli import board, calibrate, capture, check, config, files
from edgeray.cli.common import tell
from edgeray.errors import EdgerayError
from edgeray.protocol.registers import PROTOCOL_VERSION, register_map_hash

app = typer.Typer(
    name="edgeray",
    epilog="Exit codes: 0 ok, 1 failure, 2 usage, 3 no device, 4 data incomplete, 5 version mismatch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS = {
    "Device": (board.devices, board.info, board.doctor, board.program),
    "Measure": (capture.capture, capture.replay, capture.rerun),
    "Files": (files.inspect, files.convert),
    "Check": (check.audit, check.selftest),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(config.app, name="config", rich_help_panel="Device")
app.add_typer(calibrate.app, name="calibrate", rich_help_panel="Measure")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edgeray {version('edgeray')}, protocol {PROTOCOL_VERSION}, register map {register_map_hash():#010x}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show versions.")] = False,
) -> None:
    """Readout of X-ray detectors that compute while they sense."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default); returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, prog_name="edgeray")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except EdgerayError as error:
        return tell(error, as_json="--json" in words)
    return 0
