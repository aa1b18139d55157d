"""`python -m sim.virtual_board`: builds the virtual board where needed, shows it an image and becomes its process."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from edgeray.errors import MosaicError
from edgeray.mosaic import Mosaic
from edgeray.protocol.detector import GeometryError
from hdl.params import Params
from sim.roic import Roic
from sim.scenes import SceneError, radiograph, read_image, to_codes
from sim.virtual_board.build import BuildError, build
from sim.virtual_board.samples import encode

NUMBERS = ("rows", "columns", "guard_ring", "sample_bits", "kernel_size", "multipliers", "adc_latency")


class UsageError(ValueError):
    """Arguments that contradict each other, or a board that there is not."""


def _params(board: str | None, numbers: dict[str, int]) -> Params:
    """Parameters of the gateware of a board of ours, or those that `numbers` change of the default.

    Raises UsageError for a board that there is not, or both; GeometryError.
    """
    if board is None:
        return Params(**numbers)  # type: ignore[arg-type]
    if numbers:
        raise UsageError(f"the board {board} has its own {', '.join(numbers)}; leave either out")
    try:
        from boards.known import UnknownBoard, find
    except ImportError as error:
        raise UsageError(f"--board needs the package {error.name}: pip install --editable '.[test]'") from None
    try:
        return find(board).params
    except UnknownBoard as error:
        raise UsageError(str(error)) from None


def main() -> int:
    """Ends with the exit code of the board's process, 1 where it could not be made or has nothing to show."""
    default = Params()
    parser = argparse.ArgumentParser(
        prog="python -m sim.virtual_board",
        description="A board in a process: the compiled gateware behind a TCP port or a pseudo-terminal. "
        "Frame n shows window n of the image; the gateware of a named board shows what is uploaded to it, like a bare "
        "one. Ends with its client or on Ctrl-C.",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--image", type=Path, help="PNG, TIFF, DICOM or .npy (default: a real radiograph)")
    shown.add_argument("--samples", type=Path, help="samples as sim/virtual_board/samples.py writes them")
    parser.add_argument("--board", metavar="NAME", help="gateware of this board (see boards/), bare: no detector")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--scene-port", type=int, default=0, help="TCP port that takes scenes (default: any free one)")
    parser.add_argument("--pty", action="store_true", help="serve a pseudo-terminal instead of a TCP port")
    parser.add_argument("--keep", action="store_true", help="serve the next client when one has gone")
    for name in NUMBERS:
        value = getattr(default, name)
        parser.add_argument("--" + name.replace("_", "-"), type=int, help=f"of the gateware ({value})")
    arguments = parser.parse_args()
    try:
        given = {name: getattr(arguments, name) for name in NUMBERS if getattr(arguments, name) is not None}
        params = _params(arguments.board, given)
        is_bare = arguments.board is not None and arguments.image is None
        if arguments.samples is None and not is_bare:
            codes = to_codes(read_image(arguments.image or radiograph()), params.sample_bits)
            mosaic = Mosaic(codes.shape, params, params.radius)
            samples = encode(Roic(sample_bits=params.sample_bits).scan(mosaic, codes))
        program = build(params, say=lambda text: print(text, file=sys.stderr, flush=True))
    except (BuildError, GeometryError, MosaicError, SceneError, UsageError) as error:
        print(f"virtual board: {error}", file=sys.stderr)
        return 1
    scene: list[str] = []
    if arguments.samples is not None:
        scene = ["--samples", str(arguments.samples)]
    elif not is_bare:
        # An open file without a name: it goes with the process.
        with tempfile.TemporaryFile() as file:
            file.write(samples)
            file.flush()
            descriptor = os.dup(file.fileno())
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.set_inheritable(descriptor, True)
        scene = ["--samples", f"/dev/fd/{descriptor}"]
    ports = ["--port", str(arguments.port), "--scene-port", str(arguments.scene_port)]
    switches = ["--pty"] * arguments.pty + ["--keep"] * arguments.keep
    os.execv(program, [str(program), *scene, *ports, *switches])


if __name__ == "__main__":
    sys.exit(main())
