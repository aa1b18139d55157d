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


def main() -> int:
    """Ends with the exit code of the board's process, 1 where it could not be made or has nothing to show."""
    default = Params()
    parser = argparse.ArgumentParser(
        prog="python -m sim.virtual_board",
        description="A board in a process: the compiled gateware behind a TCP port or a pseudo-terminal. "
        "Frame n shows window n of the image. Ends with its client or on Ctrl-C.",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--image", type=Path, help="PNG, TIFF, DICOM or .npy (default: a real radiograph)")
    shown.add_argument("--samples", type=Path, help="samples as sim/virtual_board/samples.py writes them")
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--scene-port", type=int, default=0, help="TCP port that takes scenes (default: any free one)")
    parser.add_argument("--pty", action="store_true", help="serve a pseudo-terminal instead of a TCP port")
    parser.add_argument("--keep", action="store_true", help="serve the next client when one has gone")
    for name in NUMBERS:
        value = getattr(default, name)
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value, help=f"of the gateware ({value})")
    arguments = parser.parse_args()
    try:
        params = Params(**{name: getattr(arguments, name) for name in NUMBERS})
        if arguments.samples is None:
            codes = to_codes(read_image(arguments.image or radiograph()), params.sample_bits)
            mosaic = Mosaic(codes.shape, params, params.radius)
            samples = encode(Roic(sample_bits=params.sample_bits).scan(mosaic, codes))
        program = build(params, say=lambda text: print(text, file=sys.stderr, flush=True))
    except (BuildError, GeometryError, MosaicError, SceneError) as error:
        print(f"virtual board: {error}", file=sys.stderr)
        return 1
    if arguments.samples is None:
        # An open file without a name: it goes with the process.
        with tempfile.TemporaryFile() as file:
            file.write(samples)
            file.flush()
            descriptor = os.dup(file.fileno())
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.set_inheritable(descriptor, True)
        path = f"/dev/fd/{descriptor}"
    else:
        path = str(arguments.samples)
    ports = ["--port", str(arguments.port), "--scene-port", str(arguments.scene_port)]
    switches = ["--pty"] * arguments.pty + ["--keep"] * arguments.keep
    os.execv(program, [str(program), "--samples", path, *ports, *switches])


if __name__ == "__main__":
    sys.exit(main())
