"""Real bits on the wire: the golden encoder's packets against the kept fraction and against other formats.

scenes -> golden encoder, peers -> [wire] -> tables, out/bench/wire.json, out/bench/wire.png

Ours is everything that the link carries: headers, both CRCs, the payloads, and META with every frame of an image and
with every 16th of 32 x 32.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import ReadoutMode
from edgeray.protocol.settings import Settings
from sim.bench import peers
from sim.bench.figures import OUT, Figure, geometric_mean, save, show
from sim.bench.scenes import KERNEL, LEVELS, TILE, TILE_META_PERIOD, Scene, Size, scenes
from sim.golden import meta
from sim.golden.encode import Payload, payloads
from sim.golden.fixed_point import Mask
from sim.golden.frame import frame_packets

KEPT_TARGETS = {8: 0.75, 12: 0.85, 14: 0.85}
TILE_TARGET = 1.3
PEER_TARGETS = {
    "naive": 0.25,
    "EVT3": 0.42,
    "EVT3 camera": 0.42,
    "PNG": 0.80,
    "libaec": 0.88,
    "CharLS": 0.95,
    "JPEG-XL": 1.03,
}
RAW_TARGET = 1.10
WORST_TARGETS = {256: 0.5, TILE: 1.5}
"""Per cent over fixed width, by the side of a frame."""
TICK_RATE = 24_000_000


@dataclass(frozen=True)
class Row:
    """One series in one mode.

    Parameters
    ----------
    scene, size : its name; what it counts as.
    threshold : codes; 0 in raw mode.
    pixels, kept : of all frames.
    bits : ours, all of the link.
    peers : bits of each.
    """

    scene: str
    size: Size
    sample_bits: int
    threshold: int
    pixels: int
    kept: int
    bits: int
    peers: dict[str, int]

    @property
    def bits_per_pixel(self) -> float:
        return self.bits / self.pixels

    @property
    def to_kept(self) -> float:
        """Bits sent over bits of the kept pixels' samples: 1 would be the paper's count."""
        return self.bits / (self.kept * self.sample_bits) if self.kept else float("inf")

    def to_peer(self, name: str) -> float:
        return self.bits / self.peers[name]


def series_packets(values: npt.NDArray[np.integer], kept: Mask, *, detector: Detector, settings: Settings) -> bytes:
    """The packets of a series, values int[n, rows, columns] and kept bool of that shape, as the link carries them."""
    found = []
    for index, (frame, flags) in enumerate(zip(values, kept, strict=True)):
        sent = payloads(frame, flags, detector=detector, settings=settings)
        if index % settings.meta_period == 0:
            content = meta.payload(
                detector=detector,
                settings=settings,
                image_id=index,
                timestamp=0,
                tick_rate=TICK_RATE,
                counters=meta.Counters(),
            )
            sent.insert(0, Payload(PacketType.META, 0, False, content))
        found.append(frame_packets(sent, index, 1, detector))
    return b"".join(found)


def edge_row(scene: Scene, threshold: int) -> Row:
    """A scene in edge readout."""
    values, kept = scene.edges(threshold)
    sent = series_packets(values, kept, detector=scene.detector, settings=scene.settings(threshold))
    sample_bits = scene.detector.sample_bits
    others = peers.edge_bits(values, kept, sample_bits=sample_bits, threshold=threshold)
    return Row(scene.name, scene.size, sample_bits, threshold, kept.size, int(kept.sum()), 8 * len(sent), others)


def raw_row(scene: Scene) -> Row:
    """A scene in raw readout."""
    settings = replace(scene.settings(1), readout_mode=ReadoutMode.RAW)
    every = np.ones(scene.pixels.shape, np.bool_)
    sent = series_packets(scene.pixels, every, detector=scene.detector, settings=settings)
    size, others = scene.pixels.size, peers.raw_bits(scene.pixels)
    return Row(scene.name, scene.size, scene.detector.sample_bits, 0, size, size, 8 * len(sent), others)


def _measure(task: tuple[Scene, int]) -> Row:
    scene, threshold = task
    return edge_row(scene, threshold) if threshold else raw_row(scene)


@dataclass(frozen=True)
class Worst:
    """Per cent that a frame of the worst content takes over fixed width."""

    content: str
    side: int
    sample_bits: int
    mode: str
    excess: float


def worst_cases() -> Iterator[Worst]:
    """Noise over the full scale, and extremes in turn; every response kept."""
    rng = np.random.default_rng(1)
    for side in WORST_TARGETS:
        count, period = (TILE_META_PERIOD, TILE_META_PERIOD) if side == TILE else (1, 1)
        shape = (count, side, side)
        for sample_bits in KEPT_TARGETS:
            detector = Detector(rows=side, columns=side, guard_ring=0, sample_bits=sample_bits)
            top = detector.full_scale
            turns = np.broadcast_to((np.arange(side)[:, None] + np.arange(side)) % 2 == 1, shape)
            for mode, low in (("edge", -top), ("raw", 0)):
                readout = ReadoutMode.RAW if mode == "raw" else ReadoutMode.EDGE
                settings = Settings(kernel=KERNEL, edge_threshold=1, readout_mode=readout, meta_period=period)
                width = sample_bits if mode == "raw" else detector.response_bits
                for content, values in (
                    ("noise", rng.integers(low, top + 1, shape)),
                    ("extremes in turn", np.where(turns, top, low)),
                ):
                    sent = series_packets(values, values != 0, detector=detector, settings=settings)
                    yield Worst(content, side, sample_bits, mode, 100 * (8 * len(sent) / (values.size * width) - 1))


def figures(rows: Sequence[Row], worst: Sequence[Worst]) -> list[Figure]:
    """Every target of the wire, for thresholds of one grey level of 8 bits; the others are shown without.

    To kept it is the worst of a depth, to a peer the mean of large images.

    A peer that is absent has none.
    """
    found = []
    levels = LEVELS[0]
    edge = [row for row in rows if row.threshold == levels << (row.sample_bits - 8)]
    for size in (Size.LARGE, Size.TILE):
        for bits, large_target in KEPT_TARGETS.items():
            some = [row for row in edge if row.size == size and row.sample_bits == bits and row.kept]
            if some:
                most = max(some, key=lambda row: row.to_kept)
                name = f"{_threshold(levels)}: bits to kept, worst of {size}, {bits} bit ({most.scene})"
                found.append(Figure(name, most.to_kept, large_target if size == Size.LARGE else TILE_TARGET))
    found += _means(edge, PEER_TARGETS, _threshold(levels))
    found += _means([row for row in rows if not row.threshold], {"CharLS": RAW_TARGET}, "raw")
    for side, target in WORST_TARGETS.items():
        most_over = max((each for each in worst if each.side == side), key=lambda each: each.excess)
        content = f"{most_over.mode}, {most_over.sample_bits} bit, {most_over.content}"
        found.append(
            Figure(f"worst case {side}x{side}: per cent over fixed width ({content})", most_over.excess, target)
        )
    return found


def _means(rows: Sequence[Row], targets: Mapping[str, float], what: str) -> Iterator[Figure]:
    for peer, target in targets.items():
        ratios = [row.to_peer(peer) for row in rows if row.size == Size.LARGE and row.peers.get(peer)]
        if ratios:
            yield Figure(f"{what}: mean ratio to {peer}", geometric_mean(ratios), target)


def _threshold(levels: int) -> str:
    return f"T = {levels} grey level{'s' if levels > 1 else ''}"


def _table(title: str, rows: Sequence[Row]) -> Table:
    names = list(rows[0].peers)
    table = Table(title=title)
    table.add_column("scene")
    for name in ("T", "kept", "bit/px", "to kept", *names):
        table.add_column(name, justify="right")
    for row in rows:
        ratios = [f"{row.to_peer(name):.2f}" if row.peers[name] else "-" for name in names]
        threshold = str(row.threshold) if row.threshold else "raw"
        kept = row.kept / row.pixels
        table.add_row(row.scene, threshold, f"{kept:.3f}", f"{row.bits_per_pixel:.3f}", f"{row.to_kept:.2f}", *ratios)
    for levels in LEVELS if any(row.threshold for row in rows) else (0,):
        for kind in (Size.LARGE, Size.TILE):
            some = [row for row in rows if row.size == kind and row.threshold == levels << max(0, row.sample_bits - 8)]
            means = [[row.to_peer(name) for row in some if row.peers[name]] for name in names]
            if all(means):
                title = f"mean, {kind}" + (f", T {levels}" if levels else "")
                table.add_row(title, *[""] * 4, *(f"{geometric_mean(each):.2f}" for each in means), style="bold")
    return table


def _worst_table(worst: Sequence[Worst]) -> Table:
    table = Table(title="Worst case: per cent over fixed width, META included")
    for name in ("content", "frame", "bits", "mode", "%"):
        table.add_column(name)
    for each in worst:
        frame = f"{each.side}x{each.side}"
        table.add_row(each.content, frame, str(each.sample_bits), each.mode, f"{each.excess:.2f}")
    return table


def plot(rows: Sequence[Row], path: Path) -> None:
    """Left: what is sent against what is kept. Right: the ratio to every peer, the mean and the target."""
    from matplotlib.figure import Figure as Picture

    edge = [row for row in rows if row.threshold and row.kept]
    names = list(edge[0].peers)
    picture = Picture(figsize=(12, 5), layout="constrained")
    left, right = picture.subplots(1, 2)
    for name, marker in (("naive", "x"), ("EVT3", "+"), ("CharLS", "2")):
        some = [row for row in edge if name in row.peers]
        if some:
            left.scatter(
                [row.kept / row.pixels for row in some],
                [row.peers[name] / row.pixels / row.sample_bits for row in some],
                marker=marker, color="0.6", label=name,
            )  # fmt: skip
    for size, marker in zip(Size, "o^s", strict=True):
        some = [row for row in edge if row.size == size]
        if some:
            left.scatter(
                [row.kept / row.pixels for row in some],
                [row.bits_per_pixel / row.sample_bits for row in some],
                marker=marker, label=f"edgeray, {size}",
            )  # fmt: skip
    ends = np.array([min(row.kept / row.pixels for row in edge), 1])
    left.plot(ends, ends, "k-", linewidth=0.8, label="the kept pixels' samples alone")
    left.set(xscale="log", yscale="log", xlabel="kept pixels / pixels", ylabel="bits sent / bits of the raw image")
    left.legend(fontsize="small")
    for place, name in enumerate(names):
        ratios = [row.to_peer(name) for row in edge if row.size == Size.LARGE and row.peers.get(name)]
        right.scatter([place] * len(ratios), ratios, color="C0", s=12)
        right.plot([place - 0.3, place + 0.3], [geometric_mean(ratios)] * 2, color="C0")
        if name in PEER_TARGETS:
            right.plot([place - 0.3, place + 0.3], [PEER_TARGETS[name]] * 2, "r:")
    right.axhline(1, color="k", linewidth=0.8)
    right.set_xticks(range(len(names)), names)
    right.set(yscale="log", ylabel="our bits / theirs; line: geometric mean, dotted: target")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Measure, print, save; the figures with their targets."""
    for peer in peers.missing():
        console.print(f"[yellow]left out: {peer}")
    found = scenes(folder, lambda said: console.print(f"[yellow]{said}"))
    # The longest first, so that no process is left with one at the end.
    tasks = [(scene, threshold) for scene in found for threshold in (*scene.thresholds, 0)]
    order = sorted(range(len(tasks)), key=lambda index: -tasks[index][0].pixels.size)
    console.print(f"coding {len(tasks)} series ...")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        measured = dict(zip(order, pool.map(_measure, [tasks[index] for index in order]), strict=True))
    rows = [measured[index] for index in range(len(tasks))]
    worst = list(worst_cases())

    console.print(_table("Edge mode: our bits / theirs", [row for row in rows if row.threshold]))
    console.print(_table("Raw mode, lossless: our bits / theirs", [row for row in rows if not row.threshold]))
    console.print(_worst_table(worst))
    targets = figures(rows, worst)
    show(console, targets)
    details = [
        {**asdict(row), "bits_per_pixel": row.bits_per_pixel, "to_kept": row.to_kept if row.kept else None}
        for row in rows
    ]
    path = save("wire", {"series": details, "worst": [asdict(each) for each in worst]}, targets)
    plot(rows, OUT / "wire.png")
    console.print(f"{path} and wire.png beside it")
    return targets
