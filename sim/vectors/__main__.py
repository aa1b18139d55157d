"""`python -m sim.vectors FOLDER` writes the vectors; a test compares those in `tests/vectors` with them."""

import sys
from pathlib import Path

from sim.vectors.folder import files


def main(arguments: list[str]) -> int:
    """Write the vectors into the folder named in `arguments` and remove old ones; 2 where none is named."""
    if len(arguments) != 1:
        print("usage: python -m sim.vectors FOLDER", file=sys.stderr)
        return 2
    folder, contents = Path(arguments[0]), files()
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.bin"), *folder.glob("*.json")):
        if old.name not in contents:
            old.unlink()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
