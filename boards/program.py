"""Loads a bitstream that was built here into its board; how, `edgeray.programmer` knows."""

from pathlib import Path

from boards.board import Board
from boards.build import OUT, bitstream
from boards.flows import BuildError
from edgeray.programmer import ProgrammingError
from edgeray.programmer import program as load


def program(board: Board, out: Path = OUT) -> None:
    """Load the bitstream of `out`.

    Raises
    ------
    BuildError : it was not built, no program is installed, or the program failed; the message says what to do.
    """
    product = bitstream(board, out)
    if not product.exists():
        raise BuildError(f"{product} is not there: run `make bitstream BOARD={board.name}` first")
    try:
        load(product, board.name, say=lambda text: print(text, flush=True))
    except ProgrammingError as error:
        raise BuildError(str(error)) from None
