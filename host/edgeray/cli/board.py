"""Commands about boards themselves: devices, info, doctor, program."""

import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from edgeray import doctor as examination
from edgeray import programmer
from edgeray.cli.common import DeviceUrl, Exit, Json, console, emit, errors, exit_code, leave, open_device, plain, table
from edgeray.doctor import Check, Status, udev
from edgeray.information import Information, Probe, information, probe
from edgeray.ports import Port, ports

VARIABLE = "EDGERAY_DEVICE"
_STYLE = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIPPED: "dim"}


def devices(
    asked: Annotated[
        bool,
        typer.Option("--probe", help="Open each port of a known board, and EDGERAY_DEVICE, and ask who is there."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List serial ports: which board they may belong to, who may open them, who has them open.

    Sockets cannot be listed; a virtual board is shown where EDGERAY_DEVICE names it.
    """
    found = ports()
    named = os.environ.get(VARIABLE, "")
    probes: dict[str, Probe] = {}
    if asked:
        probes = {one.device: probe(one.device) for one in found if one.boards and one.is_link}
        if named and named not in probes:
            probes[named] = probe(named)
    payload = {
        "ports": [{**plain(one), "probe": plain(probes.get(one.device))} for one in found],
        "environment": {"variable": VARIABLE, "device": named or None, "probe": plain(probes.get(named))},
    }
    columns = ["port", "board", "adapter", "serial number", "access", "latency", "open in"] + ["answer"] * asked
    rows = [[*_row(one), *([_answer(probes.get(one.device))] * asked)] for one in found]
    # A terminal has 80 columns: those that say nothing are left out.
    used = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    shown: Table | str = "No serial port is plugged in."
    if rows:
        shown = table("Serial ports", [columns[at] for at in used], [[row[at] for at in used] for row in rows])
    answer = f": {_answer(probes[named])}" if named in probes else ""
    emit(payload, as_json, shown, f"{VARIABLE} is {named}{answer}" if named else f"{VARIABLE} is not set.")


def _row(one: Port) -> list[str]:
    ids = "" if one.vid is None or one.pid is None else f"{one.vid:04x}:{one.pid:04x}"
    role = "" if one.is_link or not one.boards else " (programming)"
    mode = "" if one.mode is None else f", {one.owner}:{one.group} {one.mode}"
    return [
        one.device,
        " or ".join(one.boards) + role,
        " ".join(part for part in (one.chip or one.description, ids, one.driver) if part),
        one.serial_number or "",
        ("yes" if one.may_open else "NO") + mode,
        "" if one.latency_timer is None else f"{one.latency_timer} ms",
        ", ".join(f"{each.name} ({each.pid})" for each in one.holders),
    ]


def _answer(found: Probe | None) -> str:
    if found is None:
        return "not asked"
    if found.identity is None:
        return found.error or ""
    return f"edgeray, protocol {found.identity.protocol_version}, map {found.identity.register_map_hash:#010x}"


def info(url: DeviceUrl, as_json: Json = False) -> None:
    """Show what a board says of itself: identity, geometry, build, state, counters."""
    with open_device(url) as device:
        told = information(device)
    emit(told, as_json, _information(told))


def _information(told: Information) -> Table:
    one, build, detector = told.identity, told.build, told.identity.detector
    memories = {"audit frames": build.audit_memory, "uploaded samples": build.upload_memory, "bias DAC": build.bias_dac}
    groups = (
        ("protocol version", one.protocol_version),
        ("register map", f"{one.register_map_hash:#010x}"),
        ("serial number", told.serial_number or "none: the link is no USB adapter with one"),
        ("tick rate", f"{one.tick_rate / 1e6:g} MHz"),
        ("uptime", f"{told.uptime:.3f} s"),
        None,
        ("detector", f"{detector.rows} x {detector.columns} pixels, guard ring of {detector.guard_ring}"),
        ("samples", f"{detector.sample_bits} bits"),
        ("kernel", f"{detector.kernel_size} x {detector.kernel_size}, {detector.convolution.name.lower()}"),
        None,
        ("multipliers", build.multipliers),
        ("packet buffer", f"{build.buffer_bytes} bytes, {build.rows_per_packet} rows a packet"),
        *((name, "yes" if there else "no") for name, there in memories.items()),
        None,
        ("state", ", ".join(told.state) or "idle"),
        ("settings taken over", told.generation),
        ("image_id", told.image_id),
        *((name.replace("_", " "), value) for name, value in plain(told.counters).items()),
        None,
        ("link", f"{told.baudrate:.0f} baud where it is a UART, {told.uart_divisor} ticks a bit"),
    )
    made = Table(title=told.url, title_justify="left", show_header=False)
    for row in groups:
        if row is None:
            made.add_section()
        else:
            made.add_row(row[0], str(row[1]))
    return made


def doctor(
    url: DeviceUrl = "",
    seconds: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds of the link test; 0 leaves it out.")
    ] = examination.LINK_SECONDS,
    rule: Annotated[
        bool, typer.Option("--udev-rule", help="Print the udev rule for the known boards, and nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check machine, port, board and link; each failure comes with its fix.

    Settings stay as they are; a series under way is ended by the link test. Exit code 1: a check failed, 3: no device,
    5: version mismatch; warnings leave it 0.
    """
    if rule:
        emit({"path": udev.RULE_PATH, "text": udev.rule()}, as_json)
        if not as_json:
            print(udev.rule(), end="")  # as it is: a console would break its lines
        return
    checks = []
    with errors.status("checking ...") as status:
        for check in examination.examine(url or None, seconds=seconds):
            checks.append(check)
            status.update(f"{check.name}: {check.status.value}")
    code = _code(checks)
    payload = {
        "device": url or None,
        "checks": [
            {"name": one.name, "status": one.status.value, "found": one.found, "fix": one.fix or None} for one in checks
        ],
        "exit_code": int(code),
    }
    emit(payload, as_json, _checks(checks))
    if not as_json:
        for fix in _fixes(checks):
            console.print(fix, soft_wrap=True)
        console.print(_summary(checks), highlight=False)
    leave(code)


def _code(checks: list[Check]) -> Exit:
    """Of the failures the one that tells most."""
    codes = [exit_code(one.error) if one.error else Exit.FAILURE for one in checks if one.status is Status.FAIL]
    return max(codes, key=[Exit.FAILURE, Exit.INCOMPLETE, Exit.NO_DEVICE, Exit.MISMATCH].index, default=Exit.OK)


def _checks(checks: list[Check]) -> Table:
    made = Table("", "check", "found")
    # What follows from one failure is one line.
    for (status, found), alike in groupby(checks, lambda one: (one.status, one.found)):
        names = ", ".join(one.name for one in alike)
        made.add_row(Text(status.value, _STYLE[status]), names, Text(found, "dim" if status is Status.SKIPPED else ""))
    return made


def _fixes(checks: list[Check]) -> list[Text]:
    """Outside the table, in lines as long as they are: a command can be copied. What was skipped needs none now."""
    shown = []
    for one in checks:
        if one.fix and one.status in (Status.WARN, Status.FAIL):
            lines = one.fix.replace("\n", "\n    ")
            shown.append(Text.assemble((f"\n{one.status.value} {one.name}", _STYLE[one.status]), f"\n    {lines}"))
    return shown


def _summary(checks: list[Check]) -> str:
    count = {each: sum(one.status is each for one in checks) for each in Status}
    return "\n" + ", ".join(f"{number} {each.value}" for each, number in count.items() if number)


def _boards(incomplete: str) -> list[str]:
    return [name for name in programmer.TARGETS if name.startswith(incomplete)]


def program(
    bitstream: Annotated[Path, typer.Argument(help="The bitstream, such as out/bitstreams/icebreaker/icebreaker.bin.")],
    board: Annotated[str, typer.Option(help=f"One of {', '.join(programmer.TARGETS)}.", autocompletion=_boards)],
    flash: Annotated[
        bool,
        typer.Option("--flash", help="Into the board's flash, where it stays. The iCEBreaker's goes there always."),
    ] = False,
    url: DeviceUrl = "",
    as_json: Json = False,
) -> None:
    """Load a bitstream into a board by openFPGALoader or iceprog; with --device, see that the board then answers."""
    if board not in programmer.TARGETS:
        raise typer.BadParameter(f"there is no board {board!r}; there are: {', '.join(programmer.TARGETS)}")
    done = programmer.program(bitstream, board, flash=flash, say=lambda text: print(text, file=sys.stderr, flush=True))
    told = None
    if url:
        with programmer.reopen(url) as device:
            told = information(device)
    lines = [f"loaded into the {'flash' if done.memory is programmer.Memory.FLASH else 'FPGA'} of the board {board}"]
    if told:
        lines.append(f"{url} answers: protocol {told.identity.protocol_version}, up for {told.uptime:.1f} s")
    emit({**plain(done), "device": told}, as_json, *lines)
