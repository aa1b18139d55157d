"""`python -m sim.specification FILE` writes the page; a test compares the one in `docs/` with this text."""

import sys
from pathlib import Path

from sim.specification.page import page


def main(arguments: list[str]) -> int:
    """Write the page to the file named in `arguments`; 2 where none is."""
    if len(arguments) != 1:
        print("usage: python -m sim.specification FILE", file=sys.stderr)
        return 2
    Path(arguments[0]).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
