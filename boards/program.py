"""Loads a bitstream into a board, with whichever of its programs is installed."""

import shutil
import subprocess
from pathlib import Path

from boards.board import Board
from boards.build import OUT, bitstream
from boards.flows import BuildError

SOURCES = {
    "openFPGALoader": "openFPGALoader: `apt-get install openfpgaloader`, `brew install openfpgaloader`, or "
    "https://trabucayre.github.io/openFPGALoader/guide/install.html",
    "iceprog": "iceprog: `apt-get install fpga-icestorm`, `brew install icestorm`, or https://github.com/YosysHQ/icestorm",
}
"""Where each program comes from."""


def commands(board: Board, product: Path) -> list[list[str]]:
    """What loads a bitstream, the preferred program first."""
    return [[word.format(bitstream=product) for word in command] for command in board.program]


def program(board: Board, out: Path = OUT) -> None:
    """Load the bitstream of `out`.

    Raises
    ------
    BuildError : it was not built, no program is installed, or the program failed; the message says what to do.
    """
    product = bitstream(board, out)
    if not product.exists():
        raise BuildError(f"{product} is not there: run `make bitstream BOARD={board.name}` first")
    possible = commands(board, product)
    for command in possible:
        if shutil.which(command[0]):
            print(" ".join(command), flush=True)
            if code := subprocess.run(command, check=False).returncode:
                raise BuildError(f"{command[0]} ended with exit code {code}; is the board connected, may you open it?")
            return
    raise BuildError(
        "no program that loads this board is installed. One of these does:\n"
        + "\n".join(f"  {SOURCES[command[0]]}\n    {' '.join(command)}" for command in possible)
    )
