"""Bitstreams into boards: which FPGA a file is for, and which program loads it.

    file -> identify -> fits the board? -> openFPGALoader or iceprog -> board

No tool that builds bitstreams is needed, and none of this for measuring with a board that has its bitstream.
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edgeray.device import Device
from edgeray.errors import EdgerayError, NoDeviceError

TOOLS = {
    "openFPGALoader": "openFPGALoader: `apt-get install openfpgaloader`, `brew install openfpgaloader`, or "
    "https://trabucayre.github.io/openFPGALoader/guide/install.html",
    "iceprog": "iceprog: `apt-get install fpga-icestorm`, `brew install icestorm`, or https://github.com/YosysHQ/icestorm",
}
"""Where each program comes from."""

LARGEST = 64 << 20
"""Bytes of a file that may be a bitstream. Those of our boards are under 20 MB, Gowin's text included."""
_HEAD = 8192
"""Bytes in which a bitstream has said what it is for."""
START_SECONDS = 8.0
"""Within this time a board that was loaded answers: USB may come up again, then the FPGA loads itself."""
_RETRY = 0.3


class ProgrammingError(EdgerayError):
    """A bitstream that cannot be loaded: wrong file, no program, or a program that failed."""


class Memory(Enum):
    """Where a bitstream goes: VOLATILE, the FPGA itself, is empty after power-off; FLASH keeps it."""

    VOLATILE = "volatile"
    FLASH = "flash"


Commands = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Target:
    """A board that can be programmed.

    part : what `identify` must say of its bitstreams.
    volatile, flash : commands that load one, `{bitstream}` stands for it; the first that is installed is used. No
        command: not on this board as it is delivered.
    note : what has to be set on the board by hand.
    """

    title: str
    part: str
    volatile: Commands
    flash: Commands
    note: str = ""

    def commands(self, memory: Memory, bitstream: Path) -> list[list[str]]:
        """What loads `bitstream`, the preferred program first."""
        chosen = self.volatile if memory is Memory.VOLATILE else self.flash
        return [[word.format(bitstream=bitstream) for word in command] for command in chosen]


def _loader(board: str) -> tuple[Commands, Commands]:
    return (("openFPGALoader", "-b", board, "{bitstream}"),), (("openFPGALoader", "-b", board, "-f", "{bitstream}"),)


_ICE40_VOLATILE, _ICE40_FLASH = _loader("ice40_generic")

TARGETS: dict[str, Target] = {
    "icebreaker": Target("iCEBreaker", "iCE40 UP5K", (), (("iceprog", "{bitstream}"), *_ICE40_FLASH)),
    "ice40_hx8k": Target(
        "iCE40-HX8K breakout board",
        "iCE40 HX8K",
        (("iceprog", "-S", "{bitstream}"), *_ICE40_VOLATILE),
        (("iceprog", "{bitstream}"), *_ICE40_FLASH),
        "its jumpers J6 and J7 choose between flash and the FPGA itself",
    ),
    "ulx3s": Target("ULX3S 85F", "ECP5 LFE5U-85F", *_loader("ulx3s")),
    "ulx3s_parallel": Target("ULX3S 85F with a parallel converter", "ECP5 LFE5U-85F", *_loader("ulx3s")),
    "tang_nano_9k": Target("Tang Nano 9K", "Gowin GW1N-9C", *_loader("tangnano9k")),
}
"""The boards of `boards/`, by the names that they have there."""


@dataclass(frozen=True)
class Programmed:
    """What was loaded: the board's name, the command that did it, where to, and the SHA-256 of the bitstream."""

    board: str
    command: tuple[str, ...]
    memory: Memory
    sha256: str


def target(name: str) -> Target:
    """The board of that name. Raises ProgrammingError with the names that there are."""
    if name not in TARGETS:
        raise ProgrammingError(f"there is no board {name!r}; there are: {', '.join(TARGETS)}")
    return TARGETS[name]


_ICE40_PREAMBLE = b"\x7e\xaa\x99\x7e"
_ICE40_WIDTHS = {691: "UP5K", 871: "HX8K"}
"""Columns of a configuration bank less one, as command 6 says them -> part."""
_ECP5_PREAMBLE = b"\xff\xff\xbd\xb3"
_ECP5_PARTS = {0x41111043: "LFE5U-25F", 0x41112043: "LFE5U-45F", 0x41113043: "LFE5U-85F"}
_GOWIN_PREAMBLE = "1010010111000011"
_GOWIN_PARTS = {0x1100581B: "GW1N-9", 0x1100481B: "GW1N-9C"}


def identify(head: bytes) -> str | None:
    """Family and part that a bitstream is for, such as "iCE40 UP5K", from its first bytes; None: no bitstream.

    A part that is none of our boards' is given by its number.
    """
    return _ice40(head) or _ecp5(head) or _gowin(head)


