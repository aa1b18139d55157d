"""`python -m boards build NAME | all`, `again NAME`, `program NAME`, `docs [FOLDER]`, `list`.

Exit codes: 0; 1 where a bitstream cannot be built or loaded, or differs; 2 for a board that does not exist.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from boards import build, known, page, program
from boards.board import Board
from boards.flows import BuildError

EVERY = "all"
PAGES = build.ROOT / "docs" / "boards"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m boards", description="Bitstreams of the boards that there are.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("build", "build a bitstream and the report on it, in out/bitstreams/NAME"),
        ("again", "build once more, elsewhere, and compare with out/bitstreams/NAME"),
        ("program", "load a bitstream into a board"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("board", help=f"one of {', '.join(known.BOARDS)}" + f", or {EVERY}" * (name != "program"))
    actions.add_parser("docs", help="write the pages again").add_argument("folder", type=Path, nargs="?", default=PAGES)
    actions.add_parser("list", help="list the boards")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except known.UnknownBoard as error:
        print(error, file=sys.stderr)
        return 2
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        for board in known.BOARDS.values():
            print(f"{board.name:16} {board.flow.part:22} {board.title}")
    elif arguments.action == "docs":
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for board in known.BOARDS.values():
            (arguments.folder / f"{board.name}.md").write_text(page.page(board), encoding="utf-8")
    elif arguments.action == "program":
        program.program(known.find(arguments.board))
    else:
        is_every = arguments.board == EVERY
        chosen = list(known.BOARDS.values()) if is_every else [known.find(arguments.board)]
        return _each(chosen, _build if arguments.action == "build" else _again)
    return 0


def _each(boards: list[Board], action: Callable[[Board], str]) -> int:
    """Every board, also those after one that fails."""
    failed = 0
    for board in boards:
        started = time.monotonic()
        try:
            text = action(board)
        except BuildError as error:
            failed += 1
            print(f"FAIL {board.name}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"ok   {board.name}: {text}; {time.monotonic() - started:.0f} s", flush=True)
    return 1 if failed else 0


def _build(board: Board) -> str:
    result = build.build(board)
    clock = result.clocks[0]
    logic = result.cells[board.flow.logic]
    return (
        f"{clock.achieved:.1f} MHz of {clock.constraint:.4g}, {logic.used} of {logic.available} {board.flow.logic}, "
        f"out/bitstreams/{board.name}/{result.bitstream}"
    )


def _again(board: Board) -> str:
    """Build into another folder; BuildError where a byte differs."""
    before = build.bitstream(board)
    if not before.exists():
        raise BuildError(f"{before} is not there: run `make bitstream BOARD={board.name}` first")
    work, out = build.WORK / "again", build.WORK / "again" / "out"
    build.build(board, work, out)
    if build.bitstream(board, out).read_bytes() != before.read_bytes():
        raise BuildError(f"{build.bitstream(board, out)} differs from {before}")
    return "the same bytes"


if __name__ == "__main__":
    sys.exit(main())
