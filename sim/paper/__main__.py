"""`python -m sim.paper`: every result of the paper again, on one page; `make paper` runs it."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from edgeray.errors import EdgerayError
from sim.bench.scenes import radiographs
from sim.command import ended
from sim.detector.errors import MaterialError
from sim.detector.material import Material, load
from sim.paper import blade, ct, device, gallery, kept, reticle, sensitivity, twin_on_board
from sim.paper.compression import Compression, Levels, grey_levels, measure
from sim.paper.folder import Survey, survey
from sim.paper.gallery import EXAMPLE
from sim.paper.page import Part, save_page
from sim.scenes import Image, SceneError, read_image
from sim.virtual_board import BoardError, BuildError

TITLE = "In-X-ray-detector computing, again"
INTRODUCTION = (
    "The figures of “In-X-ray-detector computing with a CsPbBr3 single-crystal detector”, computed again with "
    "edgeray's detector twin, golden model and gateware. Beside each stands the paper's number. A figure that hangs on "
    "something the paper does not give, such as the filter of its tube or the dose of its images, says so: agreement "
    "there would mean little.",
)


def run(out: Path, images: Path | None, material: Material, console: Console) -> Path:
    """Compute every part and write the page; returns its path.

    A part that the material's record has not all numbers for is left out, and the page says which one is missing.

    Raises SceneError, PaperError (`images` is no folder with images), BuildError, BoardError, EdgerayError, OSError.
    """
    parts: list[Part] = []

    def add(title: str, make: Callable[[], Part]) -> None:
        begin = time.perf_counter()
        try:
            parts.append(make())
        except MaterialError as error:
            parts.append(Part(title, [f"Left out: {error}"]))
        console.print(f"{parts[-1].title}: {time.perf_counter() - begin:.0f} s", highlight=False)

    shown = dict(radiographs())
    folder = survey(images, out / "kept-journal.jsonl", console) if images else None
    measured = {name: measure(image) for name, image in shown.items()}
    kept.save_csv(out / "kept.csv", {**measured, **(folder.results if folder else {})})
    add(gallery.TITLE, lambda: gallery.gallery(*_example(images, folder, shown)))
    add(kept.TITLE, lambda: kept.kept(measured, folder, images))
    add(blade.TITLE, lambda: blade.blade_edge(material))
    add(reticle.TITLE, lambda: reticle.reticle(material))
    add(device.TITLE, lambda: device.device(material))
    add(sensitivity.TITLE, lambda: sensitivity.sensitivities(material))
    add(ct.TITLE, lambda: ct.ct(_parts_sent(measured, folder)))
    add(twin_on_board.TITLE, lambda: twin_on_board.board(material, shown["RG3"]))
    return save_page(out, TITLE, INTRODUCTION, parts)


def _example(images: Path | None, folder: Survey | None, shown: dict[str, Image]) -> tuple[str, Levels]:
    """The paper's own example, where the folder has it; else the leg."""
    for name in folder.results if folder else ():
        if Path(name).stem == EXAMPLE and images is not None:
            return Path(name).stem, grey_levels(read_image(images / name))
    return "RG3", grey_levels(shown["RG3"])


def _parts_sent(measured: dict[str, Compression], folder: Survey | None) -> dict[str, float]:
    """Bits on the wire over raw bits: edges of both signs, and whole images, of all that was measured."""
    some = list((folder.results if folder and folder.results else measured).values())
    what = "folder" if folder and folder.results else "radiographs"
    return {
        f"bits of edges on the wire, {what}": sum(one.wire_edges for one in some) / len(some),
        f"lossless whole images, {what}": sum(one.wire_whole for one in some) / len(some),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 and one sentence on what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m sim.paper", description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None, help="a folder of images too")
    parser.add_argument("--material", default="cspbbr3", help="a record's name, or a TOML file (cspbbr3)")
    parser.add_argument("--out", type=Path, default=Path("out/paper"), help="folder of the page (out/paper)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 110)

    def written() -> None:
        options.out.mkdir(parents=True, exist_ok=True)
        console.print(f"{run(options.out, options.images, load(options.material), console)}")

    return ended(
        "paper",
        written,
        failures=(SceneError, EdgerayError, BuildError, BoardError),
        interrupted="images that were measured are not measured again",
    )


if __name__ == "__main__":
    sys.exit(main())
