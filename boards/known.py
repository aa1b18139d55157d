"""The boards that there are."""

from boards import ice40_hx8k, icebreaker, tang_nano_9k, ulx3s
from boards.board import Board

BOARDS = {
    board.name: board for board in (icebreaker.BOARD, ice40_hx8k.BOARD, ulx3s.BOARD, ulx3s.PARALLEL, tang_nano_9k.BOARD)
}


class UnknownBoard(KeyError):
    """A name that no board has; the message lists those that there are."""

    def __str__(self) -> str:
        return f"there is no board {self.args[0]!r}; there are: {', '.join(BOARDS)}"


def find(name: str) -> Board:
    """The board of that name. Raises UnknownBoard."""
    if name not in BOARDS:
        raise UnknownBoard(name)
    return BOARDS[name]