def _ice40(head: bytes) -> str | None:
    """icepack's format: FF 00, comments, 00 FF, the preamble, then commands (length in the low half of the opcode)."""
    at = head.find(_ICE40_PREAMBLE)
    if at < 0:
        return None
    at += len(_ICE40_PREAMBLE)
    while at < len(head):
        code, count = head[at] >> 4, head[at] & 15
        value = int.from_bytes(head[at + 1 : at + 1 + count], "big")
        if code == 6:
            return f"iCE40 {_ICE40_WIDTHS.get(value, f'with banks of {value + 1} columns')}"
        if code == 0 and value == 1:  # what follows are data
            break
        at += 1 + count
    return "iCE40"


def _ecp5(head: bytes) -> str | None:
    """FF 00, comments, the preamble, then commands; VERIFY_ID is E2 00 00 00 and the IDCODE."""
    at = head.find(_ECP5_PREAMBLE)
    if not head.startswith(b"\xff\x00") or at < 0:
        return None
    found = re.search(rb"\xe2\0\0\0(....)", head[at : at + 64], re.DOTALL)
    number = int.from_bytes(found[1], "big") if found else 0
    return f"ECP5 {_ECP5_PARTS.get(number, f'with IDCODE {number:#010x}')}"


def _gowin(head: bytes) -> str | None:
    """Text: comments after //, then lines of binary digits; 06 00 00 00 and the IDCODE follow the preamble."""
    lines = [line.strip() for line in head.decode("ascii", errors="replace").splitlines()]
    digits = [line for line in lines if line and not line.startswith("//")]
    if _GOWIN_PREAMBLE not in digits or any(set(line) - {"0", "1"} for line in digits[:-1]):
        return None
    for line in digits[digits.index(_GOWIN_PREAMBLE) + 1 :]:
        if len(line) == 64 and int(line[:32], 2) == 0x06000000:
            number = int(line[32:], 2)
            return f"Gowin {_GOWIN_PARTS.get(number, f'with IDCODE {number:#010x}')}"
    return "Gowin"


def check(bitstream: Path, name: str) -> str:
    """SHA-256 of `bitstream`, a file for the FPGA of the board `name`.

    Raises ProgrammingError where it cannot be read, is no bitstream, or is one for another FPGA.
    """
    wanted = target(name)
    try:
        size = bitstream.stat().st_size
        data = bitstream.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise ProgrammingError(f"cannot read {bitstream}: {error.strerror}") from None
    found = identify(data[:_HEAD])
    if found is None:
        raise ProgrammingError(
            f"{bitstream} is no bitstream of an iCE40, ECP5 or Gowin FPGA; the {wanted.title} takes one for "
            f"{wanted.part}: `make bitstream BOARD={name}` builds it"
        )
    if found != wanted.part:
        raise ProgrammingError(f"{bitstream} is a bitstream for {found}; the {wanted.title} has {wanted.part}")
    return hashlib.sha256(data).hexdigest()


def program(
    bitstream: Path, name: str, *, flash: bool = False, say: Callable[[str], object] = lambda text: None
) -> Programmed:
    """Load `bitstream` into the board `name`: into its flash if asked, or where there is no other way.

    `say` is told the command before it runs; what that says goes to standard error.

    Raises ProgrammingError where the file does not fit, no program is installed, or the program failed.
    """
    wanted = target(name)
    sha256 = check(bitstream, name)
    memory = Memory.FLASH if flash or not wanted.volatile else Memory.VOLATILE
    possible = wanted.commands(memory, bitstream)
    command = next((one for one in possible if shutil.which(one[0])), None)
    if command is None:
        raise ProgrammingError(
            "no program that loads this board is installed. One of these does:\n"
            + "\n".join(f"  {TOOLS[one[0]]}\n    {' '.join(one)}" for one in possible)
        )
    say(" ".join(command))
    try:
        ended = subprocess.run(command, stdout=2, check=False).returncode
    except OSError as error:
        raise ProgrammingError(f"{command[0]} does not start: {error.strerror}") from None
    if ended:
        note = f" On this board {wanted.note}." if wanted.note else ""
        raise ProgrammingError(
            f"{command[0]} ended with exit code {ended}; is the board connected, may you open it, does another program "
            f"have it open? `edgeray doctor` looks.{note}"
        )
    return Programmed(name, tuple(command), memory, sha256)


def reopen(url: str, seconds: float = START_SECONDS) -> Device:
    """The board at `url` as soon as it answers after programming.

    Raises NoDeviceError where it does not within `seconds`; VersionMismatch where the new bitstream is another version.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return Device(url, reply_timeout=_RETRY)
        except NoDeviceError:
            if time.monotonic() >= end:
                raise
        time.sleep(_RETRY)
