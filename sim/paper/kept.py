"""Item 2: kept pixels by the paper's count and by true bits on the wire, on radiographs and on a folder of images."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sim.paper.charts import BLUE, GREEN, GREY, RED, canvas, png
from sim.paper.compression import Compression
from sim.paper.folder import Survey
from sim.paper.page import Finding, Part, Picture, Rows

TITLE = "2. Kept pixels, and bits on the wire"
PAPER_MEAN = 58.8
"""Per cent: mean over all images of GDXray+."""
GDXRAY_IMAGES = 20_966
MOST_ROWS = 40
"""Of a table on the page; the CSV file has all."""
MEASURES = {
    "kept": "kept, paper's count",
    "wire_paper": "bits of these",
    "kept_edges": "edges of both signs",
    "wire_edges": "bits of these",
    "kept_log": "kept with LoG",
    "wire_whole": "bits of the whole image",
}


def kept(radiographs: Mapping[str, Compression], survey: Survey | None, folder: Path | None) -> Part:
    """The radiographs that are always there, and the folder where the user named one."""
    text = [
        "A pixel that is kept is not a pixel's worth of bits. Left: the paper's count, Laplacian of weights +8 and -1, "
        "clipped to 0 .. 255, 1 or more. Beside it the bits that a link carries for exactly these pixels, packets and "
        "CRCs included, over the 8 bits a pixel of the raw image; the same for edges of both signs of one grey level "
        "or more (kernel divided by 8); and for the whole image, sent by the same coder without loss.",
        "A count near one half says little of the data: on both radiographs the whole image, without loss, takes fewer "
        "bits than the positive responses that the paper keeps.",
    ]
    depends = "the images: the paper's are those of GDXray+"
    findings = []
    for name, one in radiographs.items():
        findings.append(Finding(f"{name}: kept by the paper's count", 100 * one.kept, PAPER_MEAN, "%", depends))
        findings.append(Finding(f"{name}: bits on the wire of these pixels", 100 * one.wire_paper, None, "%"))
        findings.append(Finding(f"{name}: bits on the wire of the whole image", 100 * one.wire_whole, None, "%"))
    tables = [_table("Radiographs of pydicom-data, per cent", radiographs)]
    pictures = []
    if survey is not None and folder is not None:
        results = survey.results
        text.append(_sentence(survey, folder))
        if results:
            whole = len(results) == GDXRAY_IMAGES
            mean = 100 * float(np.mean([one.kept for one in results.values()]))
            findings.append(
                Finding(
                    f"{folder.name}: mean kept of {len(results)} images",
                    mean,
                    PAPER_MEAN,
                    "%",
                    "" if whole else depends,
                )
            )
            bits = 100 * float(np.mean([one.wire_paper for one in results.values()]))
            findings.append(Finding(f"{folder.name}: mean bits on the wire of these pixels", bits, None, "%"))
            groups = _groups(results)
            if len(groups) > 1:
                tables.append(Rows("Means of the folders in it, per cent", ["folder", "images", *_heads()], groups))
            tables.append(_table(f"{folder.name}, per cent", results))
            pictures.append(_histogram(results, folder.name))
        if survey.skipped:
            rows = [[name, why] for name, why in list(survey.skipped.items())[:MOST_ROWS]]
            tables.append(Rows(f"Skipped files ({len(survey.skipped)})", ["file", "why"], rows))
    if not pictures:
        pictures.append(_bars(radiographs))
    return Part(TITLE, text, findings, pictures, tables)


def save_csv(path: Path, results: Mapping[str, Compression]) -> None:
    """Write one line an image: its name, its size, and the parts (0 to 1, or more) as `Compression` names them."""
    names = list(asdict(next(iter(results.values()))))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *names])
        for image, one in results.items():
            writer.writerow([image, *(f"{value:.6g}" if isinstance(value, float) else value for value in _values(one))])


def _values(one: Compression) -> Iterable[float | int]:
    return asdict(one).values()


def _heads() -> list[str]:
    return list(MEASURES.values())


def _cells(results: Iterable[Compression]) -> list[str]:
    some = list(results)
    return [f"{100 * np.mean([getattr(one, name) for one in some]):.1f}" for name in MEASURES]


def _table(heading: str, results: Mapping[str, Compression]) -> Rows:
    rows = [[name, f"{one.rows} x {one.columns}", *_cells([one])] for name, one in list(results.items())[:MOST_ROWS]]
    if len(results) > MOST_ROWS:
        heading += f" (the first {MOST_ROWS} of {len(results)}; kept.csv has all)"
    return Rows(heading, ["image", "pixels", *_heads()], rows)


def _groups(results: Mapping[str, Compression]) -> list[list[str]]:
    groups = defaultdict(list)
    for name, one in results.items():
        groups[name.partition("/")[0] if "/" in name else "."].append(one)
    return [[name, str(len(some)), *_cells(some)] for name, some in sorted(groups.items())]


def _sentence(survey: Survey, folder: Path) -> str:
    said = f"{folder}: {len(survey.results)} images measured"
    said += f", {survey.reused} of the files by an earlier run" if survey.reused else ""
    said += f"; {len(survey.skipped)} files skipped, named below" if survey.skipped else ""
    return said + (f"; {survey.others} files of other kinds left alone." if survey.others else ".")


def _histogram(results: Mapping[str, Compression], name: str) -> Picture:
    figure, (left, right) = canvas(1, 2)
    for axes, names, title in (
        (left, (("kept", BLUE), ("kept_edges", GREEN)), "pixels kept"),
        (right, (("wire_paper", BLUE), ("wire_edges", GREEN), ("wire_whole", GREY)), "bits on the wire"),
    ):
        values = {each: 100 * np.array([getattr(one, each) for one in results.values()]) for each, _ in names}
        top = max(100.0, max(float(each.max()) for each in values.values()))
        bins = np.linspace(0, top, 51)
        for each, colour in names:
            label = f"{_label(each)}: mean {values[each].mean():.1f} %"
            axes.hist(values[each], bins=list(bins), histtype="step", color=colour, linewidth=1.6, label=label)
        axes.set(xlabel=f"{title} (% of the raw image)", ylabel="images", title=f"{title}, {name}")
        if axes is left:
            axes.axvline(PAPER_MEAN, color=RED, linestyle="--", label=f"paper, GDXray+: mean {PAPER_MEAN} %")
        axes.legend(fontsize=8)
    return Picture("kept", png(figure), f"Parts kept and sent of {len(results)} images.")


def _label(name: str) -> str:
    return {
        "kept": "paper's count",
        "kept_edges": "edges of both signs",
        "wire_paper": "paper's pixels",
        "wire_edges": "edges of both signs",
        "wire_whole": "whole image, lossless",
    }[name]


def _bars(results: Mapping[str, Compression]) -> Picture:
    names = [("kept", BLUE), ("wire_paper", "#8fb4dd"), ("kept_edges", GREEN), ("wire_edges", "#9fcfae")]
    names += [("wire_whole", GREY)]
    labels = ["paper's count", "bits of these pixels", "edges of both signs", "bits of these", "whole image, lossless"]
    figure, (axes,) = canvas(1, 1, height=3.6)
    width = 0.8 / len(names)
    for place, ((each, colour), label) in enumerate(zip(names, labels, strict=True)):
        values = [100 * getattr(one, each) for one in results.values()]
        bars = axes.bar(
            np.arange(len(values)) + (place - len(names) / 2 + 0.5) * width, values, width, color=colour, label=label
        )
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.axhline(
        PAPER_MEAN, color=RED, linestyle="--", linewidth=1, label=f"paper's count, mean of GDXray+: {PAPER_MEAN} %"
    )
    axes.set_xticks(range(len(results)), list(results))
    axes.set(ylabel="% of the raw image", ylim=(0, 100))
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return Picture("kept", png(figure), "Pixels kept and bits sent, two radiographs of pydicom-data.")
